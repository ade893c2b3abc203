"""A float LIF neuron as the step that a compartment imitates, and the decays that it gets.

In one step a compartment does ``u = keep_u u + arrivals``, ``v = keep_v v + u + drive``, with v
counted from the reset. An exactly integrated LIF does the same with other numbers; where currents
decay exponentially its arrivals act on v one step later, which one more step of delay makes good.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from neuro.description import Value
from neuro.distributions import Distribution
from neuro.equations.functions import exp
from neuro.errors import CompileError
from neuro.loihi.numbers import ALIGNMENT, DECAY_UNITY, EXPONENT_MIN
from neuro.lowering.populations import drawn
from neuro.members import Population
from neuro.neurons import IF, LIF, NeuronModel
from neuro.synapses import Delta, Exponential, Synapse

#: What rounded decays leave as it was: the steady state, or the response to one arrival.
MATCHES = ("auto", "mean", "peak")
#: Change of the steady state below which nothing is made up for.
HARMLESS = 0.01


@dataclass(frozen=True, eq=False)
class Membrane:
    """The step of a float neuron; one number for all units, or one per unit.

    Attributes
    ----------
    tau_m, tau_s : float or array, second
        Time constants; infinite without leak, 0 for delta synapses.
    keep_v, keep_u : float or array
        What is left of v and u after a step.
    jump : float or array
        Rise of v in the first step, by an arrival of weight 1.
    drive : float or array, volt
        Constant rise of v in every step.
    reset : float or array, volt
    distance, start : float or array, volt
        Of the threshold, and of the value before the first step, from the reset.
    reaches : bool
        Whether a unit exactly at threshold spikes.
    late : bool
        Whether arrivals act on v one step later than at a compartment.
    t_ref : float or array, second
    """

    tau_m: Value
    tau_s: Value
    keep_v: Value
    keep_u: Value
    jump: Value
    drive: Value
    reset: Value
    distance: Value
    start: Value
    reaches: bool
    late: bool
    t_ref: Value


@dataclass(frozen=True, eq=False)
class Decays:
    """Decay constants as whole numbers, and what their rounding does.

    Attributes
    ----------
    du, dv : float or array
        Whole numbers.
    gain_u, gain_v : float or array
        By how much a steady state becomes larger because of the rounding.
    """

    du: Value
    dv: Value
    gain_u: Value
    gain_v: Value

    def predicted_error(
        self,
        threshold: Value,
        *,
        mean: float = 1.0,
        busy: float = 1.0,
        exponents: tuple[int, ...] = (),
        match: str,
    ) -> Value:
        """Mean sub-threshold error in a steady state, as a share of the threshold.

        Rounding of the decays changes the mean (unless weights make up for it, ``match="mean"``);
        cutting off takes half a unit away from u and from v in every step; a negative exponent
        takes up to half a unit of weight from every sum that it shifts.

        Parameters
        ----------
        threshold : float or array
            In units of v, 64 times the threshold mantissa.
        mean : float
            Mean of v in the float network, as a share of the threshold.
        busy : float
            Share of the steps in which something arrives at a port.
        exponents : tuple of int
            Of the ports.
        match : {"mean", "peak"}
        """
        keep_u = 1 - (np.asarray(self.du) + 1) / DECAY_UNITY
        memory_v = DECAY_UNITY / np.maximum(self.dv, 1.0)
        memory_u = np.where(keep_u > 0, 1 / (1 - keep_u), 0.0)
        lost = 0.5 * memory_v * (1 + memory_u)
        cut = sum(1 - 2.0**e for e in exponents if e < 0)
        lost = lost + 0.5 * ALIGNMENT * cut * busy * memory_v / (1 - keep_u)
        # Without leak what is lost depends on the time since the last spike: nothing is predicted.
        lost = np.where(np.asarray(self.dv) > 0, lost, 0.0)
        shift = self.gain - 1 if match == "peak" else 0.0
        error = mean * shift - lost / threshold
        return float(error) if np.ndim(error) == 0 else np.asarray(error)

    @property
    def gain(self) -> Value:
        """By how much the response to steady arrivals becomes larger."""
        return np.asarray(self.gain_u) * self.gain_v

    def lowest_exponent(self, threshold: float, share: float) -> int:
        """The smallest exponent whose cutting costs at most a share of the threshold."""
        memory = DECAY_UNITY / max(float(np.min(self.dv)), 1.0)
        memory *= DECAY_UNITY / (float(np.min(self.du)) + 1)
        kept = 1 - share * threshold / (0.5 * ALIGNMENT * memory)
        if kept <= 0 or np.all(np.asarray(self.dv) == 0):
            return EXPONENT_MIN
        return int(max(EXPONENT_MIN, np.ceil(np.log2(kept))))


def membrane(population: Population, seed: int, dt: float) -> Membrane:
    """The step of a population's neurons.

    Raises
    ------
    CompileError
        A model, synapse or reset that a compartment cannot imitate: names population and mend.
    """
    model, where = population.model, f"population {population.name!r}"
    if type(model) not in (LIF, IF):
        name = getattr(model, "name", type(model).__name__)
        raise CompileError(
            f"{where}: {name} has no form in Loihi's whole numbers; nr.LIF and nr.IF have: use"
            " one of them, or precision='float64'"
        )
    assert isinstance(model, NeuronModel)
    if model.reset != "v = v_reset":
        raise CompileError(
            f"{where}: reset='subtract' keeps what lies above threshold, but a compartment starts"
            " again from 0; use reset='value'"
        )

    def read(key: str, value: Value | Distribution) -> Value:
        return drawn(value, key, population, seed, positive=key in model.positive)

    given = {key: read(key, value) for key, value in model.parameters.items()}
    start = model.initial["v"]
    v_init = given[start] if isinstance(start, str) else read("initial v", start)
    tau_s = _time_constant(model, where, read)
    late = bool(np.any(np.asarray(tau_s) > 0))
    keep_u = _value(exp(-dt / np.asarray(tau_s))) if late else 0.0
    leaks = "tau_m" in given
    if leaks:
        keep_v, jump = _leaky(given["tau_m"], tau_s, dt, late)
        drive = (1 - keep_v) * (given["v_rest"] + given["bias"] - given["v_reset"])
    else:
        keep_v = 1.0
        jump = tau_s * (1 - keep_u) / given["tau"] if late else 1.0
        drive = given["bias"] * dt / given["tau"]
    distance = given["v_threshold"] - given["v_reset"]
    if np.any(np.asarray(distance) <= 0):
        raise CompileError(
            f"{where}: v_threshold must lie above v_reset, by which a compartment counts;"
            f" the difference is {np.min(distance):g} V"
        )
    return Membrane(
        tau_m=given["tau_m"] if leaks else np.inf,
        tau_s=tau_s,
        keep_v=keep_v,
        keep_u=keep_u,
        jump=jump,
        drive=drive,
        reset=given["v_reset"],
        distance=distance,
        start=v_init - given["v_reset"],
        reaches=">=" in model.threshold,
        late=late,
        t_ref=given["t_ref"],
    )


def decays(of: Membrane, where: str) -> Decays:
    """Decays of a membrane, rounded to whole numbers."""
    dv = np.rint(DECAY_UNITY * (1 - np.asarray(of.keep_v)))
    du = np.rint(DECAY_UNITY * (1 - np.asarray(of.keep_u))) - 1
    leaks = np.isfinite(of.tau_m)
    too_long = {"tau_m": np.any(leaks & (dv < 1)), "tau of the synapses": np.any(du < 0)}
    for what, wrong in too_long.items():
        if wrong:
            raise CompileError(
                f"{where}: {what} is too long for this time step: Loihi's decays have 12 bits, so"
                f" the longest time constant is {DECAY_UNITY} steps; use a longer dt"
            )
    dv = np.minimum(dv, DECAY_UNITY - 1)
    gain_v = np.where(leaks, (1 - np.asarray(of.keep_v)) * DECAY_UNITY / np.maximum(dv, 1), 1.0)
    gain_u = (1 - np.asarray(of.keep_u)) * DECAY_UNITY / (du + 1)
    return Decays(_value(du), _value(dv), _value(gain_u), _value(gain_v))


def _time_constant(
    model: NeuronModel, where: str, read: Callable[[str, Value | Distribution], Value]
) -> Value:
    """Time constant of the one current that all synapses share; 0 for delta synapses."""
    found: list[tuple[str, Synapse, Value]] = []
    for port, synapse in model.synapses.items():
        if isinstance(synapse, Delta):
            tau: Value = 0.0
        elif isinstance(synapse, Exponential):
            tau = read(f"tau_{port}", model.constants[f"tau_{port}"])
        else:
            raise CompileError(
                f"{where}: synapse {port!r} is {type(synapse).__name__}; a compartment has one"
                " exponential current: use Exponential or Delta"
            )
        found.append((port, synapse, tau))
    for port, _, tau in found[1:]:
        if not np.array_equal(np.broadcast_arrays(tau, found[0][2])[0], found[0][2]):
            raise CompileError(
                f"{where}: synapses {found[0][0]!r} and {port!r} decay at different speeds, but a"
                " compartment has one current for all its inputs; give them one time constant"
            )
    return found[0][2] if found else 0.0


def _leaky(tau_m: Value, tau_s: Value, dt: float, late: bool) -> tuple[Value, Value]:
    """What a leak keeps in a step, and the response to a current of 1 in its first step."""
    keep_v = exp(-dt / np.asarray(tau_m))
    if not late:
        return _value(keep_v), 1.0
    tau_m, tau_s = np.broadcast_arrays(tau_m, tau_s)
    apart = tau_m != tau_s
    difference = np.where(apart, tau_m - tau_s, 1.0)
    unequal = tau_s / difference * (exp(-dt / tau_m) - exp(-dt / tau_s))
    return _value(keep_v), _value(np.where(apart, unequal, dt / tau_m * keep_v))


def _value(array: object) -> Value:
    made = np.asarray(array, np.float64)
    return float(made) if made.ndim == 0 else made
