"""Running Lava networks without waiting for ever. Only in the child process.

Lava waits for messages without a limit of time, and tells nobody when a process dies. Here every
wait looks at the processes, and at whether the parent still lives.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from neuro.backends.lava.networks import Models


class ProcessError(Exception):
    """A Lava process raised an exception or died; ``trace`` is its traceback, if there is one."""

    def __init__(self, message: str, trace: str = "") -> None:
        super().__init__(message)
        self.trace = trace


class Guarded:
    """Processes that may form several networks without a connection between them.

    Parameters
    ----------
    models : dict
        Model by process.
    """

    def __init__(self, models: Models) -> None:
        from lava.magma.compiler.compiler_graphs import find_processes
        from lava.magma.core.run_configs import Loihi2SimCfg

        self._config = Loihi2SimCfg(exception_proc_model_map=models)
        #: One process of each network: Lava runs all that are connected with it.
        self._heads: list[Any] = []
        left = dict.fromkeys(models)
        while left:
            head = next(iter(left))
            network = set(find_processes(head))
            self._heads.append(head)
            left = {p: None for p in left if p not in network}

    def run(self, steps: int, look: Callable[[], None]) -> None:
        """Run all networks for some steps; ``look`` is called while it waits.

        Raises
        ------
        ProcessError
        """
        from lava.magma.core.run_conditions import RunSteps

        for head in self._heads:
            try:
                head.run(RunSteps(num_steps=steps, blocking=False), self._config)
            except Exception as error:  # of a model's constructor, or of Lava's compiler
                trace = getattr(error, "trace", "")
                if not trace:
                    raise
                raise ProcessError(_last_line(trace), trace) from error
        for head in self._heads:
            _wait(head.runtime, look)

    @property
    def actors(self) -> list[Any]:
        """All operating-system processes of Lava."""
        runtimes = [head.runtime for head in self._heads if head.runtime is not None]
        return [a for runtime in runtimes for a in runtime._messaging_infrastructure.actors]


def _wait(runtime: Any, look: Callable[[], None]) -> None:
    """Wait until all services of a runtime answer."""
    from lava.magma.runtime.mgmt_token_enums import MGMT_RESPONSE, enum_equal

    actors = runtime._messaging_infrastructure.actors
    services = runtime.service_to_runtime
    pause, next_look = 1e-5, 0.0
    while not all(service.probe() for service in services):
        now = time.monotonic()
        if now >= next_look:
            _check(actors)
            look()
            next_look = now + 0.02
        time.sleep(pause)
        pause = min(2e-3, pause * 1.5)
    if not all(enum_equal(s.peek(), MGMT_RESPONSE.DONE) for s in services):
        for _ in range(100):  # the exception is on its way
            _check(actors)
            time.sleep(0.01)
        raise ProcessError("a Lava process reported an error without an exception")
    runtime.wait()


def _check(actors: list[Any]) -> None:
    for actor in actors:
        if actor.exception:
            error, trace = actor.exception
            raise ProcessError(f"{type(error).__name__}: {error}", trace)
    for actor in actors:
        if not actor.is_alive():
            raise ProcessError(f"a Lava process died, exit code {actor.exitcode}")


def _last_line(trace: str) -> str:
    return trace.strip().rpartition("\n")[2]
