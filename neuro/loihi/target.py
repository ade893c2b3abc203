"""What a chip has room for, as data: each limit with its unit and where it was published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from neuro.errors import CompileError
from neuro.loihi.numbers import DELAY_MAX, RANGES, REFRACTORY_MAX, STATE_LIMIT, WEIGHT_BITS

#: What every core has a limited number of; the fullest of these is the utilisation of a core.
RESOURCES = ("neurons", "synaptic memory", "axons in", "axons out")


@dataclass(frozen=True)
class Limit:
    """A largest value.

    Attributes
    ----------
    value : int
    unit : str
        What is counted.
    source : str
        Where the number was published, or what it is assumed from.
    """

    value: int
    unit: str
    source: str


@dataclass(frozen=True)
class Range:
    """A smallest and a largest value of an integer parameter."""

    low: int
    high: int
    source: str

    def __str__(self) -> str:
        return f"{self.low}..{self.high}"


@dataclass(frozen=True)
class Target:
    """One generation of the chip.

    Attributes
    ----------
    name, title : str
        For the command line, and in words.
    core : mapping of str to Limit
        Of one core: :data:`RESOURCES`, and where they are limited ``"compartment profiles"``,
        ``"threshold profiles"`` and ``"synapse formats"`` (numbers of different settings).
    state_bits : int
        What a neuron takes of the memory that also holds the synapses; 0 if it has its own.
    cores_per_chip, chips : Limit
        Usable neuron cores of a chip; chips of the largest system that was built.
    exponent, current_decay, voltage_decay, threshold, bias_mantissa, bias_exponent : Range
        Integer parameters.
    weight_bits : Range
    state : Limit
        Largest magnitude of current and voltage.
    delay : Limit
        Longest, in steps beyond the one that every connection takes.
    refractory : Limit
        Longest, in steps from spike to spike.
    graded : bool
        Whether spikes can carry numbers.
    notes : tuple of str
        What is not known of this chip, for the report.
    """

    name: str
    title: str
    core: Mapping[str, Limit]
    state_bits: int
    cores_per_chip: Limit
    chips: Limit
    weight_bits: Range
    exponent: Range
    current_decay: Range
    voltage_decay: Range
    threshold: Range
    bias_mantissa: Range
    bias_exponent: Range
    state: Limit
    delay: Limit
    refractory: Limit
    graded: bool
    notes: tuple[str, ...] = ()


_DAVIES = "Davies et al. 2018, IEEE Micro 38(1)"
_NENGO = "NengoLoihi"
_LAVA = "lava-nc 0.10.0, bit-accurate LIF"
_ONM = "Open Neuromorphic, page of Loihi 2"
_REVIEW = "emergentmind, review of Loihi 2"
_ASSUMED = "assumed as on Loihi 1: for Loihi 2 no figure is published"

# The number system is the same on both as far as it is published: the LIF of Loihi 2 is microcode
# that computes what Loihi 1 has in wires.
_WEIGHT_BITS = Range(1, WEIGHT_BITS, f"{_NENGO} block.py; {_LAVA}")
_CURRENT_DECAY = Range(*RANGES["du"], f"12 bits: {_NENGO} discretize.py; {_LAVA}")
_VOLTAGE_DECAY = Range(*RANGES["dv"], f"12 bits: {_NENGO} discretize.py; {_LAVA}")
_THRESHOLD = Range(*RANGES["vth"], f"17 bits, in units of 64: {_NENGO} discretize.py; {_LAVA}")
_BIAS_MANTISSA = Range(*RANGES["bias_mant"], f"13 bits with sign: {_NENGO} discretize.py; {_LAVA}")
_BIAS_EXPONENT = Range(*RANGES["bias_exp"], f"3 bits: {_NENGO} discretize.py; {_LAVA}")
_STATE = Limit(STATE_LIMIT - 1, "units of v", f"24 bits with sign: {_LAVA}")
_DELAY = Limit(DELAY_MAX, "steps", f"{_DAVIES}, p. 92; lava-dl netx/utils.py")
_REFRACTORY = Limit(REFRACTORY_MAX, "steps", f"{_NENGO} nxsdk_objects.py (REFRACT_DELAY_MAX)")

LOIHI_1 = Target(
    name="loihi1",
    title="Loihi 1",
    core={
        "neurons": Limit(1024, "compartments", f"{_DAVIES}, p. 89; {_NENGO} block.py"),
        "synaptic memory": Limit(
            2**20, "bits", f"128 KB: {_DAVIES}, p. 89; {_NENGO} block.py (16384 words of 64 bits)"
        ),
        "axons in": Limit(4096, "axons", f"{_DAVIES}, p. 89; {_NENGO} block.py"),
        "axons out": Limit(4096, "axons", f"{_DAVIES}, p. 89; {_NENGO} block.py"),
        "compartment profiles": Limit(32, "settings", f"{_NENGO} hardware/validate.py"),
        "threshold profiles": Limit(16, "settings", f"{_NENGO} hardware/validate.py"),
        "synapse formats": Limit(16, "settings", f"{_NENGO} hardware/validate.py"),
    },
    state_bits=0,
    cores_per_chip=Limit(128, "cores", f"{_DAVIES}, p. 86"),
    chips=Limit(768, "chips", "Pohoiki Springs: Frady et al. 2020, NICE"),
    weight_bits=_WEIGHT_BITS,
    exponent=Range(*RANGES["exponent"], f"{_LAVA}; {_NENGO} validate.py uses -7..7"),
    current_decay=_CURRENT_DECAY,
    voltage_decay=_VOLTAGE_DECAY,
    threshold=_THRESHOLD,
    bias_mantissa=_BIAS_MANTISSA,
    bias_exponent=_BIAS_EXPONENT,
    state=_STATE,
    delay=_DELAY,
    refractory=_REFRACTORY,
    graded=False,
    notes=(
        "The numbers of settings per core (profiles, formats) are NengoLoihi's, whose authors mark"
        " them as to be checked.",
        "Delays above 8 steps leave room for fewer than 1024 neurons in a core (Davies et al. 2018,"
        " p. 92); by how much is not published and not counted here.",
    ),
)

LOIHI_2 = Target(
    name="loihi2",
    title="Loihi 2",
    core={
        "neurons": Limit(8192, "neurons", f"about 8000: {_REVIEW}; 192 KB hold 8192 of 24 bytes"),
        "synaptic memory": Limit(
            192 * 1024 * 8,
            "bits",
            "192 KB, freely divided between neurons and synapses: Intel technology brief 2021",
        ),
        "axons in": Limit(4096, "axons", _ASSUMED),
        "axons out": Limit(4096, "axons", _ASSUMED),
    },
    state_bits=24 * 8,
    cores_per_chip=Limit(120, "cores", f"of 128, usable on most boards: {_REVIEW}; {_ONM}"),
    chips=Limit(1152, "chips", "Hala Point: Intel, April 2024"),
    weight_bits=_WEIGHT_BITS,
    exponent=Range(*RANGES["exponent"], _LAVA),
    current_decay=_CURRENT_DECAY,
    voltage_decay=_VOLTAGE_DECAY,
    threshold=_THRESHOLD,
    bias_mantissa=_BIAS_MANTISSA,
    bias_exponent=_BIAS_EXPONENT,
    state=_STATE,
    delay=_DELAY,
    refractory=_REFRACTORY,
    graded=True,
    notes=(
        "Neurons of Loihi 2 are programmable; what is checked here is the LIF that neuro maps to.",
        "Intel publishes neither Loihi 2's synapse formats nor its axon tables: synapses are"
        " counted in Loihi 1's format, a neuron with 24 bytes of state, axons up to Loihi 1's"
        " number, and memory for axon tables and microcode is not counted.",
        "A published network of 140,000 neurons and 50 million synapses took 12 chips, about"
        " 35,000 synapses a core (Wang et al. 2025, arXiv 2508.16792); this estimate packs up to"
        " five times more.",
    ),
)

TARGETS: Mapping[str, Target] = {t.name: t for t in (LOIHI_1, LOIHI_2)}


def target_named(name: str) -> Target:
    """The target of a name.

    Raises
    ------
    CompileError
        There is none; the message lists those there are.
    """
    if name not in TARGETS:
        raise CompileError(f"no target {name!r}; choose from {', '.join(TARGETS)}")
    return TARGETS[name]
