r"""Whether a network without input goes back to the states of its waking life.

Measures of Krishna et al. 2024 (ICLR, arXiv:2505.17003) and the controls that they need. A network
reports, at every step, where it believes to be: an angle (:class:`Circle`) or a position in a box
(:class:`Plane`). Awake it is told how it moves; offline it gets noise only. Arrays of time series
are time first: ``[steps, trajectories]``, positions with a last axis of two.

A low divergence alone says little: whatever diffuses over the whole space scores one, and whatever
stays where it started has that of its start. So it comes with the divergence of the *frozen* start,
with step length, spread, resultant, and the part of the state that has left the waking manifold.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neuro.errors import DescriptionError

FloatArray = NDArray[np.float64]

BINS = 24
"""Bins of a histogram of angles."""

PRIOR = 0.5
"""Counts that each bin has before anything was seen."""

LIMIT = 1e7
"""Ratios of densities are cut off there, and at one over it."""

KDE_SAMPLES, KDE_POINTS = 2500, 10_000
"""Points drawn from one density to compare it with the other; most points that make a density."""


class Space(ABC):
    """Where the decoded states live."""

    @abstractmethod
    def moves(self, states: ArrayLike) -> FloatArray:
        """Changes from each step to the next, ``[steps - 1, trajectories, ...]``."""

    @abstractmethod
    def distances(self, states: ArrayLike) -> FloatArray:
        """Lengths of :meth:`moves`, ``[steps - 1, trajectories]``."""

    @abstractmethod
    def errors(self, found: ArrayLike, true: ArrayLike) -> FloatArray:
        """Distance of each state from the true one."""

    @abstractmethod
    def spread(self, states: ArrayLike) -> float:
        """How far a trajectory gets around: mean over trajectories."""

    @abstractmethod
    def resultant(self, states: ArrayLike) -> float:
        """How much all states agree, from 0 to 1; NaN where that has no meaning."""

    @abstractmethod
    def divergence(
        self, offline: ArrayLike, awake: ArrayLike, *, stream: np.random.Generator
    ) -> float:
        """Kullback-Leibler divergence KL(offline || awake) of decoded states, in nats.

        The authors' code computes it in this direction, the paper's text speaks of the other.
        ``stream`` draws points where some are drawn.
        """

    @abstractmethod
    def chance(self, trajectories: int) -> float:
        """What chance alone adds to a divergence on average, for independent trajectories."""


class Circle(Space):
    """Angles in radians, ``[steps, trajectories]``."""

    def moves(self, states: ArrayLike) -> FloatArray:
        """Turns, in [-pi, pi)."""
        return wrapped(np.diff(_series(states, 2), axis=0))

    def distances(self, states: ArrayLike) -> FloatArray:
        """Sizes of the turns."""
        return np.abs(self.moves(states))

    def errors(self, found: ArrayLike, true: ArrayLike) -> FloatArray:
        """Sizes of the angles between."""
        return np.abs(wrapped(np.asarray(found, float) - np.asarray(true, float)))

    def spread(self, states: ArrayLike) -> float:
        """One less the length of a trajectory's mean direction: 0 stays, 1 is everywhere."""
        along = np.abs(np.exp(1j * _series(states, 2)).mean(axis=0))
        return float((1.0 - along).mean())

    def resultant(self, states: ArrayLike) -> float:
        """Length of the mean direction of all states."""
        return float(np.abs(np.exp(1j * _series(states, 2)).mean()))

    def divergence(
        self, offline: ArrayLike, awake: ArrayLike, *, stream: np.random.Generator
    ) -> float:
        """From histograms on the circle: a kernel density on a line would tear it open."""
        q, p = (_histogram(_series(s, 2)) for s in (offline, awake))
        return float((q * np.log(q / p)).sum())

    def chance(self, trajectories: int) -> float:
        """(bins - 1) / (2 n), of a histogram with n independent entries (Miller 1955)."""
        return (BINS - 1) / (2 * trajectories)


