"""``neuro deploy``: report, exit status and files, from a network in a file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neuro as nr
from neuro.cli import main
from neuro.loihi.placement import Units, Wiring, place
from neuro.loihi.target import LOIHI_1
from neuro.plotting.deploy import core_utilisation

KEYS = {"fits", "cores", "chips", "layers", "energy_joule", "violations"}
LAYER_KEYS = {"name", "neurons", "synapses", "weight_exponent", "cores", "utilisation"}


def demo(size: int = 50, inputs: int = 100, **projection: Any) -> nr.Network:
    """The network of the README, without its plasticity unless it is given."""
    net = nr.Network("demo", seed=0)
    inp = net.population("inp", nr.Poisson(rate=40.0), size=inputs)
    exc = net.population("exc", nr.LIF(tau_m=20e-3, v_threshold=1.0), size=size)
    given = {"weights": nr.fixed_probability(0.2, weight=0.3), "delay": 2e-3}
    net.connect(inp, exc, **(given | projection))
    net.record(exc, "spikes")
    return net


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "demo.h5"
    nr.save(demo(), path)
    return path


def run(path: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit status and report of a run."""
    out = path.parent / "out"
    status = main(["deploy", str(path), "--out", str(out), *arguments])
    return status, json.loads((out / "report.json").read_text())


def test_a_network_that_fits(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, report = run(saved, "--target", "loihi2")
    assert status == 0 and set(report) >= KEYS
    assert report["fits"] is True and report["violations"] == []
    assert (report["cores"], report["chips"]) == (1, 1)
    (layer,) = report["layers"]
    assert set(layer) == LAYER_KEYS
    program = nr.lower(demo(), 1e-3)
    assert layer["name"] == "exc" and layer["neurons"] == 50 and layer["cores"] == 1
    assert layer["synapses"] == program.connectivity["inp_exc"].count
    exponent = nr.loihi.quantise(demo(), 1e-3).report.projections["inp_exc"].exponent
    assert layer["weight_exponent"] == exponent
    assert layer["utilisation"] == pytest.approx(100 * 100 / 4096)  # axons in are fullest
    assert isinstance(report["energy_joule"], float) and report["energy_joule"] > 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "demo fits Loihi 2: 1 core on 1 chip." in captured.out
    assert "no table of energy per operation" in " ".join(captured.out.split())


def test_files_are_written_and_say_what_they_rest_on(saved: Path) -> None:
    run(saved)
    out = saved.parent / "out"
    assert {p.name for p in out.iterdir()} == {"report.json", "report.html", "cores.png"}
    page = (out / "report.html").read_text()
    for text in ("Davies et al.", "23.6 pJ", "52 pJ", "Loihi 2", "estimate", "data:image/svg"):
        assert text in page
    assert "http" not in page.replace("http://www.w3.org", "")
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    run(saved)
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before


def test_energy_by_hand(tmp_path: Path) -> None:
    # Six input spikes, each to both neurons; nothing else happens in 100 steps of 2 neurons.
    net = nr.Network("hand")
    times = np.array([1, 5, 9, 20, 21, 40]) * 1e-3
    inp = net.population("inp", nr.SpikeTimes(times, np.zeros(6, int)), size=1)
    net.connect(inp, net.population("out", nr.LIF(), size=2), weights=0.1)
    path = tmp_path / "net.h5"
    nr.save(net, path)
    status, report = run(path, "--duration", "0.1")
    assert status == 0
    assert report["inference"]["events"] == {
        "synaptic operations": 12, "active updates": 12, "idle updates": 188,
        "learning updates": 0, "messages": 6, "east-west hops": 0, "north-south hops": 0,
    }  # fmt: skip
    joule = (12 * 23.6 + 12 * 81 + 188 * 52 + 6 * 1.7) * 1e-12
    assert report["energy_joule"] == pytest.approx(joule)
    assert report["joule_per_second"] == pytest.approx(joule / 0.1)
    step = 113e-9 + (12 * 3.5 + 12 * 8.4 + 188 * 5.3) * 1e-9 / 100
    assert report["step_second"] == pytest.approx(step)
    assert report["latency_second"] == pytest.approx(100 * step)


def test_a_rate_takes_the_place_of_a_simulation(saved: Path) -> None:
    (_, slow), (_, fast) = run(saved, "--rate", "10"), run(saved, "--rate", "20")
    events = slow["inference"]["events"]
    synapses = slow["layers"][0]["synapses"]
    assert events["synaptic operations"] == pytest.approx(synapses * 0.01 * 256)
    assert fast["energy_joule"] > slow["energy_joule"]
    assert "assumed" in slow["inference"]["activity"]


@pytest.mark.parametrize(
    ("projection", "inputs", "rule", "where", "limit"),
    [
        ({"delay": 0.07}, 100, "delay", "inp_exc", 62),
        ({"weights": 0.01}, 5000, "fan_in_axons", "exc", 4096),
        ({"plasticity": nr.PairSTDP(w_min=0, w_max=0.5)}, 100, "plasticity_supported", "inp_exc",
         "a sum of products"),
    ],
)  # fmt: skip
def test_a_network_that_does_not_fit(
    projection: dict[str, Any], inputs: int, rule: str, where: str, limit: object,
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = tmp_path / "net.h5"
    nr.save(demo(inputs=inputs, **projection), path)
    status, report = run(path)
    assert status == 3 and report["fits"] is False
    (found,) = report["violations"]
    assert (found["rule"], found["where"], found["limit"]) == (rule, where, limit)
    assert found["severity"] == "error" and found["mend"]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"neuro: {path} does not fit loihi2: {where}: ")
    assert rule in line and str(limit) in line
    assert report["cores"] >= 1 and report["layers"][0]["cores"] >= 1
    assert (path.parent / "out" / "report.html").is_file()


def test_frozen_leaves_plasticity_out(tmp_path: Path) -> None:
    path = tmp_path / "net.h5"
    nr.save(demo(plasticity=nr.PairSTDP(w_min=0, w_max=0.5)), path)
    assert run(path)[0] == 3
    status, report = run(path, "--frozen")
    assert status == 0 and report["config"]["frozen"] is True


def test_exponents_of_several_projections_are_a_list(tmp_path: Path) -> None:
    net = demo()
    net.connect("exc", "exc", weights=-20.0, name="inh")
    path = tmp_path / "net.h5"
    nr.save(net, path)
    _, report = run(path)
    made = nr.loihi.quantise(net, 1e-3).report.projections
    assert report["layers"][0]["weight_exponent"] == [
        made["inp_exc"].exponent, made["inh"].exponent,
    ]  # fmt: skip
    alone = nr.Network("alone")
    alone.population("out", nr.LIF(bias=2.0), size=3)
    nr.save(alone, path)
    _, report = run(path)
    assert report["layers"][0]["weight_exponent"] is None and report["energy_joule"] > 0
    assert "no sources" in report["inference"]["activity"]


def test_units_without_leak_have_no_infinity_in_json(tmp_path: Path) -> None:
    net = nr.Network("no leak")
    inp = net.population("inp", nr.Poisson(rate=10.0), size=3)
    net.connect(inp, net.population("out", nr.IF(), size=2), weights=0.1)
    path = tmp_path / "net.h5"
    nr.save(net, path)
    status, report = run(path)
    assert status == 0
    assert report["quantisation"]["populations"]["out"]["tau_m"] == [None, None]


def test_json_on_standard_output(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deploy", str(saved), "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) >= KEYS
    assert not (saved.parent / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target", "loihi3"], "no target 'loihi3'; choose from loihi1, loihi2"),
        (["--exponents", "mean"], "--exponents 'mean': choose from max, percentile, error"),
        (["--rounding", "up"], "--rounding 'up': choose from nearest, stochastic"),
        (["--dt", "0"], "dt is 0 second; it must be > 0"),
        (["--dt", "0.0015"], "delay of projection 'inp_exc' is 0.002 s"),
        (["--rate", "2000"], "at most one spike per step, 1000 Hz"),
        (["--duration", "0.0005"], "duration is 0.0005 s, not a multiple of dt"),
        (["--chips", "0"], "chips = 0"),
    ],
)
def test_mistakes(
    saved: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["deploy", str(saved), *arguments]) == 1
    assert message in capsys.readouterr().err


