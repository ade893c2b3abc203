"""Features of images in place of the images: what a network, once made, says of them.

A feature extractor turns every image into a vector. The vectors are divided by the largest value
of all training images, as Tadros et al. 2022 (Nat. Commun. 13:7742) do, so that they lie in
[0, 1] and sleep can replay them as firing rates. There are three kinds:

``conv``
    A small convolutional network, trained here on the first two classes only
    (:mod:`neuro._features_conv`): what it knows is what the first task teaches.
``dct``
    Contrasts of small patches (:mod:`neuro._features_dct`): nothing is learned.
any other name
    A network of torchvision with weights from a file (:mod:`neuro._features_torchvision`).

Features are kept in ``features`` in the cache folder (``$NEURO_CACHE``, by default ``neuro`` in
the user's cache), under a key made from all that influences them.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neuro import _imagefolder
from neuro.cache import cache_folder
from neuro.dataset_name import CONV, DCT, DatasetName
from neuro.datasets import Dataset
from neuro.errors import DatasetError
from neuro.progress import Bar, Progress
from neuro.results import key_of, write_bytes

Images = Sequence[NDArray[np.uint8]]
"""Colour images ``[height, width, 3]``, 0 to 255."""


class Extractor(Protocol):
    """Turns images into vectors."""

    @property
    def identity(self) -> dict[str, Any]:
        """Plain data: everything that influences the features, besides the images."""
        ...

    @property
    def description(self) -> str:
        """What it is, for reports."""
        ...

    def prepare(self, images: Images, labels: NDArray[np.int64]) -> None:
        """Get ready: learn from the training images, or read weights. Called before extract."""
        ...

    def extract(self, images: Images, progress: Progress) -> NDArray[np.float32]:
        """Vectors, not negative, shape [n, features]; ``progress`` counts images."""
        ...


@dataclass(frozen=True, eq=False)
class Pictures:
    """The images of a data set as extractors take them."""

    name: str
    train: Images
    train_labels: NDArray[np.int64]
    test: Images
    test_labels: NDArray[np.int64]
    parts: tuple[tuple[str, int], ...]
    fingerprint: str
    source: str

    @classmethod
    def of_dataset(cls, dataset: Dataset) -> Pictures:
        """Images in memory; grey ones get three equal colours."""
        return cls(
            dataset.name,
            _coloured(dataset.train_images),
            dataset.train_labels,
            _coloured(dataset.test_images),
            dataset.test_labels,
            dataset.parts,
            dataset.fingerprint(),
            dataset.source,
        )

    @classmethod
    def of_folder(cls, path: Path) -> Pictures:
        """Images in files, in their own sizes."""
        folder = _imagefolder.read_folder(path)
        return cls(
            f"{path.resolve().name}/",
            _imagefolder.ImageFiles(folder.train),
            folder.train_labels,
            _imagefolder.ImageFiles(folder.test),
            folder.test_labels,
            ((path.resolve().name, len(folder.classes)),),
            folder.fingerprint(),
            str(path),
        )


def _coloured(images: NDArray[Any]) -> Any:
    whole = np.rint(images * 255).astype(np.uint8) if images.dtype != np.uint8 else images
    return whole if whole.ndim == 4 else np.repeat(whole[..., None], 3, axis=-1)


def extractor(name: DatasetName) -> Extractor:
    """The extractor that a name asks for.

    Raises
    ------
    DatasetError
        If there is none of this name, torchvision is missing, or the weights cannot be read.
    """
    if name.features == CONV:
        from neuro._features_conv import ConvNetwork

        return ConvNetwork()
    if name.features == DCT:
        from neuro._features_dct import LocalCosines

        return LocalCosines()
    if name.features is None or name.weights is None:
        raise DatasetError(f"data set {str(name)!r} names no features and weights")
    from neuro._features_torchvision import TorchvisionNetwork

    return TorchvisionNetwork(name.features, Path(name.weights))


def featured(name: DatasetName, pictures: Pictures, by: Extractor) -> Dataset:
    """The data set whose images are features.

    Parameters
    ----------
    name : DatasetName
        What it will be called.
    pictures : Pictures
        The images.
    by : Extractor
        What makes vectors of them.

    Returns
    -------
    Dataset
        Images ``[n, 1, features]`` of float32 in [0, 1]: the features over the largest of the
        training images; the few test features that are larger still become 1.

    Raises
    ------
    DatasetError
        If an image cannot be read, the extractor does not fit, or all features are 0.
    JobError
        If they cannot be written to the cache.
    """
    key = key_of(
        {
            "format": 1,
            "images": pictures.fingerprint,
            "extractor": by.identity,
            "code": _code(),
            "versions": {"numpy": np.__version__},
        }
    )
    path = features_folder() / f"{name.slug}-{key}.h5"
    arrays = _read(path, key)
    if arrays is None:
        arrays = _computed(pictures, by)
        _write(path, key, arrays)
    return Dataset(
        str(name),
        arrays[0][:, None, :],
        pictures.train_labels,
        arrays[1][:, None, :],
        pictures.test_labels,
        n_classes=sum(count for _, count in pictures.parts),
        source=f"{by.description}, of the images of {pictures.source}",
        parts=pictures.parts,
    )


Arrays = tuple[NDArray[np.float32], NDArray[np.float32]]


def _computed(pictures: Pictures, by: Extractor) -> Arrays:
    by.prepare(pictures.train, pictures.train_labels)
    count = len(pictures.train) + len(pictures.test)
    with Bar(count, f"features of {pictures.name}", "image") as bar:
        train = by.extract(pictures.train, bar)
        test = by.extract(pictures.test, bar)
    for part in (train, test):
        if not np.isfinite(part).all() or part.min() < 0:
            raise DatasetError(
                f"{by.description}: features are negative or not finite; are these the weights "
                "of this network?"
            )
    largest = train.max()
    if largest == 0:
        raise DatasetError(f"{by.description}: all features of the training images are 0")
    return train / largest, np.minimum(test / largest, np.float32(1))


def _code() -> str:
    """Hash of the code that makes features: changed code must not reuse old ones."""
    digest = hashlib.blake2b(digest_size=8)
    folder = Path(__file__).parent
    for path in sorted([*folder.glob("*features*.py"), folder / "_imagefolder.py"]):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def features_folder() -> Path:
    """Folder that features are kept in."""
    return cache_folder() / "features"


def _read(path: Path, key: str) -> Arrays | None:
    """The features in a file; None if it is not there or not whole: they are made again."""
    import h5py

    if not path.is_file():
        return None
    try:
        with h5py.File(path, "r") as file:
            if file.attrs["key"] != key:
                return None
            return np.asarray(file["train"]), np.asarray(file["test"])
    except (OSError, KeyError, RuntimeError):
        return None


def _write(path: Path, key: str, arrays: Arrays) -> None:
    """Keep the features; a file that is there is whole."""
    import h5py

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatasetError(
            f"cannot keep features in {path.parent}: {error}; set NEURO_CACHE to another folder"
        ) from error
    packed = io.BytesIO()
    with h5py.File(packed, "w") as file:
        for part, array in zip(("train", "test"), arrays, strict=True):
            file[part] = array
        file.attrs["key"] = key
    write_bytes(path, packed.getvalue())
