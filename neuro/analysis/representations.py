r"""How alike the representations of classes are.

Source: the analysis of Tadros, Krishnan, Ramyaa & Bazhenov 2022 (Nat. Commun. 13:7742): Pearson
correlations between the activities that pairs of images evoke in a layer, averaged over the pairs
of two classes. Their diagonal contains each image paired with itself, which is 1 by definition;
here such pairs are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neuro.errors import DescriptionError

FloatArray = NDArray[np.float64]


@runtime_checkable
class LayeredModel(Protocol):
    """A network that can be looked into; every learner of neuro has one as its ``model``."""

    def states(self, images: NDArray[np.float32], /) -> Sequence[NDArray[np.floating]]:
        """Activities [images, units] of each layer above the input, the output last."""
        ...

    def get_weights(self) -> Sequence[FloatArray]:
        """Copies of the weights [pre, post] that lead to each of these layers."""
        ...


def layered_model(learner: Any) -> LayeredModel:
    """The network of a learner.

    Raises
    ------
    DescriptionError
        If it has none that can be looked into.
    """
    model = getattr(learner, "model", None)
    if not isinstance(model, LayeredModel):
        raise DescriptionError(
            f"{type(learner).__name__} cannot be analysed: it has no attribute model with the "
            "methods states(images), [images, units] for each layer above the input, and "
            "get_weights(), [pre, post] for each of them"
        )
    return model


def representations(
    model: LayeredModel, images: NDArray[np.float32]
) -> list[NDArray[np.floating]]:
    """Activities that images evoke in a network.

    Parameters
    ----------
    model : LayeredModel
        Looked at, not changed.
    images : array [images, features]

    Returns
    -------
    list of arrays [images, units]
        One a layer above the input.

    Raises
    ------
    DescriptionError
        If the model does not give one row an image.
    """
    layers = [np.asarray(layer) for layer in model.states(images)]
    for number, layer in enumerate(layers, start=1):
        if layer.ndim != 2 or len(layer) != len(images):
            raise DescriptionError(
                f"{type(model).__name__}.states: layer {number} has shape {layer.shape} for "
                f"{len(images)} images; return [images, units]"
            )
    return layers


@dataclass(frozen=True, eq=False)
class ClassCorrelation:
    """Mean correlation between the representations of two classes.

    Attributes
    ----------
    classes : int64 array [classes]
        Which class each row and column stands for.
    matrix : float64 array [classes, classes]
        Mean Pearson correlation over all pairs of images, one of each class; on the diagonal
        over all pairs of two different images. NaN where no pair has one.
    constant : int64 array [classes]
        Images that were left out because all units respond alike to them (a silent layer, say):
        a correlation with them is undefined.
    """

    classes: NDArray[np.int64]
    matrix: FloatArray
    constant: NDArray[np.int64]

    @property
    def within(self) -> float:
        """Mean of the diagonal: images of the same class."""
        return mean(np.diagonal(self.matrix))

    @property
    def between(self) -> float:
        """Mean of all other entries: images of different classes."""
        return mean(off_diagonal(self.matrix))


def off_diagonal(matrix: ArrayLike) -> FloatArray:
    """The entries of a square matrix that are not on its diagonal, row by row."""
    square = np.asarray(matrix, np.float64)
    entries: FloatArray = square[~np.eye(len(square), dtype=bool)]
    return entries


def mean(values: ArrayLike) -> float:
    """Mean of the values that are defined; NaN if none is."""
    array = np.asarray(values, np.float64)
    defined = array[~np.isnan(array)]
    return float(defined.mean()) if defined.size else float("nan")


def standardised(rows: ArrayLike) -> FloatArray:
    """Rows with mean 0 and length 1; NaN for a row whose entries are all equal.

    The product of two such rows is their Pearson correlation.
    """
    array = np.asarray(rows, np.float64)
    # Compared, not computed: the mean of equal numbers may differ from them in the last digit.
    varied = array.max(axis=1) > array.min(axis=1)
    result = np.full(array.shape, np.nan)
    centred = array[varied] - array[varied].mean(axis=1, keepdims=True)
    result[varied] = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    return result


def class_correlation(activities: ArrayLike, labels: ArrayLike) -> ClassCorrelation:
    r"""Correlate the representations of all pairs of images, averaged by class.

    With :math:`z_a` the activities of image a, shifted and scaled to mean 0 and length 1, and
    :math:`s_i = \sum_{a \in i} z_a` over the :math:`n_i` images of class i:

    .. math:: C_{ij} = \frac{s_i \cdot s_j}{n_i n_j}, \qquad
              C_{ii} = \frac{s_i \cdot s_i - n_i}{n_i (n_i - 1)}

    which is the mean over pairs without making the pairs.

    Parameters
    ----------
    activities : array [images, units]
        Of one layer; at least two units.
    labels : array of int [images]

    Returns
    -------
    ClassCorrelation
        Of the classes that occur in ``labels``.
    """
    layer, actual = checked(activities, labels, "class_correlation")
    classes = np.unique(actual)
    rows = standardised(layer)
    usable = ~np.isnan(rows[:, 0])
    sums = np.array([rows[usable & (actual == c)].sum(axis=0) for c in classes])
    counts = np.array([np.sum(usable & (actual == c)) for c in classes], dtype=np.float64)
    pairs = np.outer(counts, counts)
    totals = sums @ sums.T
    diagonal = np.diag_indices(len(classes))
    pairs[diagonal] -= counts
    totals[diagonal] -= counts
    matrix = np.full(totals.shape, np.nan)
    np.divide(totals, pairs, out=matrix, where=pairs > 0)
    constant = np.array([np.sum(~usable & (actual == c)) for c in classes], dtype=np.int64)
    return ClassCorrelation(classes, matrix, constant)


def checked(
    activities: ArrayLike, labels: ArrayLike, who: str
) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
    """Activities [images, units] and labels [images] that fit each other."""
    layer, actual = np.asarray(activities), np.asarray(labels)
    if layer.ndim != 2 or layer.shape[1] < 2 or len(layer) == 0:
        raise DescriptionError(
            f"{who} activities: shape {layer.shape}; give [images, units] with at least one "
            "image and two units"
        )
    if actual.shape != (len(layer),) or actual.dtype.kind not in "iu":
        raise DescriptionError(
            f"{who} labels: shape {actual.shape}, dtype {actual.dtype}; give one class number "
            f"for each of the {len(layer)} images"
        )
    if not np.isfinite(layer).all():
        raise DescriptionError(f"{who} activities: not all are finite; has the learner diverged?")
    return layer, actual.astype(np.int64)
