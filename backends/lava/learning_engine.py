"""The engine of ``learning="loihi"``: what can be done with learning from outside."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from neuro.backends.lava.engine import LavaEngine
from neuro.backends.lava.learning import check, rules
from neuro.engine import State
from neuro.errors import BackendError
from neuro.program import Program

_NO_CHECKPOINT = (
    "learning='loihi' has no checkpoint: traces and spikes on their way are inside Lava's"
    " processes; use learning='exact'"
)


class LavaLearningEngine(LavaEngine):
    """Runs a program whose rules are on Lava's learning engine.

    Parameters
    ----------
    program : Program
    options : dict
        Of :meth:`.LavaBackend.compile`, complete.

    Raises
    ------
    CompileError
        When a rule or projection does not fit the learning engine.
    """

    def __init__(self, program: Program, options: dict[str, Any]) -> None:
        check(program)
        steps = rules(program)
        weights = {f"{s.synapses}.w" for s in steps.values()}
        #: Arrays that live on the learning engine, in its units and time.
        self._hidden = {name for s in steps.values() for name in s.writes} - weights
        self._numbers = {projection: number for number, projection in enumerate(steps)}
        super().__init__(program, options)

    def freeze(self, projection: str, frozen: bool = True) -> None:
        """Let the weights of a projection stay as they are from the next run on, or learn again.

        Traces go on.
        """
        if projection not in self._numbers:
            known = ", ".join(self._numbers) or "none"
            raise BackendError(
                f"projection {projection!r} has no rule on the learning engine; these have: {known}"
            )
        self._shared.frozen[self._numbers[projection]] = frozen

    def read(self, name: str) -> NDArray[Any]:
        """A copy of an array's value."""
        if name in self._hidden:
            raise BackendError(f"{name} lives on the learning engine in its own units")
        return super().read(name)

    def state(self) -> State:
        """Refused."""
        raise BackendError(_NO_CHECKPOINT)

    def restore(self, state: State) -> None:
        """Refused."""
        raise BackendError(_NO_CHECKPOINT)
