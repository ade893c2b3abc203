"""Options, availability, and reading much at once."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from lava_helpers import engine_of, loop

import neuro as nr
from neuro.backends.lava import BACKEND, backend as backend_module, importing

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mode": "fast"}, r"mode 'fast'.*'fused', 'expanded'"),
        ({"timeout": 0}, r"timeout=0 is not a positive"),
        ({"timeout": True}, r"timeout=True"),
        ({"timeout": "long"}, r"timeout='long'"),
        ({"threads": 2}, r"no option 'threads'"),
    ],
)
def test_wrong_options(options: dict[str, Any], words: str) -> None:
    with pytest.raises(nr.errors.CompileError, match=words):
        nr.compile(loop(), "lava", **options)


def test_closed_and_torn_engines() -> None:
    sim = nr.compile(loop(), "lava")
    engine = engine_of(sim)
    sim.close()
    sim.close()
    from neuro.progress import Silent

    with pytest.raises(nr.errors.BackendError, match="closed"):
        engine.run(1, Silent())


def absent(name: str) -> str:
    """As if no package had this name."""
    raise metadata.PackageNotFoundError(name)


def test_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence has the command; everything else works."""
    monkeypatch.setattr(backend_module.metadata, "version", absent)
    text = BACKEND.available()
    assert isinstance(text, str)
    assert "pip install --no-deps --ignore-requires-python lava-nc==0.10.0" in text
    assert nr.backends()["lava"] == text
    with pytest.raises(nr.errors.BackendError, match="not installed"):
        nr.compile(loop(), "lava")
    with nr.compile(loop()) as sim:
        sim.run_steps(3, progress=False)


def test_another_version_and_missing_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(backend_module.metadata, "version", lambda name: "0.9.0")
        assert "lava-nc is 0.9.0" in str(BACKEND.available())
    for missing, word in (
        ("networkx", "pip install networkx"),
        ("lava.proc.lif.models", "broken"),
    ):
        found = backend_module._found

        def found_but(name: str, lost: str = missing, found: Any = found) -> bool:
            return name != lost and found(name)

        with monkeypatch.context() as patch:
            patch.setattr(backend_module, "_found", found_but)
            assert word in str(BACKEND.available())


BROKEN = """
import sys
sys.modules["lava.magma.compiler.var_model"] = None
from neuro.backends.lava.importing import import_lava
import_lava()
"""


def test_lava_that_cannot_be_imported() -> None:
    """The error names the versions at hand and the command."""
    done = subprocess.run([sys.executable, "-c", BROKEN], capture_output=True, text=True)
    assert done.returncode == 1
    assert f"NumPy {np.__version__}" in done.stderr
    assert importing.MEND in done.stderr.replace("\\n", "")


NEWSHAPE = """
import numpy as np
np.__version__ = "2.4.0"
from neuro.backends.lava.importing import import_lava
import_lava()
from lava.magma.core.process.ports import ports
assert ports.np.reshape(np.arange(6), newshape=(2, 3)).shape == (2, 3)
assert ports.np.reshape(np.arange(6), (3, 2)).shape == (3, 2)
assert ports.np.zeros(2).shape == (2,)
"""


def test_shim_for_newer_numpy() -> None:
    """NumPy 2.4 has no argument ``newshape``."""
    done = subprocess.run([sys.executable, "-c", NEWSHAPE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_installation_is_that_of_the_backend() -> None:
    """The Makefile installs the version that the adapter asks for."""
    text = (ROOT / "Makefile").read_text()
    assert f"--no-deps --ignore-requires-python lava-nc=={backend_module.LAVA}" in text
    assert f"lava-nc=={backend_module.LAVA}" in importing.MEND


# --- much at once ---

MILLION = 1000


@pytest.mark.parametrize("mode", ["fused", "expanded"])
def test_reading_a_million_values(mode: str) -> None:
    """A million weights, and a million recorded values, in 50 ms each (Lava's own: 27 s)."""
    net = nr.Network("million", seed=1)
    source = net.population("in", nr.Poisson(100.0), MILLION)
    cells = net.population("cells", nr.LIF(), MILLION)
    net.connect(source, cells, np.full((MILLION, MILLION), 1e-3), name="all")
    net.record("cells", "v")
    with nr.compile(net, "lava", mode=mode) as sim, nr.compile(net) as reference:
        expected = reference.run_steps(MILLION, progress=False).trace("cells", "v")
        sim.run_steps(1, progress=False)
        seconds = []
        for _ in range(3):
            begun = perf_counter()
            weights = sim.weights("all")
            seconds.append(perf_counter() - begun)
        assert weights.size == MILLION**2
        assert min(seconds) < 0.05, seconds
        engine = engine_of(sim)
        taken = _time_of_collecting(engine, sim)
        assert taken["rows"] == MILLION - 1
        assert taken["seconds"] < 0.05, taken
        np.testing.assert_array_equal(taken["trace"], expected[1:])


def _time_of_collecting(engine: Any, sim: nr.Simulation) -> dict[str, Any]:
    """Run, and measure what comes after the child has answered."""
    answered: list[float] = []
    run = engine._child.run

    def timed(*arguments: Any) -> Any:
        result = run(*arguments)
        answered.append(perf_counter())
        return result

    engine._child.run = timed
    recording = sim.run_steps(MILLION - 1, progress=False)
    trace = recording.trace("cells", "v")
    seconds = perf_counter() - answered[0]
    assert len(answered) == 1  # one piece
    return {"seconds": seconds, "rows": len(trace), "trace": trace}
