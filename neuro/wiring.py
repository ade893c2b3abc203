"""Reading and checking what users give to :class:`neuro.Network`, at the line that made it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.connectors import Connector, Convolve, Transpose
from neuro.description import Parameter
from neuro.errors import DescriptionError
from neuro.members import Delay, Population, factor_side
from neuro.neurons import NeuronModel
from neuro.neurons.model import read_number
from neuro.plasticity import PlasticityRule
from neuro.program import side_of


def read_port(model: NeuronModel, port: str | None, where: str) -> str:
    """Name of an input port; the only one when none is given."""
    ports = list(model.ports)
    if not ports:
        raise DescriptionError(
            f"{where}: {model.name} has no input port; give it one with synapses= or inputs="
        )
    if port is None:
        if len(ports) > 1:
            raise DescriptionError(
                f"{where}: {model.name} has the input ports {', '.join(ports)};"
                " choose with port="
            )
        return ports[0]
    if port not in ports:
        raise DescriptionError(
            f"{where}: {model.name} has no input port {port!r}; it has {', '.join(ports)}"
        )
    return port


def read_shape(size: Any, where: str) -> tuple[int, ...]:
    """Shape of a population from one number or several."""
    shape = size if isinstance(size, tuple) else (size,)
    for n in shape:
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
            raise DescriptionError(f"size of {where} is {size!r}; expected whole numbers >= 1")
    if not shape:
        raise DescriptionError(f"size of {where} is empty; expected whole numbers >= 1")
    return tuple(int(n) for n in shape)


def read_positions(positions: Any, size: int, where: str) -> NDArray[np.float64]:
    """Coordinates of units, shape (size, d)."""
    given = np.asarray(Parameter(None).read(positions, f"positions of {where}"))
    given = given[:, None] if given.ndim == 1 else given
    if given.ndim != 2 or len(given) != size or not 1 <= given.shape[1] <= 3:
        raise DescriptionError(
            f"positions of {where} have shape {np.shape(positions)}; expected ({size}, d) with"
            " d = 1, 2 or 3"
        )
    return given


def read_delay(
    delay: Any, connector: Connector, source: Population, target: Population, where: str
) -> Delay:
    """A delay in seconds that fits the connector and both populations."""
    of = f"delay of {where}"
    seconds: Delay = read_number(delay, "second", of)
    if isinstance(seconds, float):
        if seconds <= 0:
            raise DescriptionError(
                f"{of} is {seconds:g} s; it must be positive, at least one time"
                " step (leave it out for exactly one step)"
            )
        return seconds
    if isinstance(connector, Transpose | Convolve):
        raise DescriptionError(
            f"{of}: {connector.title} has one delay for all synapses; give one number"
        )
    if isinstance(seconds, np.ndarray) and seconds.shape != (source.size, target.size):
        raise DescriptionError(
            f"{of} has shape {seconds.shape}; expected one number or [pre, post] ="
            f" ({source.size}, {target.size})"
        )
    return seconds


def check_rule(
    rule: PlasticityRule,
    connector: Connector,
    source: Population,
    target: Population,
    factors: Mapping[str, int],
    where: str,
) -> None:
    """Refuse a rule that does not fit; ``factors`` has the size of each factor's population."""
    if not isinstance(rule, PlasticityRule):
        raise DescriptionError(f"plasticity of {where}: {rule!r} is not a plasticity rule")
    if isinstance(connector, Convolve):
        raise DescriptionError(
            f"plasticity of {where}: the synapses of a convolution share their weights, for"
            " which a rule of single synapses has no meaning; use another connector"
        )
    if set(rule.factors) != set(factors):
        raise DescriptionError(
            f"{rule.name} at {where} reads the third factors"
            f" {', '.join(rule.factors) or 'none'}, but factors= names"
            f" {', '.join(factors) or 'none'}; name exactly these"
        )
    sides: dict[str, set[str]] = {"pre": set(), "post": set(), "shared": set()}
    for key, size in factors.items():
        if (of := factor_side(size, source.size, target.size)) is None:
            raise DescriptionError(
                f"factor {key!r} of {where}: its population has {size} units; expected 1,"
                f" {target.size} as the post or {source.size} as the pre population, or a divisor"
                " of one of these, whose units each serve a group of consecutive units"
            )
        sides[side_of(f"@{of}")].add(key)
    for side, population in (("pre", source), ("post", target)):
        if isinstance(population.model, NeuronModel):
            sides[side] |= {f"{v}_{side}" for v in population.model.variables}
    rule.check_names(sides["pre"], sides["post"], sides["shared"], where)
