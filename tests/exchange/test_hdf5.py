"""What is saved comes back equal and runs to the same spikes; damaged files are refused."""

import h5py
import numpy as np
import pytest
import scipy.sparse

import neuro as nr


def everything():
    rng = np.random.default_rng(2)
    net = nr.Network("all", seed=9)
    net.population("poisson", nr.Poisson([10.0, 200.0, 300.0]), 3)
    net.population("window", nr.WindowedPoisson(np.full(9, 300.0), (3, 3), 2, stop=0.2), 9)
    net.population("images", nr.PoissonImages(np.eye(4), 200.0, 0.02, gap=0.01), 4)
    net.population("steps", nr.SpikeTimes([3, 1], [0, 1]), 2)
    net.population("seconds", nr.SpikeTimes([3e-3, 1e-3], [0, 1]), 2)
    net.population("lif", nr.LIF(tau_m=[0.01, 0.02, 0.03, 0.04], t_ref=2e-3), 4)
    own = nr.NeuronModel(
        "dv/dt = (g - v) / tau : volt\ndg/dt = -g / tau_s : volt",
        parameters={
            "tau": (20e-3, "second"),
            "tau_s": (5e-3, "second"),
            "slew": (1.0, "volt/second"),
        },
        inputs={"a": "volt", "b": "volt"},
        before="g += a",
        after="v += b",
        threshold="v > 0.1",
        reset="v = 0",
        initial={"v": 0.05},
        name="own",
    )
    net.population("own", own, 4)
    rule = nr.PlasticityRule("x += 1", "w += 0.1 * x * k", pre_traces="dx/dt = -x / q : 1",
                             parameters={"k": 0.5, "q": (0.01, "second")}, w_max=2.0)  # fmt: skip
    net.connect("poisson", "lif", nr.dense(nr.Uniform(0.1, 0.5)), plasticity=nr.PairSTDP())
    net.connect("window", "lif", nr.fixed_probability(0.5, nr.Normal(0.2, 0.1)), delay=3e-3)
    net.connect("images", "own", nr.one_to_one([0.1, 0.2, 0.3, 0.4]), port="a", plasticity=rule)
    ff = net.connect("lif", "own", rng.normal(0.1, 0.1, (4, 4)), port="b", gain=0.5,
                     plasticity=nr.SleepReplay(0.01, 0.001))  # fmt: skip
    net.connect("own", "lif", nr.transpose_of(ff))
    sparse = scipy.sparse.random_array((4, 4), density=0.5, rng=rng)
    net.connect("lif", "lif", sparse)
    net.connect("steps", "lif", 0.3)
    net.connect("seconds", "own", 0.3, port="a")
    net.record("lif")
    net.record("own")
    net.record("own", "v", units=[2, 0])
    return net


def spikes(net):
    with nr.compile(net) as sim:
        rec = sim.run(0.3, progress=False)
        trace, weights = rec.trace("own", "v"), sim.weights("lif_own")
        return [*rec.spikes("lif"), *rec.spikes("own"), trace, weights]


def test_network_comes_back_equal_and_runs_equal(tmp_path):
    net = everything()
    nr.save(net, tmp_path / "net.h5")
    again = nr.load(tmp_path / "net.h5")
    assert again == net
    assert type(again.populations["lif"].model) is nr.LIF
    one, two = spikes(net), spikes(again)
    assert len(one[0]) > 20
    assert len(one[2]) > 20
    for a, b in zip(one, two, strict=True):
        assert np.array_equal(a, b)
    again.drive("poisson", nr.Poisson(1.0))
    assert again != net


def test_checkpoint_continues_bit_for_bit(tmp_path):
    net = everything()
    with nr.compile(net) as sim:
        sim.run(0.1, progress=False)
        nr.save(sim.state(), tmp_path / "state.h5")
        expected = sim.run(0.1, progress=False)
    with nr.compile(net) as sim:
        sim.restore(nr.load(tmp_path / "state.h5"))
        found = sim.run(0.1, progress=False)
    assert len(expected.spikes("own")[0])
    for a, b in zip(expected.spikes("own"), found.spikes("own"), strict=True):
        assert np.array_equal(a, b)
    assert np.array_equal(expected.trace("own", "v"), found.trace("own", "v"))


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "net.h5"
    nr.save(everything(), path)
    before = path.read_bytes()

    class Mine(nr.NeuronModel):
        pass

    net = nr.Network()
    net.population("a", Mine("dv/dt = 1 : volt"), 1)
    with pytest.raises(nr.DescriptionError, match="Mine is not a class that files know"):
        nr.save(net, path)
    monkeypatch.setattr(h5py.Group, "__setitem__", lambda *a: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        nr.save(everything(), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["net.h5"]


def test_files_that_are_refused(tmp_path):
    path = tmp_path / "net.h5"
    with pytest.raises(nr.DescriptionError, match="does not exist"):
        nr.load(path)
    path.write_bytes(b"something else")
    with pytest.raises(nr.DescriptionError, match="damaged"):
        nr.load(path)
    with h5py.File(path, "w") as file:
        file["x"] = 1
    with pytest.raises(nr.DescriptionError, match="not a file of neuro"):
        nr.load(path)
    nr.save(everything(), path)
    with h5py.File(path, "a") as file:
        file.attrs["version"] = 2
    with pytest.raises(nr.DescriptionError, match="version 2.*update neuro"):
        nr.load(path)
    with h5py.File(path, "a") as file:
        file.attrs["version"] = 1
        text = file["structure"][()].decode()
        del file["structure"]
        file["structure"] = text.replace('"class": "LIF"', '"class": "Popen"')
    with pytest.raises(nr.DescriptionError, match="damaged.*Popen"):
        nr.load(path)
    with pytest.raises(nr.DescriptionError, match="neither"):
        nr.save({"a": 1}, path)