class Plane(Space):
    """Positions, ``[steps, trajectories, 2]``."""

    def moves(self, states: ArrayLike) -> FloatArray:
        """Displacements."""
        found: FloatArray = np.diff(_series(states, 3), axis=0)
        return found

    def distances(self, states: ArrayLike) -> FloatArray:
        """Lengths of the displacements."""
        found: FloatArray = np.linalg.norm(self.moves(states), axis=-1)
        return found

    def errors(self, found: ArrayLike, true: ArrayLike) -> FloatArray:
        """Distances between positions."""
        away: FloatArray = np.asarray(found, float) - np.asarray(true, float)
        return np.asarray(np.linalg.norm(away, axis=-1))

    def spread(self, states: ArrayLike) -> float:
        """Variance of a trajectory: the trace of its covariance."""
        return float(_series(states, 3).var(axis=0).sum(axis=-1).mean())

    def resultant(self, states: ArrayLike) -> float:
        """Positions have no direction to agree on: NaN."""
        return float("nan")

    def divergence(
        self, offline: ArrayLike, awake: ArrayLike, *, stream: np.random.Generator
    ) -> float:
        """From Gaussian kernel densities (Scott's bandwidth) at points drawn from the first."""
        q, p = (_density(_series(s, 3).reshape(-1, 2), stream) for s in (offline, awake))
        points = q.resample(KDE_SAMPLES, seed=stream)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.nan_to_num(q(points) / p(points), nan=1.0, posinf=LIMIT)
        return float(np.log(ratio.clip(1 / LIMIT, LIMIT)).mean())

    def chance(self, trajectories: int) -> float:
        """Of smoothed densities it is not known: NaN."""
        return float("nan")


def wrapped(angles: ArrayLike) -> FloatArray:
    """Angles in [-pi, pi)."""
    found: FloatArray = (np.asarray(angles, float) + np.pi) % (2 * np.pi) - np.pi
    return found


def _series(states: ArrayLike, axes: int) -> FloatArray:
    found = np.asarray(states, np.float64)
    wanted = "[steps, trajectories]" if axes == 2 else "[steps, trajectories, 2]"
    if found.ndim != axes or (axes == 3 and found.shape[-1] != 2) or found.size == 0:
        raise DescriptionError(f"decoded states have shape {found.shape}; expected {wanted}")
    if not np.isfinite(found).all():
        raise DescriptionError("decoded states are not all finite; did the network run away?")
    return found


def _histogram(angles: FloatArray) -> FloatArray:
    places = ((wrapped(angles) + np.pi) * (BINS / (2 * np.pi))).astype(int).ravel()
    counts = np.bincount(places.clip(0, BINS - 1), minlength=BINS) + PRIOR
    found: FloatArray = counts / counts.sum()
    return found


def _density(points: FloatArray, stream: np.random.Generator) -> Any:
    from scipy.stats import gaussian_kde

    if len(points) > KDE_POINTS:
        points = points[stream.choice(len(points), KDE_POINTS, replace=False)]
    try:
        return gaussian_kde(points.T)
    except np.linalg.LinAlgError as error:
        raise DescriptionError(
            f"{len(points)} positions lie on a line or a point and have no density in the plane"
        ) from error


# --- states of the network ---------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Components:
    """Principal components of states.

    Attributes
    ----------
    mean : ndarray, shape [units]
    axes : ndarray, shape [components, units]
        Orthonormal, the direction of most variance first.
    explained : ndarray, shape [components]
        Part of the variance that the first ones hold together.
    """

    mean: FloatArray
    axes: FloatArray
    explained: FloatArray

    def project(self, states: ArrayLike, count: int = 2) -> FloatArray:
        """States ``[..., units]`` on the first components, ``[..., count]``."""
        found: FloatArray = (np.asarray(states, float) - self.mean) @ self.axes[:count].T
        return found

    def outside(self, states: ArrayLike, keep: float = 0.95) -> float:
        """Part of the variance of other states that lies off the components that hold ``keep``.

        Both about the mean of the states that the components are of, so that a drift away counts.
        """
        count = int(np.searchsorted(self.explained, keep) + 1)
        centred = np.asarray(states, float).reshape(-1, len(self.mean)) - self.mean
        inside = np.square(centred @ self.axes[:count].T).sum()
        total = np.square(centred).sum()
        return float(1.0 - inside / total) if total > 0 else 0.0


