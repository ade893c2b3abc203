"""Scripts run without neuro and give the spikes, weights and states of the reference."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import neuro as nr
from neuro.backends.brian2.script_notation import ScriptPrinter
from neuro.backends.reference import BACKEND as REFERENCE
from neuro.conformance.scenarios import SCENARIOS
from neuro.equations.expression import Name, parse_expression, substitute
from neuro.errors import BackendError
from neuro.program import Assign
from neuro.progress import Silent

STEPS = 120

#: Runs a script in a process where neuro cannot be imported.
ALONE = "import runpy, sys; sys.modules['neuro'] = None; runpy.run_path(sys.argv.pop(1))"


def run_script(path: Path) -> dict[str, np.ndarray]:
    results = path.with_name("results.npz")
    command = [sys.executable, "-c", ALONE, str(path), str(results)]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    with np.load(results) as file:
        return dict(file)


def assert_as_reference(found, program, steps=STEPS):
    expected = REFERENCE.compile(program).run(steps, Silent())
    for population, (step, unit) in expected.spikes.items():
        assert np.array_equal(found.pop(f"{population}.steps"), step), population
        assert np.array_equal(found.pop(f"{population}.units"), unit), population
    for index, record in enumerate(program.records):
        if record.array in found:
            wanted = expected.traces[index][record.every - 1 :: record.every]
            assert np.array_equal(found.pop(record.array), wanted), record.array
    assert not found


def plastic() -> nr.Network:
    """Names that are taken in Python, in Brian2, or by two objects; all kinds of recording."""
    rng = np.random.default_rng(3)
    net = nr.Network("plastic", seed=5)
    net.population("print", nr.Poisson(rate=60.0), size=30)
    v0 = np.linspace(0, 0.5, 20)
    net.population("exc", nr.LIF(tau_m=20e-3, v_threshold=1.0, t_ref=3e-3, v_init=v0), size=20)
    tau = np.linspace(5e-3, 15e-3, 8)
    net.population("data", nr.LIF(tau_m=tau, v_threshold=1.0, v_reset=-0.1), size=8)
    rule = nr.PlasticityRule(
        on_pre="e = 0.5 * e + 1; w = w - a * y * (2 - post_spike)",
        on_post="w = w + a * e * (1 - 0.5 * pre_spike); y += 1",
        on_step="w = w * 0.999",
        every=10e-3,
        pre_traces="de/dt = -e / tau : 1",
        post_traces="dy/dt = -y / tau : 1",
        parameters={"tau": (15e-3, "second"), "a": 0.01},
        w_min=0.0,
    )
    weights = rng.random((30, 20)) * 0.3
    net.connect("print", "exc", weights=weights, delay=2e-3, plasticity=rule, name="w")
    net.connect(
        "print",
        "exc",
        weights=nr.fixed_in_degree(4, weight=0.2, multapses=True),
        delay=nr.Uniform(1e-3, 4e-3),
        plasticity=rule,
        short_term=nr.TsodyksMarkram(),
        gain=0.7,
        name="late",
    )
    owner = net.connect("exc", "data", weights=rng.random((20, 8)) * 0.4, name="forward")
    net.connect(
        "data", "exc", weights=nr.transpose_of(owner), delay=3e-3, plasticity=rule, name="back"
    )
    net.connect("data", "data", weights=nr.fixed_probability(0.0, weight=1.0), name="none")
    net.record("print", units=[1, 5])
    net.record("exc")
    net.record("data")
    net.record("exc", "v", every=5)
    net.record("w", "w", units=[0, 3, 7])
    net.record("late", "e")
    return net


def biophysical() -> nr.Network:
    """The portable functions, graded events and a convolution."""
    net = nr.Network("biophysical", seed=1)
    inp = net.population("inp", nr.Poisson(rate=80.0), size=(1, 4, 4))
    cells = net.population("cells", nr.HodgkinHuxley(), size=(2, 3, 3))
    rates = net.population("rates", nr.Graded(activation="tanh", tau=5e-3), size=4)
    port = next(iter(cells.model.ports))
    kernel = np.full((2, 1, 2, 2), 6e-8)
    net.connect(inp, cells, weights=nr.convolution(kernel), port=port, name="conv")
    net.connect(cells, rates, weights=0.5, name="to_rates")
    net.connect(rates, rates, weights=np.eye(4) * 0.5, delay=2e-4, name="self")
    net.record(cells)
    net.record(rates, "x")
    return net


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_script_of_a_plastic_network(tmp_path, precision):
    path = tmp_path / "plastic.py"
    with nr.compile(plastic(), backend="brian2", precision=precision) as sim:
        text = sim.to_script(path, duration=STEPS * 1e-3)
        assert path.read_text() == text
        assert sorted(p.name for p in tmp_path.iterdir()) == ["plastic.npz", "plastic.py"]
        assert "import neuro" not in text
        assert_as_reference(run_script(path), sim.program)


def test_script_of_third_factors_that_groups_share(tmp_path):
    path = tmp_path / "groups.py"
    net = SCENARIOS["factors_of_groups"].network(exact=False)
    with nr.compile(net, backend="brian2") as sim:
        text = sim.to_script(path, duration=0.3)
        assert text.count("np.arange(len(cells), dtype=np.int32) // 3)") == 1
        found = run_script(path)
        assert len(found["cells.units"]) > 10
        assert_as_reference(found, sim.program, 300)


def test_script_of_a_biophysical_network(tmp_path):
    path = tmp_path / "cells.py"
    with nr.compile(biophysical(), backend="brian2", dt=5e-5) as sim:
        sim.to_script(path, duration=0.03)
        found = run_script(path)
        assert len(found["cells.units"]) > 10
        assert_as_reference(found, sim.program, 600)


def test_script_reads_like_the_network(tmp_path):
    net = nr.Network("reader")
    net.population("inp", nr.SpikeTimes([0, 2, 3], [0, 1, 1]), size=2)
    net.population("exc", nr.LIF(tau_m=20e-3, v_threshold=0.5, v_rest=-0.1), size=3)
    net.connect("inp", "exc", weights=np.array([[0.25, 0.5, 0.75]] * 2), delay=2e-3, name="syn")
    net.record("exc")
    with nr.compile(net, backend="brian2") as sim:
        text = sim.to_script(duration=10e-3)
        assert sim.to_script().count("STEPS = 1000\n") == 1
        program = sim.program
    wanted = [
        "# --- population inp: 2 unit(s), a source ---",
        "# --- population exc: 3 unit(s), integration: exact ---",
        "# --- projection syn: inp -> exc, every pair of units ---",
        'threshold="v >= 0.5"',
        '"syn_input_post += w"',
        "syn.w = np.array([0.25, 0.5, 0.75, 0.25, 0.5, 0.75], dtype=\"float64\")",
        "exc.v = -0.1",
        "STEPS = 10\n",
    ]
    for part in wanted:
        assert part in text, part
    assert re.search(r"^exc_k1 = 0\.9512294245007140?$", text, re.M)
    assert "np.load" not in text
    path = tmp_path / "script.py"
    path.write_text(text)
    assert_as_reference(run_script(path), program, 10)


def test_names_that_brian2_keeps_for_itself(tmp_path):
    net = nr.Network("taken")
    model = nr.NeuronModel(
        "dorder/dt = -order / tau : 1; de/dt = (order - e) / tau : 1; name : 1",
        parameters={"tau": (10e-3, "second")},
        inputs={"clock": "1"},
        after="order += clock; name = order + e",
        threshold="name > 1",
        reset="order = 0",
        name="awkward",
    )
    net.population("in", nr.SpikeTimes([1, 2, 3, 9], [0, 1, 1, 0]), size=2)
    net.population("exc", model, size=2)
    net.connect("in", "exc", weights=np.array([[0.5, 0.75], [0.25, 0.5]]), name="delay")
    net.record("exc")
    net.record("exc", "order")
    net.record("exc", "name")
    path = tmp_path / "taken.py"
    with nr.compile(net, backend="brian2") as sim:
        sim.to_script(path, duration=20e-3)
        found = run_script(path)
        assert len(found["exc.units"])
        assert_as_reference(found, sim.program, 20)


def test_a_value_that_has_two_names_is_not_changed_in_place():
    """``_old = v; v = v + 1; u = _old``: NumPy's ``v += 1`` would change ``_old`` as well."""
    kinds = {"p.v": "float", "p.u": "float"}
    statements = [("_old", "v"), ("p.v", "v + 1"), ("p.u", "_old"), ("p.u", "u * v")]

    def block(chosen) -> list[str]:
        def printed(name: str) -> str:
            return name.partition(".")[2]

        printer = ScriptPrinter(printed, kinds.__getitem__, "float64", "p", {})
        trees = {"v": Name("p.v"), "u": Name("p.u"), "_old": Name("_old")}
        assigns = [Assign(t, substitute(parse_expression(e), trees.__getitem__)) for t, e in chosen]
        return printer.block(assigns).splitlines()

    assert block(statements) == [
        "local_old = v",
        "new_v = (v + 1.0)",
        "v = new_v",
        "u = local_old",
        "new_u = (u * v)",
        "u = new_u",
    ]
    assert block(statements[1:2]) == ["v += 1.0"]


def test_only_brian2_programs_become_scripts():
    net = nr.Network("net")
    net.population("exc", nr.LIF(), size=1)
    with (
        nr.compile(net) as sim,
        pytest.raises(BackendError, match=r'compile\(\.\.\., backend="brian2"\)'),
    ):
        sim.to_script()
