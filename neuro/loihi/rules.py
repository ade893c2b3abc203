"""Design rules: what the chip cannot do, one function a rule.

A rule looks at a :class:`~neuro.loihi.design.Design`, which holds plain numbers, and yields a
:class:`Violation` for every layer or projection that breaks it. :data:`RULES` lists all; their
names are those of the functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.connectivity import Dense
from neuro.loihi.design import Design, Link
from neuro.loihi.numbers import ALIGNMENT, representable
from neuro.loihi.quantisation_report import WORRYING
from neuro.loihi.target import Range

ERROR, WARNING = "error", "warning"


@dataclass(frozen=True)
class Violation:
    """A rule that is broken.

    Attributes
    ----------
    rule : str
        Name of the rule.
    where : str
        Population or projection.
    value, limit : int, float or str
        What was found, and what there may be.
    mend : str
        One sentence: what would help.
    severity : {"error", "warning"}
        With an error the network does not fit.
    """

    rule: str
    where: str
    value: Any
    limit: Any
    mend: str
    severity: str = ERROR

    def __str__(self) -> str:
        return f"{self.where}: {self.value} breaks {self.rule} (limit: {self.limit}); {self.mend}"


Rule = Callable[[Design], Iterator[Violation]]


def _outside(rule: str, where: str, values: Any, allowed: Range, mend: str) -> Iterator[Violation]:
    """A violation if a value, or one of an array, lies outside a range; the worst one."""
    array = np.asarray(values)
    if array.size and array.max() > allowed.high:
        yield Violation(rule, where, array.max().item(), allowed.high, mend)
    elif array.size and array.min() < allowed.low:
        yield Violation(rule, where, array.min().item(), allowed.low, mend)


def _fullest(design: Design, resource: str, rule: str, mend: str) -> Iterator[Violation]:
    """A violation for every layer one of whose cores exceeds a limit; its fullest core."""
    limit = design.target.core.get(resource)
    if limit is None:
        return
    for name in design.layers:
        used = max((core.used.get(resource, 0) for core in design.placement.layer(name)), default=0)
        if used > limit.value:
            yield Violation(rule, name, used, limit.value, mend)


# --- numbers ---------------------------------------------------------------------------------


def weight_bits(design: Design) -> Iterator[Violation]:
    """Weights have 1 to 8 bits (NengoLoihi block.py), on Loihi 2 too in Lava's models."""
    mend = "quantise with num_weight_bits between 1 and 8"
    for name, link in design.links.items():
        if link.format is not None:
            bits = link.format.bits
            yield from _outside("weight_bits", name, bits, design.target.weight_bits, mend)


def weight_exponent(design: Design) -> Iterator[Violation]:
    """The exponent of a projection's weights is -8 to 7 (Lava; NengoLoihi uses -7 to 7)."""
    mend = "scale the threshold of its target, so that weights fit with another exponent"
    for name, link in design.links.items():
        if link.format is not None:
            exponent = link.format.exponent
            yield from _outside("weight_exponent", name, exponent, design.target.exponent, mend)


def weight_range(design: Design) -> Iterator[Violation]:
    """Weights are whole numbers that their bits and sign mode hold.

    Of both signs -256 to 254 in steps of two, else 0 to 255 or -255 to 0, with 8 bits (Lava's
    weight utilities); others would be changed silently.
    """
    for name, link in design.links.items():
        if link.format is None or link.weights is None or not link.weights.size:
            continue
        kept = representable(link.weights, link.format.bits, link.format.sign_mode)
        wrong = np.flatnonzero(np.asarray(kept) != link.weights)
        if len(wrong):
            bad = wrong[np.argmax(np.abs(link.weights[wrong]))]
            yield Violation(
                "weight_range",
                name,
                float(link.weights[bad]),
                float(np.asarray(kept)[bad]),
                f"{len(wrong)} of {link.weights.size} weights have no {link.format.bits}-bit"
                f" {link.format.sign_mode} form; quantise, or change the exponent",
            )


def current_decay(design: Design) -> Iterator[Violation]:
    """Decay of the current, 12 bits (NengoLoihi discretize.py; Lava)."""
    mend = "choose a synaptic time constant between one step and 4096 steps"
    for name, layer in design.layers.items():
        if layer.compartments is not None:
            du = layer.compartments.du
            yield from _outside("current_decay", name, du, design.target.current_decay, mend)


def voltage_decay(design: Design) -> Iterator[Violation]:
    """Decay of the voltage, 12 bits (NengoLoihi discretize.py; Lava)."""
    mend = "choose a membrane time constant between one step and 4096 steps"
    for name, layer in design.layers.items():
        if layer.compartments is not None:
            dv = layer.compartments.dv
            yield from _outside("voltage_decay", name, dv, design.target.voltage_decay, mend)


