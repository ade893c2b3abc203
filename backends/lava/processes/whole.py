"""One process that runs a whole program."""

from __future__ import annotations

from typing import Any

from lava.magma.core.decorator import implements, requires
from lava.magma.core.model.py.model import PyAsyncProcessModel
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.async_protocol import AsyncProtocol


class Whole(AbstractProcess):
    """A whole network.

    Parameters
    ----------
    make : callable
        Makes, in the process that runs it, what does the work: an object with ``run(steps)``.
    """

    def __init__(self, *, name: str, make: Any) -> None:
        super().__init__(name=name, make=make)


@implements(proc=Whole, protocol=AsyncProtocol)
@requires(CPU)
class PyWholeModel(PyAsyncProcessModel):
    """All time steps of a run in one go.

    The asynchronous protocol gives a process the number of steps once a run; the protocol of
    Loihi would exchange two messages in every step.
    """

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._work = proc_params["make"]()

    def run_async(self) -> None:
        """Run as many steps as the run condition says."""
        self._work.run(self.num_steps)
