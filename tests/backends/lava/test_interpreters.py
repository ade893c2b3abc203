"""Lava through the import shim on the other Pythons of this machine, each in a fresh environment.

Only what a Lava run needs is installed there: no torch, no Brian2.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import neuro

VERSIONS = ("3.11", "3.12", "3.13")

NEEDS = ("numpy", "scipy", "sympy", "h5py", "tqdm", "asteval", "networkx", "scikit-learn")

PROGRAM = """
import numpy as np

import neuro as nr

net = nr.Network("both ways", seed=3)
net.population("in", nr.Poisson(rate=200.0), 20)
net.population("out", nr.LIF(tau_m=20e-3), 10)
net.connect("in", "out", np.random.default_rng(0).normal(0.1, 0.2, (20, 10)))
net.connect("out", "out", np.full((10, 10), -0.25), delay=2e-3)
net.record("out")
for precision in ("float64", "loihi"):
    found = []
    for backend, options in (
        ("reference", {}),
        ("lava", {"mode": "fused"}),
        ("lava", {"mode": "expanded"}),
    ):
        with nr.compile(net, backend, 1e-3, precision=precision, **options) as sim:
            found.append(sim.run_steps(200, progress=False).spikes("out"))
    for steps, units in found[1:]:
        np.testing.assert_array_equal(steps, found[0][0])
        np.testing.assert_array_equal(units, found[0][1])
    assert len(found[0][0]) > 20
print("the same spikes")
"""


def other(version: str) -> str:
    """Path of an interpreter that is not the one of this process."""
    name = f"python{version}"
    if sys.version_info[:2] == tuple(int(part) for part in version.split(".")):
        pytest.skip("the interpreter of this process: all other tests run on it")
    path = shutil.which(name)
    works = path and subprocess.run([path, "-c", "import venv"], capture_output=True, check=False)
    if not works or works.returncode:
        pytest.skip(f"there is no {name} on the path")
    return str(path)


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_lava_on(version: str, tmp_path: Path) -> None:
    interpreter = other(version)
    subprocess.run([interpreter, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, *NEEDS], check=True)
    without = [*install, "--no-deps", "--ignore-requires-python"]
    subprocess.run([*without, "lava-nc==0.10.0"], check=True)
    root = Path(neuro.__file__).parents[1]
    subprocess.run([*without, str(root)], check=True)
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = subprocess.run(
        [python, str(program)], capture_output=True, text=True, timeout=300, cwd=tmp_path
    )
    assert done.stdout == "the same spikes\n", done.stderr
