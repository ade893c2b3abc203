"""Short-term plasticity: the efficacy of an arrival depends on earlier ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neuro.description import Described, Parameter
from neuro.distributions import finite
from neuro.equations.expression import names
from neuro.equations.statements import Derivative, Statement, parse_derivatives, parse_statements
from neuro.errors import DescriptionError, EquationError
from neuro.plasticity.rule import read_initial, read_scalars

#: The name that a rule assigns to: the factor on the weight of an arriving spike.
EFFICACY = "efficacy"


class ShortTermPlasticity(Described):
    """Efficacy of a projection's arrivals, from statements.

    In each step the variables first advance by their equations; then, for every presynaptic unit
    whose spike arrives, ``on_pre`` runs and sets ``efficacy``, by which the weights of this
    arrival are multiplied. Weights themselves do not change.

    Parameters
    ----------
    equations : str
        Differential equations of variables, one value per presynaptic unit.
    on_pre : str
        Statements; they may assign to these variables and to ``efficacy``.
    parameters : mapping of str to (value, unit) or value
        Scalars.
    initial : mapping of str to float
        Values before the first step; 0 where not given.
    name : str
        For messages and printing.

    Raises
    ------
    EquationError
        Text outside the language, unknown names, or ``efficacy`` never assigned.
    """

    def __init__(
        self,
        equations: str,
        on_pre: str,
        *,
        parameters: Mapping[str, Any] | None = None,
        initial: Mapping[str, float] | None = None,
        name: str = "short-term plasticity",
    ) -> None:
        self.name, self.equations, self.on_pre = name, equations, on_pre
        self.parameters = read_scalars(parameters or {}, name)
        self._derivatives = parse_derivatives(equations, f"equations of {name}")
        self._statements = parse_statements(on_pre, f"on_pre of {name}")
        self.initial = read_initial(initial or {}, self._derivatives, name)
        variables = {d.name for d in self._derivatives}
        for clash in (variables | {EFFICACY}) & set(self.parameters):
            raise EquationError(f"{name}: {clash!r} is declared twice")
        for d in self._derivatives:
            self._check(d.expression, variables | set(self.parameters), f"d{d.name}/dt")
        for s in self._statements:
            if s.target not in variables | {EFFICACY}:
                raise EquationError(
                    f"on_pre of {name}: cannot assign to {s.target!r};"
                    f" it may assign to {', '.join([EFFICACY, *sorted(variables)])}"
                )
            self._check(s.expression, variables | {EFFICACY, *self.parameters}, "on_pre")
        if not any(s.target == EFFICACY for s in self._statements):
            raise EquationError(f"on_pre of {name} never assigns to {EFFICACY!r}; it must")

    @property
    def derivatives(self) -> tuple[Derivative, ...]:
        """Parsed ``equations``."""
        return self._derivatives

    @property
    def on_pre_statements(self) -> tuple[Statement, ...]:
        """Parsed ``on_pre``."""
        return self._statements

    def _check(self, expression: Any, known: set[str], what: str) -> None:
        for name in names(expression):
            if name not in known:
                raise EquationError(
                    f"{what} of {self.name}: unknown name {name!r};"
                    f" known: {', '.join(sorted(known))}"
                )


class TsodyksMarkram(ShortTermPlasticity):
    r"""Depression and facilitation by vesicle release.

    .. math::
        \dot u = -u/\tau_f,\quad \dot x = (1 - x)/\tau_d;\qquad
        \text{at an arrival: } u \leftarrow u + U(1-u),\;
        \mathrm{efficacy} = u x,\; x \leftarrow x - u x

    Source: Tsodyks, Pawelzik & Markram 1998, Neural Computation 10:821, eq. 1-4 (as in Mongillo,
    Barak & Tsodyks 2008). After a long silence the first arrival has efficacy U.

    Parameters
    ----------
    U : float in (0, 1], default 0.5
        Utilisation of the first spike.
    tau_d : float, second, default 200 ms
        Recovery of the resources x.
    tau_f : float, second, default 20 ms
        Decay of the facilitation u.
    """

    def __init__(self, U: float = 0.5, tau_d: Any = 0.2, tau_f: Any = 0.02) -> None:
        name = "TsodyksMarkram"
        for key, value in (("tau_d", tau_d), ("tau_f", tau_f)):
            Parameter("second", 0.0, exclusive=True).read(value, f"{key} of {name}")
        first = finite(U, f"U of {name}")
        if not 0 < first <= 1:
            raise DescriptionError(f"U of {name} is {first:g}; it must lie in (0, 1]")
        super().__init__(
            "du/dt = -u / tau_f : 1; dx/dt = (1 - x) / tau_d : 1",
            "u += U * (1 - u); efficacy = u * x; x -= efficacy",
            parameters={"U": first, "tau_d": (tau_d, "second"), "tau_f": (tau_f, "second")},
            initial={"x": 1.0},
            name=name,
        )