def components(states: ArrayLike) -> Components:
    """Principal components of states ``[..., units]``."""
    flat = np.asarray(states, float)
    flat = flat.reshape(-1, flat.shape[-1])
    mean = flat.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(flat.T, bias=True).reshape(len(mean), -1))
    values = values[::-1].clip(0)
    explained = np.cumsum(values) / max(values.sum(), np.finfo(float).tiny)
    return Components(mean, vectors[:, ::-1].T, explained)


def matched_noise(noise: float, own_norm: float, other_norm: float) -> float:
    """Noise that is as large beside states of one network as ``noise`` is beside another's.

    Networks that were trained with noise have larger states; the same noise disturbs them less.
    """
    return noise * own_norm / other_norm


# --- a whole comparison ------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Stretch:
    """What a network did, awake or offline.

    Attributes
    ----------
    decoded : ndarray, shape [steps, trajectories] or [steps, trajectories, 2]
        Where its output says it is.
    peaks : ndarray, shape [steps, trajectories]
        Largest activity of its output cells.
    states : ndarray, shape [some steps, trajectories, units]
        Of its units.
    """

    decoded: FloatArray
    peaks: FloatArray
    states: FloatArray

    @property
    def norm(self) -> float:
        """Mean length of the states."""
        return float(np.linalg.norm(self.states, axis=-1).mean())


def compare(
    space: Space,
    offline: Stretch,
    awake: Stretch,
    *,
    model: Stretch | None = None,
    stream: np.random.Generator,
) -> Mapping[str, float]:
    """How alike offline activity is to waking activity, by every measure.

    Parameters
    ----------
    space : Space
    offline, awake : Stretch
        Of the same network.
    model : Stretch, optional
        Of the network whose waking life is to be revisited, if that is another one.
    stream : numpy.random.Generator

    Returns
    -------
    dict
        ``kl``, ``kl_backward`` (KL of offline from awake, and of awake from offline), ``kl_bias``
        (:meth:`Space.chance`); ``kl_frozen`` (of the first decoded states, were they kept);
        ``step`` and ``step_ratio`` (mean distance of consecutive states, and over that awake);
        ``spread``, ``spread_late`` (of the second half, when the start is forgotten),
        ``resultant`` (:class:`Space`); ``off_manifold`` (:meth:`Components.outside`);
        ``peak_ratio`` (mean peak over that awake); ``norm``. Ratios
        to something that is 0 awake are NaN.
    """
    life = awake if model is None else model
    step = float(space.distances(offline.decoded).mean())
    return {
        "kl": space.divergence(offline.decoded, life.decoded, stream=stream),
        "kl_backward": space.divergence(life.decoded, offline.decoded, stream=stream),
        "kl_bias": space.chance(offline.decoded.shape[1]),
        "kl_frozen": space.divergence(offline.decoded[:1], life.decoded, stream=stream),
        "step": step,
        "step_ratio": _ratio(step, float(space.distances(life.decoded).mean())),
        "spread": space.spread(offline.decoded),
        "spread_late": space.spread(offline.decoded[len(offline.decoded) // 2 :]),
        "resultant": space.resultant(offline.decoded),
        "off_manifold": components(awake.states).outside(offline.states),
        "peak_ratio": _ratio(float(offline.peaks.mean()), float(awake.peaks.mean())),
        "norm": offline.norm,
    }


def _ratio(offline: float, awake: float) -> float:
    return offline / awake if awake else float("nan")


@dataclass(frozen=True, eq=False)
class TransitionBias:
    """Which way angles turn from step to step.

    Attributes
    ----------
    edges : ndarray, shape [bins + 1]
        In radians a step.
    density : ndarray, shape [bins]
        Of the turns.
    mean : float
        Mean turn, radians a step; positive: counter-clockwise.
    reversals : float
        Part of the turns that go against the mean.
    """

    edges: FloatArray
    density: FloatArray
    mean: float
    reversals: float


def transition_bias(angles: ArrayLike, bins: int = 61) -> TransitionBias:
    """Turns of decoded angles ``[steps, trajectories]``."""
    turns = Circle().moves(angles).ravel()
    density, edges = np.histogram(turns, bins=bins, range=(-np.pi, np.pi), density=True)
    mean = float(turns.mean())
    return TransitionBias(edges, density, mean, float((turns * np.sign(mean) < 0).mean()))
