"""The wheel holds everything under the one package ``neuro``, and nothing else."""

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