def test_files_that_hold_no_network(
    saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["deploy", str(tmp_path / "none.h5")]) == 1
    assert "none.h5 does not exist" in capsys.readouterr().err
    state = tmp_path / "state.h5"
    with nr.compile(demo(), dt=1e-3) as sim:
        nr.save(sim.state(), state)
    assert main(["deploy", str(state)]) == 1
    assert "holds a checkpoint, not a network" in capsys.readouterr().err


def test_an_old_report_goes_before_a_new_one_is_made(saved: Path) -> None:
    run(saved)
    assert main(["deploy", str(saved), "--out", str(saved.parent / "out"), "--rate", "1e9"]) == 1
    assert not (saved.parent / "out" / "report.json").exists()


def test_it_works_without_lava(saved: Path) -> None:
    code = (
        "import sys\n"
        "class Blocker:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'lava': raise ImportError('no lava here')\n"
        "sys.meta_path.insert(0, Blocker())\n"
        "from neuro.cli import main\n"
        f"status = main(['deploy', {str(saved)!r}, '--out', {str(saved.parent / 'out')!r}])\n"
        "heavy = {'lava', 'torch', 'brian2', 'sklearn', 'optuna'} & set(sys.modules)\n"
        "sys.exit(status or sorted(heavy) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_python_function_gives_the_same_report(saved: Path) -> None:
    _, report = run(saved)
    made = nr.loihi.deploy(nr.load(saved), 1e-3, target="loihi2")
    assert {k: v for k, v in report.items() if k != "config"} == json.loads(
        json.dumps(made.to_dict())
    )
    assert (made.fits, made.cores, made.chips) == (True, 1, 1)
    assert made.energy_joule == report["energy_joule"]


def test_the_figure_shows_the_numbers() -> None:
    layers = {"a": Units(1500), "b": Units(10)}
    wiring = [Wiring("w", "a", "b", nr.connectivity.Dense(1500, 10))]
    placed = place(layers, wiring, LOIHI_1)
    figure = core_utilisation(placed)
    top = figure.axes[0]
    heights = [patch.get_data().values.tolist() for patch in top.patches]
    assert heights == [[100 * 750 / 1024] * 2, [100 * 10 / 1024]]
    assert [list(patch.get_data().edges) for patch in top.patches] == [[-0.5, 0.5, 1.5], [1.5, 2.5]]
    assert [ax.get_title(loc="left").split(":")[0] for ax in figure.axes] == [
        "neurons", "synaptic memory", "axons in", "axons out",
    ]  # fmt: skip
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]
