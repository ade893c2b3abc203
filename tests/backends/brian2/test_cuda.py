"""The target ``cuda``: what is generated, that nvcc takes it, and errors without a GPU.

That the generated program gives the bits of the reference is shown with all other targets; without
a GPU, on the processor (see ``conftest.py``).
"""

from __future__ import annotations

import importlib.util
import re
import shutil

import numpy as np
import pytest

import neuro as nr
from neuro.backends.brian2 import BACKEND, nvcc, targets
from neuro.backends.brian2.calls import Calls
from neuro.backends.brian2.nvcc import compile_project
from neuro.backends.reference import BACKEND as REFERENCE
from neuro.errors import BackendError, CompileError
from neuro.lowering import lower
from neuro.progress import Silent


def lif():
    """Delays of 1, 2 and 3 steps; refractoriness."""
    net = nr.Network("lif", seed=1)
    inp = net.population("inp", nr.Poisson(rate=100.0), size=10)
    exc = net.population("exc", nr.LIF(tau_m=20e-3, v_threshold=1.0, t_ref=4e-3), size=6)
    out = net.population("out", nr.LIF(tau_m=10e-3, v_threshold=1e9), size=3)
    net.connect(inp, exc, weights=np.full((10, 6), 0.3), delay=3e-3, name="ff")
    net.connect(exc, out, weights=nr.fixed_probability(0.5, weight=0.1), name="ro")
    net.connect(exc, exc, weights=nr.fixed_probability(0.5, weight=-0.1), delay=2e-3, name="rec")
    net.record(exc)
    return lower(net, 1e-3)


def plastic():
    """Pair STDP, whose traces belong to units, and the sleep rule, which asks who has arrived."""
    net = nr.Network("plastic", seed=1)
    inp = net.population("inp", nr.Poisson(rate=100.0), size=10)
    exc = net.population("exc", nr.LIF(tau_m=20e-3, v_threshold=1.0), size=6)
    weights = np.full((10, 6), 0.25)
    net.connect(inp, exc, weights=weights, delay=2e-3, plasticity=nr.PairSTDP(w_max=1.0), name="a")
    net.connect(inp, exc, weights=weights, plasticity=nr.SleepReplay(0.01, 0.005), name="b")
    net.record("a", "w")
    return lower(net, 1e-3)


PROGRAMS = {"lif": lif, "plastic": plastic}


@pytest.fixture(scope="module")
def projects(tmp_path_factory):
    """Folder of each network's CUDA project."""
    made = {}
    for name, make in PROGRAMS.items():
        made[name] = tmp_path_factory.mktemp(name)
        engine = BACKEND.compile(make(), target="cuda", compute_capability=9.0)
        engine.write_sources(made[name])
    return made


def what_runs(folder) -> list[str]:
    """The functions that the network runs in a step, each with the arrays that it writes."""
    main = (folder / "main.cu").read_text()
    found = []
    for name in re.findall(r"neuro_network\.add\(&neuro_clock\w*, _run_(\w+)\);", main):
        if name == "random_number_buffer" or "push_spikes" in name:
            continue  # they do nothing: our numbers are data, and there are no queues
        code = kernel(folder, name)
        written = re.findall(r"_ptr_array_(\w+?)_a\d+\[[^]]*\] = ", code)
        spikes = "spikes of " if "_events" in code else ""
        arrives = re.search(r"const int _age = (\d+);", code)
        late = f", {arrives[1]} late" if arrives and arrives[1] != "0" else ""
        what = " ".join(dict.fromkeys(written)) or re.sub(r"_codeobject.*", "", name)
        found.append(f"{spikes}{what}{late}")
    return found


def kernel(folder, name: str) -> str:
    return (folder / "code_objects" / f"{name}.cu").read_text()


