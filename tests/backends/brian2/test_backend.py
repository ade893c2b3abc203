"""Options, choice of the target, and Brian2's global state."""

from __future__ import annotations

import logging
import subprocess
import sys

import numpy as np
import pytest

import neuro as nr
from neuro.backends.brian2 import BACKEND, targets
from neuro.backends.brian2.drawing import draw
from neuro.backends.brian2.printing import Printer
from neuro.backends.brian2.rules import split
from neuro.cache import cache_folder
from neuro.equations.expression import Name, parse_expression, substitute
from neuro.errors import BackendError, CompileError
from neuro.lowering import lower
from neuro.program import Assign, Plasticity
from neuro.progress import Silent


def test_available():
    assert BACKEND.available() is True
    assert nr.backends()["brian2"] is True


def test_finding_the_backend_does_not_import_brian2():
    script = (
        "import sys, neuro.backends.brian2 as b; assert b.BACKEND.available() is True;"
        " assert 'brian2' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_import_leaves_no_log_behind(tmp_path):
    (tmp_path / "tmp").mkdir()
    script = (
        "from neuro.backends.brian2.sandbox import import_brian2; import_brian2();"
        " import os; print(os.listdir(os.environ['TMPDIR']))"
    )
    out = subprocess.run(
        [sys.executable, "-c", script],
        env={"TMPDIR": str(tmp_path / "tmp"), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert out.stdout.strip() == "[]"


def test_unknown_options(tiny):
    with pytest.raises(CompileError, match="no option 'tarjet'"):
        BACKEND.compile(tiny(), tarjet="cpp")
    with pytest.raises(CompileError, match="'fortran'"):
        BACKEND.compile(tiny(), target="fortran")


def test_closed_engine(tiny):
    engine = BACKEND.compile(tiny(), target="numpy")
    engine.close()
    with pytest.raises(BackendError, match="closed"):
        engine.run(1, Silent())


def test_short_runs_need_no_compiler_and_long_ones_use_it(tiny, tmp_path):
    choose = targets.Chooser(draw(tiny()), "auto", tmp_path)
    assert choose._best(100) == "numpy"
    assert choose._best(10_000_000) == "cpp"


def test_rules_that_visit_every_synapse_count_as_work(tmp_path):
    def best(**options) -> str:
        net = nr.Network("visits")
        net.population("inp", nr.Poisson(rate=1.0), size=1000)
        net.population("exc", nr.LIF(), size=1000)
        rule = nr.PlasticityRule(name="rule", **options)
        net.connect("inp", "exc", weights=0.0, plasticity=rule)
        return targets.Chooser(draw(lower(net, 1e-3)), "auto", tmp_path)._best(5000)

    assert best(on_pre="w = w * 0.9") == "numpy"
    assert best(on_step="w = w * 0.9") == "cpp"
    assert best(on_step="w = w * 0.9", every=1.0) == "numpy"


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("NEURO_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("NEURO_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "neuro"


def test_the_users_brian2_is_left_alone(tiny, cache):
    import brian2

    brian2.prefs.codegen.target = "auto"
    before = brian2.prefs.as_file
    device, clock = brian2.get_device(), brian2.defaultclock.dt
    level = logging.getLogger("brian2").level
    group = brian2.NeuronGroup(3, "v : 1", name="mine")
    engine = BACKEND.compile(tiny(), target="numpy", cache_dir=cache)
    engine.run(5, Silent())
    assert brian2.prefs.as_file == before
    assert brian2.get_device() is device
    assert brian2.defaultclock.dt == clock
    assert logging.getLogger("brian2").level == level
    group.run_regularly("v += 1", when="start")
    net = brian2.Network(group)
    brian2.prefs.codegen.target = "numpy"
    try:
        net.run(3 * brian2.defaultclock.dt, namespace={})
        engine.run(5, Silent())  # between two runs of the user
        net.run(1 * brian2.defaultclock.dt, namespace={})
    finally:
        brian2.prefs.codegen.target = "auto"
    assert np.array_equal(group.v[:], [4, 4, 4])


def test_writing_sources_leaves_the_users_standalone_device_alone(tiny, tmp_path):
    import brian2

    from neuro.backends.brian2.standalone import write_sources

    mine = brian2.all_devices["cpp_standalone"]
    queue, before = list(mine.main_queue), brian2.prefs.as_file
    device = brian2.get_device()
    names = write_sources(draw(tiny()), tmp_path)
    assert "main.cpp" in names
    assert mine.main_queue == queue
    assert brian2.get_device() is device
    assert brian2.prefs.as_file == before


def test_error_in_the_middle_gives_brian2_back(tiny, cache, monkeypatch):
    import brian2

    import neuro.backends.brian2.runtime as runtime

    def fail(*_):
        raise RuntimeError("no luck")

    engine = BACKEND.compile(tiny(), target="numpy", cache_dir=cache)
    engine.run(1, Silent())
    device, before = brian2.get_device(), brian2.prefs.as_file
    monkeypatch.setattr(runtime.RuntimeRunner, "_simulate", fail)
    with pytest.raises(BackendError, match="no luck"):
        engine.run(1, Silent())
    assert brian2.get_device() is device
    assert brian2.prefs.as_file == before


def test_printing_keeps_the_order_and_says_what_is_a_truth_value():
    kinds = {"p.v": "float", "p.flag": "bool", "p.n": "int"}
    printer = Printer(lambda n: n.partition(".")[2], kinds.__getitem__, "float64")

    def tree(text):
        return substitute(parse_expression(text), lambda n: Name(f"p.{n}"))

    assert printer.number(tree("v + (0.1 - v)")) == "(v + (0.1 - v))"
    assert printer.number(tree("-0.5 * flag")) == "((-0.5) * neuro_real(flag))"
    assert printer.condition(tree("n")) == "(neuro_real(n) != 0.0)"
    assert printer.condition(tree("not flag and v > n")) == "((not flag) and (v > neuro_real(n)))"
    code = printer.block((Assign("p.v", tree("v + 1")), Assign("p.n", tree("n - 1"))))
    assert code.splitlines() == [
        "new_0 = (v + 1.0)",
        "v = new_0",
        "new_1 = neuro_int((neuro_real(n) - 1.0))",
        "n = new_1",
    ]
    narrow = Printer(printer.rename, printer.kind, "float32")
    assert narrow.number(tree("v * 0.1")) == "(v * neuro_real(0.1))"


def test_local_names_of_a_rule_are_computed_where_they_are_used():
    def assign(target, text):
        names = {"x": "c.x@pre", "w": "c.w", "y": "c.y@post"}
        return Assign(
            names.get(target, target),
            substitute(parse_expression(text), lambda n: Name(names.get(n, n))),
        )

    step = Plasticity("c", "a", "b", 1, "c", (), (), ())
    blocks = split(
        (assign("_z", "y * 2"), assign("w", "w + _z"), assign("x", "x + 1"), assign("w", "w - _z")),
        step,
    )
    assert [(kind, [a.target for a in body]) for kind, body in blocks] == [
        ("synapse", ["_z", "c.w"]),
        ("pre", ["c.x@pre"]),
        ("synapse", ["_z", "c.w"]),
    ]
    with pytest.raises(CompileError, match="'_z' is used after"):
        split((assign("_z", "x * 2"), assign("x", "x + 1"), assign("w", "w - _z")), step)


def test_population_without_threshold_and_without_inputs():
    net = nr.Network("quiet")
    net.population("alone", nr.LIF(tau_m=10e-3, v_threshold=1.0), size=2)
    net.record("alone", "v")
    engine = BACKEND.compile(lower(net, 1e-3), target="numpy")
    engine.write("alone.v", np.array([0.5, 0.25]))
    recorded = engine.run(3, Silent())
    assert recorded.traces[0].shape == (3, 2)
    assert recorded.traces[0][2, 0] < 0.5
