"""How long from ``compile`` to the end of the first time step, in a process of its own.

Run as a program by the start benchmarks: ``python -m neuro.benchmarks._start NETWORK BACKEND
OPTIONS [MODULE]...``; modules are imported before the clock starts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from neuro.benchmarks._cuba import DT, cuba
from neuro.errors import BackendError
from neuro.network import Network


def _sleep() -> Network:
    from neuro.benchmarks._sleep_case import sleep_case  # imports what ``compile`` needs

    return sleep_case((784, 256, 10), (1.2, 0.2), 1).network()


#: Networks and their time steps.
NETWORKS: Mapping[str, tuple[Callable[[], Network], float]] = {
    "sleep": (_sleep, 1e-3),
    "cuba": (cuba, DT),
    "small": (lambda: cuba(50), DT),
}


@dataclass(frozen=True)
class Start:
    """What one process took: seconds, and the modules of others that it imported on the way."""

    seconds: float
    modules: tuple[str, ...]


def start(
    network: str,
    backend: str,
    options: Mapping[str, Any],
    cache: Path,
    imported: Sequence[str] = (),
) -> Start:
    """Compile a network and run one step, in a new process, with a given build cache.

    Parameters
    ----------
    network : str
        Key of :data:`NETWORKS`.
    backend : str
    options : dict
        Of :func:`neuro.compile`.
    cache : Path
    imported : sequence of str
        Modules whose import is not to count.
    """
    command = [sys.executable, "-W", "ignore", "-m", "neuro.benchmarks._start"]
    command += [network, backend, json.dumps(dict(options)), *imported]
    environment = {**os.environ, "NEURO_CACHE": str(cache)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise BackendError(f"the start benchmark failed: {done.stderr[-500:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    return Start(found["seconds"], tuple(found["modules"]))


def main(name: str, backend: str, options: str, *imported: str) -> None:
    """Print the seconds; what describes the network does not count."""
    make, dt = NETWORKS[name]
    network = make()
    for module in imported:
        with suppress(ImportError):  # a few only exist once their package has made them
            import_module(module)
    before = set(sys.modules)
    begin = time.perf_counter()
    from neuro.simulation import compile

    with compile(network, backend, dt, **json.loads(options)) as sim:
        sim.run_steps(1, False)
        seconds = time.perf_counter() - begin
    foreign = [n for n in set(sys.modules) - before if n.partition(".")[0] != "neuro"]
    print(json.dumps({"seconds": seconds, "modules": sorted(foreign)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
