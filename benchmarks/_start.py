"""How long from ``compile`` to the end of the first time step, in a process of its own.

Run as a program by the start benchmarks: ``python -m neuro.benchmarks._start CACHE``.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from neuro.benchmarks._sleep_case import sleep_case
from neuro.errors import BackendError


def seconds_to_first_step(cache: Path) -> float:
    """Compile the sleep network and run one step, in a new process, with a given build cache."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "neuro.benchmarks._start", str(cache)],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise BackendError(f"the start benchmark failed: {done.stderr[-500:]}")
    return float(done.stdout.splitlines()[-1])


def main(cache: str) -> None:
    """Print the seconds; what ``compile`` imports counts, what describes the network does not."""
    network = sleep_case((784, 256, 10), (1.2, 0.2), 1).network()
    begin = time.perf_counter()
    from neuro.simulation import compile

    with compile(network, "brian2", target="cpp", cache_dir=cache) as sim:
        sim.run_steps(1, False)
        print(time.perf_counter() - begin)


if __name__ == "__main__":
    main(sys.argv[1])