def test_what_runs_in_a_step_of_lif_units(projects):
    assert what_runs(projects["lif"]) == [
        "pop1_exc_input",
        "pop2_out_input",
        "pop1_exc_input, 3 late",
        "pop2_out_input, 1 late",
        "pop1_exc_input, 2 late",
        "pop1_exc_refractory pop1_exc_v",
        "pop2_out_v",
        "pop0_inp",
        "pop1_exc_spike_thresholder",
        "pop2_out_spike_thresholder",
        "spikes of pop1_exc_spike_resetter",  # Brian2's own, which are empty
        "spikes of pop2_out_spike_resetter",
        "spikes of pop1_exc_refractory pop1_exc_v",
        "spikes of pop2_out_v",
        "spikes of spikes0",
    ]


def test_what_runs_in_a_step_with_rules(projects):
    assert what_runs(projects["plastic"]) == [
        "pop1_exc_input",
        "pop1_exc_input, 2 late",
        "pop1_exc_input, 1 late",
        "pop1_exc_v",
        "pop0_inp",
        "pop1_exc_spike_thresholder",
        "spikes of pop1_exc_spike_resetter",
        "spikes of pop1_exc_v",
        # pair STDP: traces decay; arrivals, first the trace, then synapses; the same for spikes
        "pop0_inp_x",
        "pop1_exc_y",
        "relay_con0_a_8_mark, 2 late",  # who has arrived
        "pop0_inp_x",
        "con0_a_w, 2 late",
        "spikes of pop1_exc_y",
        "con0_a_w",
        # the sleep rule: who has arrived, cleared and set; spikes
        "pop0_inp_pre_spike",
        "pop0_inp_pre_spike, 1 late",
        "con1_b_w",
        "trace0",
    ]


def test_spikes_are_kept_as_long_as_a_delay_looks_back(projects):
    main = (projects["lif"] / "main.cu").read_text()
    counts = dict(re.findall(r"const int places_(\w+?) = 1 \+ std::max\(\{(.*?)\}\);", main))
    assert {k: max(map(int, v.split(","))) for k, v in counts.items()} == {
        "pop0_inp": 3,
        "pop1_exc": 2,
    }


def test_sources_and_thresholds_sort_their_spikes(projects):
    main = (projects["lif"] / "main.cu").read_text()
    sorted_ones = re.findall(r"neuro::after\(neuro_network, _run_(\w+?)_codeobject", main)
    thresholds = ["pop1_exc_spike_thresholder", "pop2_out_spike_thresholder"]
    assert sorted_ones == ["pop0_inp", *thresholds]


def test_synapses_add_without_atomics(projects):
    for folder in projects.values():
        for path in folder.glob("code_objects/con*.cu"):
            assert "atomic" not in path.read_text(), path


def test_constants_have_all_digits(projects):
    for folder in projects.values():
        texts = [path.read_text() for path in folder.glob("code_objects/routine*.cu")]
        assert any(repr(float(np.exp(-1 / 20))) in text for text in texts)
    assert len(repr(float(np.exp(-1 / 20)))) > 16


def test_flags_keep_every_rounding(projects):
    for folder in projects.values():
        flags = (folder / "makefile").read_text()
        assert "--fmad=false" in flags
        assert "-arch=sm_90" in flags
        assert "fast" not in flags


@pytest.mark.build
@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_small_program_gives_the_bits_of_the_reference(cache, name):
    made = PROGRAMS[name]()
    ours = BACKEND.compile(made, target="cuda", cache_dir=cache)
    reference = REFERENCE.compile(made)
    for steps in (200, 7, 40):  # pieces end with spikes under way
        found, expected = ours.run(steps, Silent()), reference.run(steps, Silent())
        for population, events in expected.spikes.items():
            for one, other in zip(found.spikes[population], events, strict=True):
                assert np.array_equal(one, other), population
        for array, value in reference.state().arrays.items():
            assert np.array_equal(ours.read(array), value), array
    assert all(len(steps) > 5 for steps, _ in expected.spikes.values())
    assert any(np.ptp(trace) > 0 for trace in expected.traces.values()) == (name == "plastic")


def test_the_program_of_the_target_cpp_can_be_written_too(tiny, tmp_path):
    BACKEND.compile(tiny(), target="cpp").write_sources(tmp_path / "new")
    assert "neuro_network.run" in (tmp_path / "new" / "main.cpp").read_text()


