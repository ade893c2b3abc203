"""What a deployment says, as sentences and rows of tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from neuro.loihi.energy import ENERGY
from neuro.loihi.rules import Violation

if TYPE_CHECKING:
    from neuro.loihi.deployment import Deployment, LayerReport

LAYERS = ("layer", "neurons", "synapses", "exponent", "cores", "use [%]")
RULES = ("rule", "where", "value", "limit", "what helps")
COSTS = ("what", "events", "each", "energy", "share [%]")


def layer_rows(made: Deployment) -> list[tuple[str, ...]]:
    """Rows of the table of layers."""
    return [
        (
            layer.name,
            f"{layer.neurons:,}",
            f"{layer.synapses:,}",
            _exponent(layer),
            str(layer.cores),
            f"{layer.utilisation:.1f}",
        )
        for layer in made.layers
    ]


def _exponent(layer: LayerReport) -> str:
    given = layer.weight_exponent
    if given is None:
        return "–"
    return ", ".join(map(str, given)) if isinstance(given, list) else str(given)


def rule_rows(violations: tuple[Violation, ...]) -> list[tuple[str, ...]]:
    """Rows of a table of violations."""
    return [(v.rule, v.where, _number(v.value), _number(v.limit), v.mend) for v in violations]


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def cost_rows(made: Deployment) -> list[tuple[str, ...]]:
    """Rows of the table of energy."""
    e = made.estimate
    whole = e.energy or 1.0
    return [
        (
            figure.meaning,
            f"{e.events[name]:.4g}",
            quantity(figure.value, "J"),
            quantity(e.joule[name], "J"),
            f"{100 * e.joule[name] / whole:.1f}",
        )
        for name, figure in ENERGY.items()
    ]


def quantity(value: float, unit: str) -> str:
    """A positive number with a prefix: ``quantity(2.4e-11, "J")`` is ``"24 pJ"``."""
    scales = ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"), (1e-12, "p"))
    if value == 0:
        return f"0 {unit}"
    scale, prefix = next((s for s in scales if value >= 0.9995 * s[0]), scales[-1])
    return f"{value / scale:.3g} {prefix}{unit}"


def verdict(made: Deployment) -> str:
    """One sentence: does it fit, and on how much."""
    cores, chips = _counted(made.cores, "core"), _counted(made.chips, "chip")
    if made.fits:
        return f"{made.name} fits {made.target.title}: {cores} on {chips}."
    rules = _counted(len(made.violations), "design rule")
    return f"{made.name} does not fit {made.target.title}: {rules} broken."


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def cost(made: Deployment) -> list[str]:
    """Energy and time in sentences."""
    e = made.estimate
    return [
        f"One inference ({e.steps} steps, {e.seconds:g} s): {quantity(e.energy, 'J')},"
        f" {quantity(e.power, 'W')} in real time; {made.activity}.",
        f"A step takes about {quantity(e.step_seconds, 's')},"
        f" {made.dt / e.step_seconds:.3g} times faster than real time; an inference"
        f" {quantity(e.latency, 's')}.",
    ]
