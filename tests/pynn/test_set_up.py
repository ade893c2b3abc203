"""Finding the module, setting it up, and the procedural interface."""

import subprocess
import sys

import numpy as np
import pytest

import neuro as nr

SCRIPT = """
from pyNN.utility import get_simulator
sim, options = get_simulator(("--rate", "of the input", {"default": "1"}))
node = sim.setup(timestep=0.1, threads=2, spike_precision="on_grid")
cells = sim.Population(2, sim.IF_curr_exp(i_offset=float(options.rate)))
cells.record("spikes")
sim.run(40.0)
print(sim.__name__, node, sim.rank(), sim.num_processes(), cells.mean_spike_count(), __file__)
sim.end()
"""


def test_a_script_that_chooses_its_simulator(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, "-m", "neuro.pynn", str(script), "neuro", "--rate", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["neuro.pynn", "0", "0", "1", "4.0", str(script)]
    found = subprocess.run(
        [sys.executable, "-c", "import neuro.pynn, pyNN.neuro as sim; print(sim is neuro.pynn)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "True"


def test_without_pynn_it_says_how_to_get_it():
    """And neuro itself does without."""
    code = (
        "import sys; sys.modules['pyNN'] = None; import neuro\n"
        "try:\n    import neuro.pynn\nexcept ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'neuro[pynn]'" in done.stdout


def test_setup_refuses_what_it_does_not_know(sim):
    for arguments, message in (
        ({"target": "cpp"}, r"options=\{'target': 'cpp'\}"),
        ({"timestep": 0.0}, "timestep of setup"),
        ({"min_delay": "short"}, "give ms, or 'auto'"),
        ({"integrator": "rk4"}, "choose 'auto' or 'Euler'"),
        ({"options": {"precision": "loihi"}}, "whole numbers"),
        ({"options": {"batch": 3}}, "one run at a time"),
    ):
        with pytest.raises((nr.DescriptionError, TypeError), match=message):
            sim.setup(**arguments)
    with pytest.raises(nr.BackendError, match="nest"):
        sim.setup(backend="nest")


def test_precision_is_an_option(sim):
    sim.setup(options={"precision": "float32"})
    cells = sim.Population(1, sim.IF_curr_exp(i_offset=1.0))
    cells.record("spikes")
    sim.run(40.0)
    assert cells.mean_spike_count() == 1.0


def test_what_neuro_has_no_form_for(sim):
    for name in ("GIF_cond_exp", "SpikeSourceGamma", "PointNeuron", "MultiQuantalSynapse"):
        with pytest.raises(nr.DescriptionError, match=f"{name} is not available"):
            getattr(sim, name)()
    from pyNN import errors
    from pyNN.standardmodels import cells

    with pytest.raises(nr.DescriptionError, match="is no cell type of neuro.pynn"):
        sim.Population(1, cells.IF_curr_exp())
    with pytest.raises(errors.InvalidParameterValueError, match="ascending order"):
        sim.Population(1, sim.SpikeSourceArray(spike_times=[3.0, 1.0]))
    source = sim.Population(2, sim.SpikeSourceArray(spike_times=[1.0, 3.0]))
    with pytest.raises(nr.DescriptionError, match="ascending order"):
        source[0].spike_times = [3.0, 1.0]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_procedural_interface(sim, tmp_path):
    sim.setup(timestep=0.1)
    source = sim.create(sim.SpikeSourceArray, {"spike_times": [1.0, 2.0]})
    cells = sim.create(sim.IF_cond_exp, {}, n=3)
    projection = sim.connect(source, cells, weight=0.5, delay=1.0)
    sim.connect(source[0], cells[1], weight=0.1)
    sim.set(cells, tau_refrac=2.0)
    sim.initialize(cells, v=-60.0)
    sim.record("spikes", cells, str(tmp_path / "spikes.pkl"))
    sim.record_v(cells[0:1], str(tmp_path / "v.pkl"))
    sim.record_gsyn(cells, str(tmp_path / "gsyn.pkl"))
    sim.run(10.0)
    data = cells.get_data().segments[0]
    assert {s.name: s.shape[1] for s in data.analogsignals} == {
        "v": 1,
        "gsyn_exc": 3,
        "gsyn_inh": 3,
    }
    assert projection.size() == 3
    assert all(len(train) for train in data.spiketrains)
    assert np.all(cells.get("tau_refrac") == 2.0)
    sim.end()
    assert {p.name for p in tmp_path.iterdir()} == {"spikes.pkl", "v.pkl", "gsyn.pkl"}