def threshold(design: Design) -> Iterator[Violation]:
    """Threshold in units of 64, 17 bits and positive (NengoLoihi discretize.py; Lava)."""
    mend = "scale threshold and weights of the population together"
    for name, layer in design.layers.items():
        if layer.compartments is not None:
            vth = layer.compartments.vth
            yield from _outside("threshold", name, vth, design.target.threshold, mend)


def bias(design: Design) -> Iterator[Violation]:
    """Bias: mantissa of 13 bits with sign, exponent 0 to 7 (NengoLoihi discretize.py; Lava)."""
    for name, layer in design.layers.items():
        if layer.compartments is not None:
            mantissa, exponent = layer.compartments.bias_mant, layer.compartments.bias_exp
            mend = "choose a smaller bias, or a smaller threshold for the population"
            yield from _outside("bias", name, mantissa, design.target.bias_mantissa, mend)
            mend = "choose an exponent of the bias between 0 and 7"
            yield from _outside("bias", name, exponent, design.target.bias_exponent, mend)


def state_overflow(design: Design) -> Iterator[Violation]:
    """Current and voltage have 24 bits; the current wraps around beyond them (Lava).

    A warning, predicted from weights and fan-in: the current of the unit with the largest sum of
    weights, were all its inputs to spike in one step, and no current left from before.
    """
    limit = design.target.state.value
    for name, layer in design.layers.items():
        if layer.compartments is None:
            continue
        for sign in (1, -1):
            volley: Any = 0.0
            for link in design.links.values():
                if link.wiring.target == name and link.format and link.weights is not None:
                    volley = volley + ALIGNMENT * 2.0**link.format.exponent * _summed(link, sign)
            worst = float(np.max(volley, initial=0.0))
            if worst > limit:
                yield Violation(
                    "state_overflow",
                    name,
                    sign * worst,
                    sign * limit,
                    "if all inputs spike at once the current wraps around; choose a smaller"
                    " threshold (and so smaller weights), or spread the inputs in time",
                    WARNING,
                )
                break


def _summed(link: Link, sign: int) -> NDArray[np.float64]:
    """Sum of the weights of one sign that reach each unit, without sign."""
    assert link.weights is not None
    parts = np.maximum(sign * link.weights, 0.0).reshape(-1)
    synapses = link.wiring.synapses
    if isinstance(synapses, Dense):
        return np.asarray(parts.reshape(synapses.n_pre, synapses.n_post).sum(axis=0))
    return np.asarray(np.bincount(synapses.targets, parts, synapses.n_post), np.float64)


def delay(design: Design) -> Iterator[Violation]:
    """Delays up to 62 steps beyond the one that every connection takes.

    Davies et al. 2018, p. 92; lava-dl allows as many. A delay of n steps in neuro is n - 1 here.
    """
    mend = "shorten the delay, take a larger dt, or relay spikes through further neurons"
    for name, link in design.links.items():
        allowed = Range(0, design.target.delay.value, "")
        yield from _outside("delay", name, link.delay, allowed, mend)


def refractory(design: Design) -> Iterator[Violation]:
    """Refractory period up to 63 steps (NengoLoihi nxsdk_objects.py)."""
    allowed = Range(0, design.target.refractory.value, "")
    for name, layer in design.layers.items():
        mend = "shorten t_ref, or take a larger dt"
        yield from _outside("refractory", name, layer.refractory, allowed, mend)


# --- room on a core --------------------------------------------------------------------------


def neurons_per_core(design: Design) -> Iterator[Violation]:
    """1024 compartments on Loihi 1 (Davies et al. 2018, p. 89), about 8192 neurons on Loihi 2."""
    yield from _fullest(design, "neurons", "neurons_per_core", "split the population")


def fan_in_axons(design: Design) -> Iterator[Violation]:
    """4096 axons into a core (Davies et al. 2018, p. 89); assumed alike for Loihi 2.

    Every source unit with a synapse on the core takes one, in each projection.
    """
    mend = "let each neuron hear fewer units, or sum the input in a layer between"
    yield from _fullest(design, "axons in", "fan_in_axons", mend)


def fan_out_axons(design: Design) -> Iterator[Violation]:
    """4096 axons out of a core (Davies et al. 2018, p. 89); assumed alike for Loihi 2.

    Every unit takes one for each core that it reaches, in each projection.
    """
    mend = "let each neuron reach fewer cores, or relay its spikes through further neurons"
    yield from _fullest(design, "axons out", "fan_out_axons", mend)


