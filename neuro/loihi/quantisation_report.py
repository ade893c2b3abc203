"""What became of a network of floats on its way to whole numbers, for people and programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from neuro.loihi.tables import Table, Tables

#: Predicted sub-threshold errors above this share of the threshold are pointed out.
WORRYING = 0.02

POPULATIONS = ("population", "tau_m", "of chip", "tau_s", "of chip", "du", "dv", "vth", "error")
PROJECTIONS = ("projection", "exponent", "bits", "signs", "rms", "max", "saturated")
COMPARED = ("population", "spikes", "of chip", "change", "coincidence")


@dataclass(frozen=True)
class PopulationReport:
    """One population; where units differ, the smallest and the largest value.

    Attributes
    ----------
    tau_m, tau_m_chip, tau_s, tau_s_chip : (float, float), second
        Time constants as described, and as the rounded decays make them; infinite without leak,
        0 for delta synapses.
    du, dv, vth : (int, int)
    scale : float
        Units of v per volt.
    error : float
        Predicted mean sub-threshold error in a steady state just below threshold, as a share of
        the threshold, of the worst unit; 0 without leak, where it grows with time instead.
    lowest : float
        Voltage below the reset at which v stays, as a multiple of the distance to threshold.
    """

    tau_m: tuple[float, float]
    tau_m_chip: tuple[float, float]
    tau_s: tuple[float, float]
    tau_s_chip: tuple[float, float]
    du: tuple[int, int]
    dv: tuple[int, int]
    vth: tuple[int, int]
    scale: float
    error: float
    lowest: float


@dataclass(frozen=True)
class ProjectionReport:
    """One projection; errors are shares of its largest absolute weight.

    Attributes
    ----------
    exponent, bits, sign_mode : int, int, str
    rms_error, max_error : float
    saturated : float
        Share of the weights that lie beyond the range.
    """

    exponent: int
    bits: int
    sign_mode: str
    rms_error: float
    max_error: float
    saturated: float


@dataclass(frozen=True)
class Change:
    """Spikes of one population in floats and in whole numbers.

    Attributes
    ----------
    spikes, spikes_chip : int
    rate, rate_chip : float, hertz
        Mean over units and time.
    coincidence : float
        Share of all spikes that have a partner of the same unit in the other run, at most one
        step away; 1 when nobody spikes.
    """

    spikes: int
    spikes_chip: int
    rate: float
    rate_chip: float
    coincidence: float

    @property
    def relative(self) -> float:
        """Change of the number of spikes, as a share of that in floats."""
        return (self.spikes_chip - self.spikes) / max(self.spikes, 1)


@dataclass(frozen=True)
class QuantisationReport(Tables):
    """What quantisation did to a network, by name of population (no sources) and projection."""

    network: str
    populations: Mapping[str, PopulationReport]
    projections: Mapping[str, ProjectionReport]

    @property
    def worrying(self) -> list[str]:
        """Populations whose predicted error is above 2 % of the threshold."""
        return [name for name, p in self.populations.items() if abs(p.error) > WORRYING]

    def as_dict(self) -> dict[str, Any]:
        """Everything, as plain numbers, texts, lists and dictionaries (for JSON)."""
        return asdict(self)

    def title(self) -> str:
        """Name of the network, and what is worrying."""
        found = self.worrying
        note = f"; above {WORRYING:.0%} of the threshold: {', '.join(found)}" if found else ""
        return f"network {self.network!r} in whole numbers{note}"

    def tables(self) -> list[Table]:
        """Populations, and projections."""
        populations: list[tuple[str, ...]] = [
            (
                name,
                _milliseconds(p.tau_m),
                _milliseconds(p.tau_m_chip),
                _milliseconds(p.tau_s),
                _milliseconds(p.tau_s_chip),
                *(_span(v, "d") for v in (p.du, p.dv, p.vth)),
                f"{p.error:+.3%}",
            )
            for name, p in self.populations.items()
        ]
        projections: list[tuple[str, ...]] = [
            (
                name,
                str(c.exponent),
                str(c.bits),
                c.sign_mode,
                f"{c.rms_error:.2%}",
                f"{c.max_error:.2%}",
                f"{c.saturated:.2%}",
            )
            for name, c in self.projections.items()
        ]
        return [(POPULATIONS, populations), (PROJECTIONS, projections)]


@dataclass(frozen=True)
class Comparison(Tables):
    """The spikes of a network in floats and in whole numbers, by name of population."""

    network: str
    steps: int
    populations: Mapping[str, Change]

    def as_dict(self) -> dict[str, Any]:
        """Everything, as plain numbers, texts and dictionaries (for JSON)."""
        return asdict(self)

    def title(self) -> str:
        """Name of the network, and how long it ran."""
        return f"network {self.network!r} over {self.steps} steps, in floats and in whole numbers"

    def tables(self) -> list[Table]:
        """Spikes of each population."""
        rows: list[tuple[str, ...]] = [
            (
                name,
                str(c.spikes),
                str(c.spikes_chip),
                f"{c.relative:+.2%}",
                f"{c.coincidence:.2%}",
            )
            for name, c in self.populations.items()
        ]
        return [(COMPARED, rows)]


def _span(values: tuple[float, float], form: str) -> str:
    low, high = (format(v, form) for v in values)
    return low if low == high else f"{low}–{high}"


def _milliseconds(seconds: tuple[float, float]) -> str:
    low, high = seconds
    return f"{_span((low * 1e3, high * 1e3), '.4g')} ms"
