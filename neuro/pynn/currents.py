"""Current sources.

Currents that change a few times (DCSource, StepCurrentSource) are set between two runs of the
compiled network, which is cut at these times. Currents that change in every step (ACSource,
NoisyCurrentSource) are units of their own, whose events carry the current.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyNN.parameters import ParameterSpace, Sequence
from pyNN.standardmodels import StandardCurrentSource, build_translations, electrodes

import neuro as nr
from neuro.pynn import simulator
from neuro.random import stream

NA, MS = 1e-9, 1e-3


class CurrentSource(StandardCurrentSource):
    """What all current sources share: parameters, and the cells that they are injected into."""

    def __init__(self, **parameters: Any) -> None:
        super().__init__(**parameters)
        self.cells: list[simulator.ID] = []
        self.recorded = False
        self.index = len(simulator.state.current_sources)
        self._native: dict[str, Any] = {}
        space = self.native_parameters
        space.shape = (1,)
        self.set_native_parameters(space)
        simulator.state.current_sources.append(self)

    def set_native_parameters(self, parameters: Any) -> None:
        """Take parameters in SI units; also while the simulation runs."""
        parameters.evaluate(simplify=True)
        for name, value in parameters.items():
            self._native[name] = _value(value)
        self._check()
        simulator.state.changed()

    def get_native_parameters(self) -> ParameterSpace:
        """Parameters in SI units."""
        listed = {
            k: Sequence(v) if isinstance(v, np.ndarray) else v for k, v in self._native.items()
        }
        return ParameterSpace(listed)

    def get_parameters(self) -> dict[str, Any]:
        """Parameters in PyNN's units."""
        found = self.reverse_translate(self.get_native_parameters())
        found.shape = (1,)
        found.evaluate(simplify=True)
        return {k: v.value if isinstance(v, Sequence) else v for k, v in found.items()}

    def _check(self) -> None:
        """Refuse values that mean nothing."""

    def inject_into(self, cells: Iterable[Any], location: Any = None) -> None:
        """Inject into cells: a population, view, assembly or list of cells.

        Raises
        ------
        TypeError
            A spike source takes no current.
        """
        if location is not None:
            raise nr.DescriptionError(
                f"inject_into: location is {location!r}; neurons here are points, leave it out"
            )
        found = list(cells)
        for cell in found:
            if not cell.celltype.injectable:
                raise TypeError("Can't inject current into a spike source.")
        self.cells.extend(found)
        simulator.state.changed()

    def record(self) -> None:
        """Keep the current, for ``get_data``."""
        self.recorded = True
        simulator.state.changed()

    def counts(self, population: Any) -> NDArray[np.float64]:
        """How many times the current enters each unit of a population."""
        made = np.zeros(population.size)
        for cell in self.cells:
            if cell.parent is population:
                made[population.id_to_index(cell)] += 1
        return made

    def _steps(self, key: str) -> float:
        """A time as the number of its step (as a float: ``stop`` may be enormous)."""
        return float(np.rint(self._native[key] / (simulator.state.dt * MS)))

    def _sampled(self) -> NDArray[np.float64]:
        """The current in amperes at every step up to now, and at the next."""
        raise NotImplementedError

    def _get_data(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if not self.recorded:
            raise nr.DescriptionError(
                f"get_data of {type(self).__name__}: nothing was recorded; call record() before run"
            )
        amplitudes = self._sampled() / NA
        times = np.asarray(np.arange(len(amplitudes)) * float(simulator.state.dt), np.float64)
        return times, amplitudes


class SteadySource(CurrentSource):
    """A current that is constant but for a few changes."""

    def changes(self) -> list[tuple[float, float]]:
        """(step, amperes) of every change, in order; 0 before the first."""
        raise NotImplementedError

    def current(self, step: int) -> float:
        """Amperes in the given step."""
        found = 0.0
        for start, amplitude in self.changes():
            if start <= step:
                found = amplitude
        return found

    def _sampled(self) -> NDArray[np.float64]:
        made = np.zeros(simulator.state.step + 1)
        for start, amplitude in self.changes():
            if start < len(made):
                made[int(start) :] = amplitude
        return made


class DCSource(SteadySource, electrodes.DCSource):
    """A pulse of constant current."""

    translations = build_translations(
        ("amplitude", "amplitude", NA), ("start", "start", MS), ("stop", "stop", MS)
    )

    def changes(self) -> list[tuple[float, float]]:
        """On and off."""
        start, stop = self._steps("start"), self._steps("stop")
        return [(start, self._native["amplitude"]), (stop, 0.0)] if start < stop else []


class StepCurrentSource(SteadySource, electrodes.StepCurrentSource):
    """A current that steps at given times."""

    translations = build_translations(("amplitudes", "amplitudes", NA), ("times", "times", MS))

    def _check(self) -> None:
        times, amplitudes = self._native["times"], self._native["amplitudes"]
        if len(times) != len(amplitudes):
            raise nr.DescriptionError(
                f"StepCurrentSource: {len(times)} times but {len(amplitudes)} amplitudes; give one"
                " amplitude for each time"
            )
        if np.any(times < 0) or np.any(np.diff(times) <= 0):
            raise nr.DescriptionError(
                f"times of StepCurrentSource are {times / MS}; they must not be negative, and"
                " ascend"
            )

    def set_native_parameters(self, parameters: Any) -> None:
        """Take times and amplitudes; times are rounded to steps, in each of which the last counts.

        To change the number of steps, give both with ``set_parameters``.
        """
        parameters.evaluate(simplify=True)
        for name, value in parameters.items():
            self._native[name] = np.atleast_1d(_value(value))
        self._check()
        dt = simulator.state.dt * MS
        steps = np.rint(self._native["times"] / dt)
        last = dict(zip(steps.tolist(), self._native["amplitudes"].tolist(), strict=True))
        self._native["times"] = np.array(list(last), float) * dt
        self._native["amplitudes"] = np.array(list(last.values()), float)
        simulator.state.changed()

    def changes(self) -> list[tuple[float, float]]:
        """All of them."""
        steps = np.rint(self._native["times"] / (simulator.state.dt * MS))
        return list(zip(steps.tolist(), self._native["amplitudes"].tolist(), strict=True))


class WaveSource(CurrentSource):
    """A current that changes in every step."""

    def __init__(self, **parameters: Any) -> None:
        super().__init__(**parameters)
        #: Recorded amperes, piece by piece.
        self.kept: list[NDArray[np.float64]] = []

    @property
    def name(self) -> str:
        """Of the population that stands for it."""
        return f"current{self.index}"

    def model(self, step: int) -> nr.NeuronModel:
        """One unit that sends, in every step, the current of the next."""
        raise NotImplementedError

    def now(self, step: int) -> float:
        """Amperes in a step that no event of the unit reaches: the first."""
        raise NotImplementedError

    def _sampled(self) -> NDArray[np.float64]:
        if not self.kept:
            raise nr.DescriptionError(
                f"get_data of {type(self).__name__}: there is no data; call record() before run"
            )
        return np.concatenate(self.kept)[: simulator.state.step + 1]

    def _model(
        self, step: int, value: str, parameters: dict[str, Any], **more: Any
    ) -> nr.NeuronModel:
        window = {"on": self._steps("start"), "off": self._steps("stop")}
        return nr.NeuronModel(
            f"n : 1\nage : 1\nvalue : ampere{more.get('equations', '')}",
            parameters={**parameters, **window, "step": (simulator.state.dt * MS, "second")},
            before=f"n = n + 1; {value}",
            threshold="True",
            emits="value",
            initial={"n": float(step), "value": self.now(step)},
            name=type(self).__name__,
        )


class ACSource(WaveSource, electrodes.ACSource):
    """A sine."""

    translations = build_translations(
        ("amplitude", "amplitude", NA),
        ("start", "start", MS),
        ("stop", "stop", MS),
        ("frequency", "frequency", 1.0),
        ("offset", "offset", NA),
        ("phase", "phase", np.pi / 180),
    )

    def model(self, step: int) -> nr.NeuronModel:
        """A counter of steps and a sine."""
        native = self._native
        return self._model(
            step,
            "value = where(n >= on and n < off, offset + amplitude"
            " * sin(omega * (n * step - start) + phase), 0 * amplitude)",
            {
                "amplitude": (native["amplitude"], "ampere"),
                "offset": (native["offset"], "ampere"),
                "omega": (2 * np.pi * native["frequency"], "hertz"),
                "start": (native["start"], "second"),
                "phase": native["phase"],
            },
        )

    def now(self, step: int) -> float:
        """The sine."""
        native = self._native
        if not self._steps("start") <= step < self._steps("stop"):
            return 0.0
        since = step * simulator.state.dt * MS - native["start"]
        angle = 2 * np.pi * native["frequency"] * since + native["phase"]
        return float(native["offset"] + native["amplitude"] * np.sin(angle))


class NoisyCurrentSource(WaveSource, electrodes.NoisyCurrentSource):
    """Gaussian white current, drawn anew every ``dt``: the same in all cells it is injected into.

    Numbers depend on the seed given to ``setup``. Parameters are those of PyNN: mean, stdev (nA),
    start, stop, dt (ms).
    """

    translations = build_translations(
        ("mean", "mean", NA),
        ("start", "start", MS),
        ("stop", "stop", MS),
        ("stdev", "stdev", NA),
        ("dt", "dt", MS),
    )

    def _check(self) -> None:
        if "dt" in self._native and self._steps("dt") < 1:
            raise nr.DescriptionError(
                f"dt of NoisyCurrentSource is {self._native['dt'] / MS:g} ms; it must be at least"
                f" the time step, {simulator.state.dt:g} ms"
            )

    def model(self, step: int) -> nr.NeuronModel:
        """A counter of steps, one of the age of the number, and the number."""
        native = self._native
        return self._model(
            step,
            "age = where(age + 1 >= every or n <= on, 0, age + 1); value = where(n >= on and"
            " n < off, where(age < 1, mean + stdev * randn(), value), 0 * mean)",
            {
                "mean": (native["mean"], "ampere"),
                "stdev": (native["stdev"], "ampere"),
                "every": self._steps("dt"),
            },
        )

    def now(self, step: int) -> float:
        """The first number."""
        native = self._native
        if not self._steps("start") <= step < self._steps("stop"):
            return 0.0
        first = stream(simulator.state.seed, f"first current of {self.name}").standard_normal()
        return float(native["mean"] + native["stdev"] * first)


def _value(given: Any) -> Any:
    if isinstance(given, Sequence):
        return np.asarray(given.value, float)
    return float(given) if np.ndim(given) == 0 else np.asarray(given, float)
