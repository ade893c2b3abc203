"""One seed: networks trained with noise and without, awake, offline, and compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.analysis.reactivation import (
    Circle,
    Plane,
    Stretch,
    compare,
    components,
    matched_noise,
    transition_bias,
)
from neuro.learning.reactivation_settings import ReactivationSettings
from neuro.models.reactivation.life import Life, Rates, Runner, awake, offline
from neuro.models.reactivation.network import NoisyRNN
from neuro.models.reactivation.spiking import Pools, Spikes
from neuro.models.reactivation.tasks import Task, Trajectories
from neuro.models.reactivation.training import Training, make_network, make_task, train
from neuro.progress import Progress
from neuro.random import stream

DOUBLED = 2**0.5
"""Gain of the noise that samples the waking law itself: twice the variance."""

GAINS: Mapping[str, float] = {
    "noisy_k1": 1.0,
    "noisy_sqrt2": DOUBLED,
    "noisy_k2": 2.0,
    "noisy_k0": 0.0,
}
"""Conditions of the network that was trained with noise, and the gain of its noise offline."""

BIASES: Mapping[str, Sequence[bool]] = {
    "unbiased": (False,),
    "biased": (True,),
    "both": (False, True),
}
"""Kinds of waking movement: whether it is biased, first the one whose conditions come first."""

CURVE = (0.0, 0.5, 1.0, DOUBLED, 2.0, 3.0)
"""Gains of the temperature curve."""

SPIKING: Mapping[str, tuple[str, float]] = {
    "noisy_k0": ("noisy", 0.0),
    "noisy_k1": ("noisy", 1.0),
    "noisy_sqrt2": ("noisy", DOUBLED),
    "clean_noise": ("clean", DOUBLED),
}
"""Conditions that are run in spikes as well, and the gain of the noise."""

SPIKING_TRAJECTORIES, SPIKING_STEPS = 100, 200

LAST = 50
"""Batches of which the loss is reported."""

SHOWN, POINTS, COMPONENTS = 6, 4000, 10
"""For figures: trajectories, points of an overlay, components of explained variance."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A network, and its waking life.

    Attributes
    ----------
    network : NoisyRNN
    task : Task
    lived : Trajectories
    noise : float
        With which it was trained and is awake.
    life : Life
    """

    network: NoisyRNN
    task: Task
    lived: Trajectories
    noise: float
    life: Life


@dataclass(frozen=True, eq=False)
class SeedOutcome:
    """What a seed gave.

    Attributes
    ----------
    measures : dict
        Plain JSON but for NaN.
    arrays : dict of str to ndarray
        Small ones, for figures.
    """

    measures: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Experiment:
    """The comparison of one kind of movement for one seed.

    Attributes
    ----------
    settings : ReactivationSettings
    seed : int
    biased : bool
        Whether movement is biased.
    noisy, clean, untrained : Subject
    losses : dict of str to list of float
        While ``noisy`` and ``clean`` were trained.
    """

    settings: ReactivationSettings
    seed: int
    biased: bool
    noisy: Subject
    clean: Subject
    untrained: Subject
    losses: Mapping[str, list[float]]

    @property
    def task(self) -> Task:
        """What they do awake."""
        return self.noisy.task

    def dream(self, subject: Subject, noise: float) -> Stretch:
        """Offline life; noise of equal size is the same."""
        settings = self.settings
        generator = stream(self.seed, "reactivation offline noise", self.biased)
        runner = Rates(subject.network, noise, generator, settings.noise_kind)
        return offline(
            runner, self.task, self.starts(), settings.offline_steps, burn_in=settings.burn_in
        )

    def starts(self) -> NDArray[np.float64]:
        """Where networks are when the input stops (``settings.start``)."""
        lived = self.noisy.lived.start
        if self.settings.start == "lived":
            return lived
        anywhere = self.task.anywhere(len(lived), stream(self.seed, "reactivation starts"))
        return anywhere if self.settings.start == "uniform" else np.full_like(lived, anywhere[0])

    def compared(self, subject: Subject, dream: Stretch) -> dict[str, float]:
        """Measures of an offline life; an untrained network has none of its own to revisit."""
        return dict(
            compare(
                self.task.space,
                dream,
                subject.life.stretch,
                model=self.noisy.life.stretch if subject is self.untrained else None,
                stream=self.draws(),
            )
        )

    def loss(self, name: str) -> float:
        """Mean squared error in the last batches of training; NaN for the untrained network."""
        losses = self.losses.get(name)
        return float(np.mean(losses[-LAST:])) if losses else float("nan")

    def draws(self) -> np.random.Generator:
        """For points drawn from densities."""
        return stream(self.seed, "reactivation densities")

    def plan(self) -> dict[str, tuple[Subject, float]]:
        """Every condition: who, and with how much noise."""
        noise = self.settings.noise
        doubled = DOUBLED * noise
        norms = [s.life.stretch.norm for s in (self.clean, self.noisy)]
        return {
            **{name: (self.noisy, gain * noise) for name, gain in GAINS.items()},
            "clean_no_noise": (self.clean, 0.0),
            "clean_noise": (self.clean, doubled),
            "clean_snr_matched": (self.clean, matched_noise(doubled, *norms)),
            "untrained": (self.untrained, doubled),
        }


def prepare(
    settings: ReactivationSettings,
    seed: int,
    *,
    biased: bool = False,
    device: str = "cpu",
    progress: Progress | None = None,
    checkpoints: Path | None = None,
) -> Experiment:
    """Train the networks of a seed, and look at them awake.

    Parameters
    ----------
    settings : ReactivationSettings
    seed : int
    biased : bool
    device : str
    progress : Progress, optional
        Is told of every batch.
    checkpoints : Path, optional
        Folder in which training is kept while it goes on.
    """
    task = make_task(settings, biased=biased, seed=seed)
    lived = task.trajectories(
        settings.trajectories, settings.steps, stream(seed, "reactivation test")
    )

    def seen(network: NoisyRNN, noise: float) -> Subject:
        generator = stream(seed, "reactivation waking noise")
        runner = Rates(network, noise, generator, settings.noise_kind)
        return Subject(network, task, lived, noise, awake(runner, task, lived))

    def trained(name: str, noise: float) -> Training:
        file = None
        if checkpoints is not None:
            checkpoints.mkdir(parents=True, exist_ok=True)
            file = checkpoints / f"{'biased-' * biased}{name}.npz"
        return train(
            settings, task, noise=noise, seed=seed, device=device, progress=progress,
            checkpoint=file,
        )  # fmt: skip

    noisy, clean = trained("noisy", settings.noise), trained("clean", 0.0)
    return Experiment(
        settings,
        seed,
        biased,
        seen(noisy.network, settings.noise),
        seen(clean.network, 0.0),
        seen(make_network(settings, task, seed, device), settings.noise),
        {"noisy": noisy.losses, "clean": clean.losses},
    )


def outcome(experiment: Experiment) -> SeedOutcome:
    """All conditions of one experiment, and what figures need."""
    dreams, conditions = {}, {}
    for name, (subject, noise) in experiment.plan().items():
        dreams[name] = experiment.dream(subject, noise)
        conditions[name] = {"noise": noise, **experiment.compared(subject, dreams[name])}
    measures: dict[str, Any] = {"conditions": conditions, "awake": _waking(experiment)}
    measures["temperature"] = _temperature(experiment, conditions)
    measures["explained_variance"] = {
        when: components(stretch.states).explained[:COMPONENTS].tolist()
        for when, stretch in _times(experiment, dreams).items()
    }
    if isinstance(experiment.task.space, Circle):
        measures["turns"] = {
            when: {"mean": found.mean, "reversals": found.reversals}
            for when, stretch in _times(experiment, dreams).items()
            for found in [transition_bias(stretch.decoded)]
        }
    return SeedOutcome(measures, _arrays(experiment, dreams))


def _waking(experiment: Experiment) -> dict[str, dict[str, float]]:
    """Error and movement awake, and the loss of training."""
    space = experiment.task.space
    found = {}
    for name in ("noisy", "clean", "untrained"):
        life = getattr(experiment, name).life
        decoded = life.stretch.decoded
        found[name] = {
            "error": life.error,
            "step": float(space.distances(decoded).mean()),
            "spread": space.spread(decoded),
            "resultant": space.resultant(decoded),
            "peak": float(life.stretch.peaks.mean()),
            "norm": life.stretch.norm,
            "loss": experiment.loss(name),
        }
    return found


def _temperature(
    experiment: Experiment, conditions: Mapping[str, Mapping[str, float]]
) -> list[dict[str, float]]:
    """The network trained with noise, under more and more of it."""
    known = {gain: conditions[name] for name, gain in GAINS.items()}
    found = []
    for gain in CURVE:
        measured = known.get(gain)
        if measured is None:
            dream = experiment.dream(experiment.noisy, gain * experiment.settings.noise)
            measured = experiment.compared(experiment.noisy, dream)
        found.append({**measured, "k": gain})
    return found


def _times(experiment: Experiment, dreams: Mapping[str, Stretch]) -> dict[str, Stretch]:
    return {
        "noisy awake": experiment.noisy.life.stretch,
        "noisy offline": dreams["noisy_sqrt2"],
        "clean awake": experiment.clean.life.stretch,
        "clean offline": dreams["clean_noise"],
    }


def _arrays(experiment: Experiment, dreams: Mapping[str, Stretch]) -> dict[str, NDArray[Any]]:
    """Trajectories and overlays, thinned out."""
    found: dict[str, NDArray[Any]] = {}
    draw = stream(experiment.seed, "reactivation figures")
    for when, stretch in _times(experiment, dreams).items():
        name = when.replace(" ", "_")
        found[f"{name}_decoded"] = stretch.decoded[:, :SHOWN].astype(np.float32)
        flat = stretch.decoded.reshape(-1, *stretch.decoded.shape[2:])
        chosen = draw.choice(len(flat), min(POINTS, len(flat)), replace=False)
        found[f"{name}_occupied"] = flat[chosen].astype(np.float32)
    main = components(experiment.noisy.life.stretch.states)
    for when in ("noisy awake", "noisy offline"):
        states = _times(experiment, dreams)[when].states
        flat = states.reshape(-1, states.shape[-1])
        chosen = draw.choice(len(flat), min(POINTS, len(flat)), replace=False)
        found[f"{when.replace(' ', '_')}_projected"] = main.project(flat[chosen]).astype("f4")
        outputs = experiment.noisy.network.outputs(experiment.noisy.network.tensor(flat[chosen]))
        found[f"{when.replace(' ', '_')}_colour"] = experiment.task.decode(outputs).astype("f4")
    return found


def in_spikes(experiment: Experiment, backend: str, pools: str = "integrate") -> dict[str, Any]:
    """The trained networks as rates and in spikes, from the same starts, for a shorter time.

    Stochastic cells are never without noise: there is no condition without, and awake the network
    that was trained without has the cells that the noise of the other asks for.

    Parameters
    ----------
    experiment : Experiment
    backend : str
        What simulates the spikes.
    pools : {"integrate", "stochastic"}
        Kind of cells.

    Returns
    -------
    dict
        ``backend``; ``pools``; ``awake``: for ``noisy`` and ``clean`` the error as ``rate`` and in
        ``spikes``; ``conditions``: of each the measures as ``rate`` and in ``spikes``.
    """
    task, settings, seed = experiment.task, experiment.settings, experiment.seed
    count = min(SPIKING_TRAJECTORIES, settings.trajectories)
    steps = min(SPIKING_STEPS, settings.offline_steps)

    def runners(subject: Subject, noise: float, name: str) -> dict[str, Runner]:
        generator = stream(seed, f"reactivation spikes, {name}")
        return {
            "rate": Rates(subject.network, noise, generator),
            "spikes": spiking(subject, noise),
        }

    def spiking(subject: Subject, noise: float) -> Spikes:
        if pools == "integrate":
            return Spikes(subject.network, noise, backend, seed=seed)
        drawing = Pools.as_noisy_as(
            noise or settings.noise,
            leak=settings.leak,
            drive=float(subject.life.stretch.states.mean()),
        )
        return Spikes(subject.network, 0.0, backend, pools=drawing, seed=seed)

    found: dict[str, Any] = {
        "backend": backend,
        "pools": pools,
        "awake": {},
        "conditions": {},
    }
    lives: dict[str, dict[str, Life]] = {}
    for who in ("noisy", "clean"):
        subject: Subject = getattr(experiment, who)
        lived = subject.lived.first(count)
        lives[who] = {
            how: awake(runner, task, lived)
            for how, runner in runners(subject, subject.noise, "awake").items()
        }
        found["awake"][who] = {how: life.error for how, life in lives[who].items()}
    for name, (who, gain) in SPIKING.items():
        if pools == "stochastic" and gain == 0.0:
            continue
        subject = getattr(experiment, who)
        lived = subject.lived.first(count)
        found["conditions"][name] = {
            how: compare(
                task.space,
                offline(runner, task, lived.start, steps),
                lives[who][how].stretch,
                stream=experiment.draws(),
            )
            for how, runner in runners(subject, gain * settings.noise, "offline").items()
        }
    return found


def divergence_matrix(unbiased: Experiment, biased: Experiment) -> dict[str, dict[str, float]]:
    """Divergence of every offline life from every waking one, KL(offline || awake).

    Returns
    -------
    dict
        Rows: ``unbiased noisy``, ``unbiased clean``, ``unbiased clean, noise``, the same biased,
        ``uniform`` (true positions), ``untrained``; columns: waking lives.
    """
    lives = {
        f"{bias} {name}": getattr(experiment, name).life.stretch.decoded
        for bias, experiment in (("unbiased", unbiased), ("biased", biased))
        for name in ("noisy", "clean")
    }
    rows: dict[str, NDArray[np.float64]] = {}
    for bias, experiment in (("unbiased", unbiased), ("biased", biased)):
        plan = experiment.plan()
        for row, name in (("noisy", "noisy_sqrt2"), ("clean", "clean_no_noise"),
                          ("clean, noise", "clean_noise")):  # fmt: skip
            rows[f"{bias} {row}"] = experiment.dream(*plan[name]).decoded
    rows["untrained"] = unbiased.dream(*unbiased.plan()["untrained"]).decoded
    lived = unbiased.noisy.lived
    rows["uniform"] = lived.start[None]
    space = unbiased.task.space
    return {
        row: {
            column: space.divergence(decoded, life, stream=unbiased.draws())
            for column, life in lives.items()
        }
        for row, decoded in rows.items()
    }


def run_seed(
    settings: ReactivationSettings,
    seed: int,
    *,
    bias: str = "unbiased",
    spiking: str | None = None,
    pools: str = "integrate",
    device: str = "cpu",
    progress: Progress | None = None,
    checkpoints: Path | None = None,
) -> SeedOutcome:
    """Everything about one seed.

    Parameters
    ----------
    settings : ReactivationSettings
    seed : int
    bias : {"unbiased", "biased", "both"}
        Of the movement awake. With both, ``conditions`` are those of unbiased movement,
        ``biased`` holds the others, and ``divergence_matrix`` compares all.
    spiking : str, optional
        Backend on which the first networks also run in spikes (``spiking``).
    pools : {"integrate", "stochastic"}
        Kind of cells in spikes.
    device, progress, checkpoints
        See :func:`prepare`.
    """
    made = [
        prepare(
            settings, seed, biased=biased, device=device, progress=progress,
            checkpoints=checkpoints,
        )
        for biased in BIASES[bias]
    ]  # fmt: skip
    first = outcome(made[0])
    measures = {"seed": seed, **first.measures}
    arrays = dict(first.arrays)
    if spiking is not None:
        measures["spiking"] = in_spikes(made[0], spiking, pools)
    if len(made) == 2:
        second = outcome(made[1])
        measures["biased"] = second.measures
        arrays |= {f"biased_{name}": value for name, value in second.arrays.items()}
        if isinstance(made[0].task.space, Plane):
            measures["divergence_matrix"] = divergence_matrix(*made)
    return SeedOutcome(measures, arrays)