def synaptic_memory(design: Design) -> Iterator[Violation]:
    """128 KB of synapses on Loihi 1; 192 KB of synapses and neurons on Loihi 2."""
    mend = "connect fewer units, or take fewer weight bits"
    yield from _fullest(design, "synaptic memory", "synaptic_memory", mend)


def compartment_profiles(design: Design) -> Iterator[Violation]:
    """Loihi 1: 32 different decays and refractory periods in a core (NengoLoihi validate.py)."""
    mend = "give the units of a core fewer different time constants"
    yield from _fullest(design, "compartment profiles", "compartment_profiles", mend)


def threshold_profiles(design: Design) -> Iterator[Violation]:
    """Loihi 1: 16 different thresholds in a core (NengoLoihi validate.py)."""
    mend = "give the units of a core fewer different thresholds"
    yield from _fullest(design, "threshold profiles", "threshold_profiles", mend)


def synapse_formats(design: Design) -> Iterator[Violation]:
    """Loihi 1: 16 different synapse formats in a core (NengoLoihi validate.py)."""
    mend = "give the projections to this population fewer different exponents, signs and delays"
    yield from _fullest(design, "synapse formats", "synapse_formats", mend)


def cores_per_chip(design: Design) -> Iterator[Violation]:
    """128 cores a chip on Loihi 1 (Davies et al. 2018, p. 86), 120 usable ones on Loihi 2.

    An error beyond the chips that there may be, at the layer that does not fit any more; a
    warning beyond one chip.
    """
    each = design.target.cores_per_chip.value
    placed = design.placement.cores
    for chips, severity in ((design.chips, ERROR), (1, WARNING)):
        if len(placed) > each * chips:
            yield Violation(
                "cores_per_chip",
                placed[each * chips].layer,
                len(placed),
                each * chips,
                "make layers smaller or sparser, or allow more chips"
                if severity == ERROR
                else f"it takes {design.placement.chips} chips; spikes between chips are slower",
                severity,
            )
            return


# --- what the chip computes ------------------------------------------------------------------


def model_supported(design: Design) -> Iterator[Violation]:
    """Neurons are Loihi's: current and voltage decay, threshold, reset to zero (lava.md 2.3)."""
    for name, layer in design.layers.items():
        if layer.compartments is None:
            yield Violation(
                "model_supported", name, layer.model, "LIF", layer.problem or "use nr.LIF"
            )


def quantisation_error(design: Design) -> Iterator[Violation]:
    """Whole numbers move the voltage by less than 2 % of the threshold (lava.md 2.4).

    A warning: the network fits, but may spike differently.
    """
    for name, layer in design.layers.items():
        if abs(layer.error) > WORRYING:
            mend = "choose shorter time constants, a larger dt, or weights that differ less"
            yield Violation("quantisation_error", name, layer.error, WORRYING, mend, WARNING)


def projection_supported(design: Design) -> Iterator[Violation]:
    """Synapses add a whole weight to the current of their target, after a delay."""
    for name, link in design.links.items():
        if link.problem:
            mend = "use weights, one gain and delays only"
            yield Violation("projection_supported", name, link.problem, "weight and delay", mend)


def plasticity_supported(design: Design) -> Iterator[Violation]:
    """Learning is a sum of products of traces and weights, see :mod:`neuro.loihi.learning`."""
    for name, link in design.links.items():
        if link.refusal:
            mend = f"{link.refusal}; or leave plasticity out (--frozen)"
            yield Violation("plasticity_supported", name, link.rule, "a sum of products", mend)


def graded_events(design: Design) -> Iterator[Violation]:
    """Spikes that carry numbers: not on Loihi 1; 24 bits in Lava's models of Loihi 2."""
    for name, layer in design.layers.items():
        if layer.graded and not design.target.graded:
            mend = "use --target loihi2, or neurons with plain spikes"
            yield Violation("graded_events", name, "graded spikes", "plain spikes", mend)


RULES: tuple[Rule, ...] = (
    model_supported,
    quantisation_error,
    projection_supported,
    plasticity_supported,
    graded_events,
    weight_bits,
    weight_exponent,
    weight_range,
    current_decay,
    voltage_decay,
    threshold,
    bias,
    state_overflow,
    delay,
    refractory,
    neurons_per_core,
    fan_in_axons,
    fan_out_axons,
    synaptic_memory,
    compartment_profiles,
    threshold_profiles,
    synapse_formats,
    cores_per_chip,
)


def check(design: Design) -> tuple[Violation, ...]:
    """Every violation of every rule, in the order of :data:`RULES`."""
    return tuple(violation for rule in RULES for violation in rule(design))
