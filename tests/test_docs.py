"""The documentation site builds without a warning, and no public name is without a docstring."""

import importlib
import inspect
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import neuro as nr

ROOT = Path(__file__).parent.parent


def documented():
    """Every public class, function, method and property, by its name."""
    found = [module.name for module in pkgutil.walk_packages(nr.__path__, "neuro.")]
    for path in ["neuro", *(path for path in found if "._" not in path)]:
        module = importlib.import_module(path)
        yield module.__name__, module
        for name, thing in vars(module).items():
            defined = getattr(thing, "__module__", None) == module.__name__
            if name.startswith("_") or not defined or not callable(thing):
                continue
            yield f"{module.__name__}.{name}", thing
            for member, value in vars(thing).items() if inspect.isclass(thing) else ():
                function = getattr(value, "__func__", value)
                if not member.startswith("_") and (
                    inspect.isfunction(function) or isinstance(function, property)
                ):
                    yield f"{module.__name__}.{name}.{member}", getattr(thing, member)


def test_public_names_have_docstrings():
    names = dict(documented())
    assert len(names) > 1000
    assert [name for name, thing in names.items() if not inspect.getdoc(thing)] == []


def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("sphinx")
    for name in ("docs", "examples"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("reference"))
    shutil.copy(ROOT / "CHANGELOG.md", tmp_path)
    site = tmp_path / "site"
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", tmp_path / "docs", site],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    reference = (site / "reference/neuro.html").read_text()
    assert 'id="neuro.LIF"' in reference and "Membrane time constant" in reference
    assert 'id="neuro.Network.connect"' in reference
    assert "neuro continual" in (site / "commands.html").read_text()
    assert "<img" in (site / "examples/first_network.html").read_text()