@pytest.fixture
def compiler():
    try:
        return nvcc.nvcc()
    except BackendError:
        pytest.skip("there is no nvcc")


@pytest.mark.build
@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_nvcc_compiles_the_project(projects, compiler, name, tmp_path):
    folder = shutil.copytree(projects[name], tmp_path / name)
    assert compile_project(folder, 9.0, link=False).stat().st_size > 10_000


@pytest.mark.build
@pytest.mark.slow
def test_nvcc_fuses_nothing(projects, compiler, tmp_path):
    """In its intermediate code each operation is its own and rounds to nearest."""
    folder = shutil.copytree(projects["plastic"], tmp_path / "plastic")
    made = {}
    for flags in (nvcc.COMPILE_FLAGS, [f for f in nvcc.COMPILE_FLAGS if "fmad" not in f]):
        target = ["-I.", "-rdc=true", "-ptx", nvcc.SOURCE, "-o", "program.ptx"]
        with Calls(folder, "nvcc", "") as calls:
            calls.run([compiler, nvcc.architecture(9.0), *flags, *target])
        text = (folder / "program.ptx").read_text()
        made["fma" in text] = set(re.findall(r"(?:add|mul|div)\.\w+\.f64", text))
    assert made[False] == {"add.rn.f64", "mul.rn.f64", "div.rn.f64"}
    assert True in made  # without the flag it does fuse


def test_without_a_gpu_a_run_says_what_is_missing(tiny, monkeypatch):
    monkeypatch.setattr(targets, "gpu_capability", lambda: None)
    engine = BACKEND.compile(tiny(), target="cuda")
    wanted = r"target='cuda' generates code here \(sim.engine.write_sources\(folder\)\).*no GPU was"
    with pytest.raises(BackendError, match=wanted):
        engine.run(1, Silent())


def test_without_nvcc_a_run_says_what_is_missing(tiny, monkeypatch, tmp_path):
    monkeypatch.setattr(targets, "gpu_capability", lambda: 9.0)
    monkeypatch.setattr(nvcc.os, "access", lambda *_: False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CUDACXX", raising=False)
    engine = BACKEND.compile(tiny(), target="cuda", cache_dir=tmp_path)
    with pytest.raises(BackendError, match=r"needs an NVIDIA GPU and nvcc; nvcc was not found"):
        engine.run(1, Silent())
    monkeypatch.setenv("CUDACXX", "nvcc-of-nobody")
    with pytest.raises(BackendError, match=r"\$CUDACXX is 'nvcc-of-nobody', which was not found"):
        engine.run(1, Silent())


def test_without_brian2cuda_compiling_says_how_to_get_it(tiny, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n, *a: None if n == "brian2cuda" else found(n, *a)
    )
    with pytest.raises(BackendError, match=r"pip install 'neuro\[cuda\]'"):
        BACKEND.compile(tiny(), target="cuda")


@pytest.mark.parametrize("value", ["9.0", True, 0.9, 900])
def test_compute_capabilities_that_make_no_sense(tiny, value):
    with pytest.raises(CompileError, match="compute_capability=.* must be a number such as 9.0"):
        BACKEND.compile(tiny(), target="cuda", compute_capability=value)
    with pytest.raises(CompileError, match="goes with target='cuda'"):
        BACKEND.compile(tiny(), target="cpp", compute_capability=9.0)


def test_what_the_user_has_set_up_stays(tiny, tmp_path):
    import brian2
    from brian2cuda import device
    from brian2cuda.utils import gputools

    before = dict(gputools._cuda_installation), dict(gputools._gpu_selection)
    literals, atomics = (
        device.replace_floating_point_literals,
        "devices.cuda_standalone.use_atomics",
    )
    BACKEND.compile(tiny(), target="cuda").write_sources(tmp_path)
    assert (gputools._cuda_installation, gputools._gpu_selection) == before
    assert device.replace_floating_point_literals is literals
    assert brian2.prefs[atomics] is True
