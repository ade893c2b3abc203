"""Which learning rules of a network Loihi's learning engine has, and why not the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from neuro.errors import CompileError
from neuro.loihi.learning import check_timing, translate_step
from neuro.loihi.products import Translation
from neuro.lowering import lower
from neuro.network import Network


@dataclass(frozen=True)
class RuleReport:
    """One rule.

    Attributes
    ----------
    projection, rule : str
    translation : Translation or None
        None when the rule does not fit.
    reason : str
        Why it does not; empty when it does.
    """

    projection: str
    rule: str
    translation: Translation | None
    reason: str = ""

    @property
    def verdict(self) -> str:
        """``"yes"``, ``"differs"`` (it fits, but changes weights otherwise) or ``"no"``."""
        if self.translation is None:
            return "no"
        return "yes" if self.translation.exact else "differs"

    @property
    def text(self) -> str:
        """The engine's rule and how it differs, or the reason."""
        made = self.translation
        if made is None:
            return self.reason
        lines = [f"dw = {made.dw_text}", *([f"dt = {made.dt_text}"] if made.dt else [])]
        return "; ".join([*lines, *made.differences])


@dataclass(frozen=True, eq=False)
class LearningReport:
    """The rules of a network on Loihi's learning engine; print it.

    Attributes
    ----------
    network : str
        Its name.
    rules : tuple of RuleReport
        Of all projections that learn.
    """

    network: str
    rules: tuple[RuleReport, ...]

    @property
    def fits(self) -> bool:
        """Whether all rules fit."""
        return all(rule.translation is not None for rule in self.rules)

    def __getitem__(self, projection: str) -> RuleReport:
        """The rule of a projection.

        Raises
        ------
        CompileError
            If it has none.
        """
        for rule in self.rules:
            if rule.projection == projection:
                return rule
        known = ", ".join(r.projection for r in self.rules) or "none"
        raise CompileError(f"projection {projection!r} does not learn; those that do: {known}")

    def __str__(self) -> str:
        fitting = sum(rule.translation is not None for rule in self.rules)
        count = f"{fitting} of {len(self.rules)} rules"
        lines = [f"{self.network}: Loihi's learning engine has {count}"]
        width = max((len(rule.projection) for rule in self.rules), default=0)
        for rule in self.rules:
            lines.append(f"  {rule.projection:{width}}  {rule.verdict:7}  {rule.text}")
        return "\n".join(lines)


def learning_report(network: Network, dt: Any, *, timing: str = "exact") -> LearningReport:
    """Tell rule by rule whether Loihi's learning engine has it, and why not.

    Parameters
    ----------
    network : Network
    dt : float, second
        Time step.
    timing : {"exact", "engine"}
        See :mod:`neuro.loihi.learning`.

    Returns
    -------
    LearningReport
        Line by line: projection; whether it fits (``differs``: with a difference, which is told);
        the engine's rule, or the reason.

    Examples
    --------
    >>> import neuro as nr
    >>> net = nr.Network("pairs")
    >>> _ = net.population("pre", nr.Poisson(20.0), size=2)
    >>> _ = net.population("post", nr.LIF(), size=1)
    >>> _ = net.connect("pre", "post", weights=[[0.5], [0.5]], plasticity=nr.PairSTDP(), name="c")
    >>> print(learning_report(net, 1e-3))
    pairs: Loihi's learning engine has 1 of 1 rules
      c  yes      dw = y0*x1 - y0*x2 - x0*y1
    """
    check_timing(timing)
    program = lower(network, dt)
    found = []
    for name, projection in network.projections.items():
        rule = projection.plasticity
        if rule is None:
            continue
        try:
            made = translate_step(program, name, timing=timing)
        except CompileError as error:
            found.append(RuleReport(name, rule.name, None, str(error)))
        else:
            found.append(RuleReport(name, rule.name, made))
    return LearningReport(network.name, tuple(found))
