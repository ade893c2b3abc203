"""The wheel holds everything under the one package ``neuro``, and nothing else."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    # The tree is copied: a build must not leave files beside the sources.
    source = out / "source"
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    for name in tracked:
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    build = "from setuptools import build_meta; print(build_meta.build_wheel({!r}))"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", build.format(str(out))],
        cwd=source,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return next(out.glob("*.whl"))


def test_every_module_imports_from_the_wheel_alone(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
        names = archive.namelist()
    modules = sorted(
        n.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".")
        for n in names
        if n.endswith(".py") and not n.endswith("__main__.py")
    )
    assert {"neuro.backends.reference", "neuro.models.mrnn", "neuro.cli"} <= set(modules)
    # -P and another directory: neither this checkout nor the editable install may help.
    code = (
        "import sys, importlib\n"
        "sys.meta_path = [f for f in sys.meta_path if '__editable__' not in repr(f)]\n"
        f"sys.path.insert(0, {str(tmp_path / 'site')!r})\n"
        f"for name in {modules!r}:\n"
        "    module = importlib.import_module(name)\n"
        f"    assert module.__file__.startswith({str(tmp_path)!r}), module.__file__\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


PYTHONS = ("3.11", "3.12", "3.13")

FIRST_DAY = """
import numpy as np
import neuro as nr

assert "site-packages" in nr.__file__, nr.__file__
net = nr.Network("demo", seed=0)
inp = net.population("inp", nr.Poisson(rate=40.0), size=100)
exc = net.population("exc", nr.LIF(tau_m=20e-3, v_threshold=1.0), size=50)
net.connect(inp, exc, nr.fixed_probability(0.2, weight=0.3), plasticity=nr.PairSTDP(w_max=0.5))
net.connect(exc, exc, nr.fixed_probability(0.1, nr.Normal(-0.1, 0.05)), delay=3e-3)
net.record(exc)
found = {}
for backend, options in (("reference", {}), ("brian2", {"target": "numpy"}), ("torch", {})):
    with nr.compile(net, backend, dt=1e-3, **options) as sim:
        found[backend] = sim.run(0.5).spikes(exc)
        assert np.array_equal(found[backend], found["reference"]), backend
assert len(found["reference"][0]) > 100
usable = {name for name, state in nr.backends().items() if state is True}
assert usable >= {"reference", "brian2", "torch"}, nr.backends()
"""


@pytest.mark.slow
@pytest.mark.parametrize("version", PYTHONS)
def test_a_first_day_in_an_empty_environment(wheel, version, tmp_path):
    """``pip install neuro`` with nothing but the registry, as a user would."""
    python = shutil.which(f"python{version}")
    if python is None or subprocess.run([python, "-c", ""], check=False).returncode:
        pytest.skip(f"there is no python{version} here")
    subprocess.run([python, "-m", "venv", tmp_path / "env"], check=True)
    here = tmp_path / "env/bin"
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    env = clean | {"MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}

    def run(*command):
        done = subprocess.run(
            [here / command[0], *command[1:]],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("pip", "install", "--quiet", "--disable-pip-version-check", wheel)
    run("python", "-c", FIRST_DAY)
    assert "Usage: neuro" in run("neuro", "--help")
    assert "pip install" in run("neuro", "backends")
    run("neuro", "new", "project")
    run("python", "project/network.py")
    run("neuro", "continual", "--dataset", "digits", "--seeds", "0", "--no-joint", "--out", "run")
    assert "accuracy" in (tmp_path / "run/metrics.json").read_text()


def test_wheel_contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {n.split("/")[0] for n in names}
    assert tops == {"neuro", next(t for t in tops if t.endswith(".dist-info"))}
    assert "neuro/py.typed" in names
    # Every source file of the mapped folders is packed (a package missing in setup.cfg is not).
    for folder, target in (
        ("neuro", "neuro"),
        ("backends", "neuro/backends"),
        ("models", "neuro/models"),
        ("benchmarks", "neuro/benchmarks"),
        ("tests/conformance", "neuro/conformance"),
    ):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".h", ".cpp", ".cu", ".typed"):
                packed = f"{target}/{path.relative_to(ROOT / folder).as_posix()}"
                assert packed in names, packed


def test_import_is_quick_and_light():
    code = (
        "import time; t = time.process_time(); import neuro; t = time.process_time() - t\n"
        "import sys\n"
        "heavy = {'torch', 'brian2', 'lava', 'matplotlib', 'sympy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "print(t)"
    )
    times = []
    for _ in range(3):  # a noisy machine: the quickest of three counts
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd="/", check=False
        )
        assert done.returncode == 0, done.stderr
        times.append(float(done.stdout))
    assert min(times) < 0.5
