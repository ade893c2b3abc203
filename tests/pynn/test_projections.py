"""Connectors, and reading and writing what they made."""

import numpy as np
import pytest
from pyNN.random import NumpyRNG, RandomDistribution

import neuro as nr


@pytest.fixture
def cells(sim):
    sim.setup(timestep=0.1)
    return sim.Population(9, sim.IF_curr_exp(), label="cells")


def synapse(sim, rng=None):
    delays = RandomDistribution("uniform", (0.5, 2.0), rng=rng or NumpyRNG(seed=3))
    return sim.StaticSynapse(weight=0.01, delay=delays)


def compiled(sim, projection):
    """Synapses as the compiled network has them: (pre, post, weight, delay in ms)."""
    sim.run(0.1)
    found = []
    for part in projection.parts:
        table = sim.state.runner._sim.synapses(part.name)
        found += zip(
            [int(part.pre.first_id) + int(i) for i in table.pre],
            [int(part.post.first_id) + int(i) for i in table.post],
            table.weight.round(12).tolist(),
            (table.delay * 1e3).round(6).tolist(),
            strict=True,
        )
    return sorted(found)


def described(projection):
    pre, post = projection.pre.all_cells, projection.post.all_cells
    listed = projection.get(["weight", "delay"], format="list")
    return sorted((int(pre[i]), int(post[j]), round(w, 12), round(d, 6)) for i, j, w, d in listed)


@pytest.mark.parametrize(
    ("name", "arguments", "count"),
    [
        ("AllToAllConnector", {"allow_self_connections": False}, 72),
        ("OneToOneConnector", {}, 9),
        ("FixedProbabilityConnector", {"p_connect": 0.4}, None),
        ("DistanceDependentProbabilityConnector", {"d_expression": "exp(-d)"}, None),
        ("IndexBasedProbabilityConnector", {"index_expression": None}, None),
        ("DisplacementDependentProbabilityConnector", {"disp_function": None}, None),
        ("FixedNumberPreConnector", {"n": 3}, 27),
        ("FixedNumberPostConnector", {"n": 3}, 27),
        ("FixedNumberPreConnector", {"n": 12, "with_replacement": True}, 108),
        ("FixedTotalNumberConnector", {"n": 20}, 20),
        ("ArrayConnector", {"array": np.eye(9, dtype=bool)}, 9),
    ],
)
def test_connectors(sim, cells, name, arguments, count):
    arguments = dict(arguments)
    if "index_expression" in arguments:
        from pyNN.core import IndexBasedExpression

        class Near(IndexBasedExpression):
            def __call__(self, i, j):
                return 1.0 * (abs(i - j) <= 1)

        arguments["index_expression"], count = Near(), 25
    if "disp_function" in arguments:
        arguments["disp_function"], count = (lambda d: 1.0 * (d[0] == 1.0)), 8
    if "Number" in name or "Probab" in name:
        arguments["rng"] = NumpyRNG(seed=7)
    connector = getattr(sim, name)(**arguments)
    projection = sim.Projection(cells, cells, connector, synapse(sim))
    assert len(projection) == projection.size() == count or count is None
    assert len(projection)
    assert compiled(sim, projection) == described(projection)


def test_lists_files_clones_and_several_synapses_of_a_pair(sim, cells, tmp_path):
    entries = [(0, 1, 0.02, 0.5), (2, 3, 0.03, 1.0), (0, 1, 0.04, 1.54)]
    projection = sim.Projection(cells, cells, sim.FromListConnector(entries), synapse(sim))
    assert described(projection) == [(0, 1, 0.02, 0.5), (0, 1, 0.04, 1.5), (2, 3, 0.03, 1.0)]
    for how, expected in (
        ("sum", 0.06),
        ("min", 0.02),
        ("max", 0.04),
        ("first", 0.02),
        ("last", 0.04),
    ):
        array = projection.get("weight", format="array", multiple_synapses=how)
        assert array.shape == (9, 9)
        assert np.isnan(array).sum() == 79
        assert array[0, 1] == pytest.approx(expected), how
    path = tmp_path / "connections.txt"
    projection.save("all", str(path))
    again = sim.Projection(cells, cells, sim.FromFileConnector(str(path)), synapse(sim))
    assert described(again) == described(projection)
    clone = sim.Projection(cells, cells, sim.CloneConnector(again), sim.StaticSynapse(weight=1.0))
    assert sorted(clone.get("weight", "list")) == [(0, 1, 1.0), (2, 3, 1.0)]  # a map of pairs
    assert compiled(sim, projection) == described(projection)


def test_one_presynaptic_cell(sim, cells):
    """PyNN 0.13 itself fails here with NumPy 2.1 and later."""
    one = sim.Population(1, sim.SpikeSourceArray(spike_times=[1.0]))
    connector = sim.FixedProbabilityConnector(0.5, rng=NumpyRNG(seed=2))
    projection = sim.Projection(one, cells, connector, synapse(sim))
    assert 0 < len(projection) < 9
    assert len(sim.Projection(one, cells[3:4], sim.OneToOneConnector(), synapse(sim))) == 1


def test_views_and_assemblies(sim, cells):
    others = sim.Population(4, sim.IF_curr_exp(), label="others")
    view = sim.Projection(cells[2:5], others[[1, 3]], sim.AllToAllConnector(), synapse(sim))
    assert {(i, j) for i, j, _ in view.get("weight", "list")} == {
        (i, j) for i in range(3) for j in range(2)
    }
    assert {row[:2] for row in compiled(sim, view)} == {(i, j) for i in (2, 3, 4) for j in (10, 12)}
    every = cells[0:3] + others
    both = sim.Projection(
        every,
        every,
        sim.FixedProbabilityConnector(0.6, rng=NumpyRNG(seed=4)),
        synapse(sim),
    )
    assert len(both.parts) == 4
    assert compiled(sim, both) == described(both)


def test_writing_before_and_while_running(sim, cells):
    projection = sim.Projection(cells, cells, sim.OneToOneConnector(), synapse(sim))
    projection.set(weight=0.5)
    assert projection.get("weight", "list", with_address=False) == [0.5] * 9
    sim.run(1.0)
    projection.set(weight=np.arange(9.0))
    assert [row[2] for row in compiled(sim, projection)] == list(range(9))
    projection[3].weight = 7.5
    assert [row[2] for row in compiled(sim, projection)][3] == 7.5
    projection.set(delay=2.34)
    assert projection.get("delay", "list", with_address=False) == [2.3] * 9
    assert compiled(sim, projection) == described(projection)
    connection = next(iter(projection))
    assert connection.as_tuple("weight", "delay") == (0.0, 2.3)
    assert (connection.presynaptic_index, connection.postsynaptic_index) == (0, 0)
    with pytest.raises(nr.DescriptionError, match="NaN"):
        projection.set(weight=np.full((9, 9), np.nan))


def test_delays_are_rounded_and_bounded(sim):
    sim.setup(timestep=0.1, min_delay=0.3, max_delay=2.0)
    cells = sim.Population(2, sim.IF_curr_exp())
    assert (sim.get_min_delay(), sim.get_max_delay()) == (0.3, 2.0)
    shortest = sim.Projection(cells, cells, sim.AllToAllConnector(), sim.StaticSynapse(weight=1.0))
    assert set(shortest.get("delay", "list", with_address=False)) == {0.3}
    for delay in (0.2, 2.1):
        with pytest.raises(nr.DescriptionError, match="between 0.3 ms and 2 ms"):
            sim.Projection(cells, cells, sim.AllToAllConnector(), sim.StaticSynapse(delay=delay))
    sim.setup(timestep=0.1)
    cells = sim.Population(2, sim.IF_curr_exp())
    with pytest.raises(nr.DescriptionError, match="one time step"):
        sim.Projection(cells, cells, sim.AllToAllConnector(), sim.StaticSynapse(delay=0.01))
    sim.Projection(cells, cells, sim.AllToAllConnector(), sim.StaticSynapse(delay=0.44))
    sim.Projection(cells, cells, sim.AllToAllConnector(), sim.StaticSynapse(delay=3.0))
    assert (sim.get_min_delay(), sim.get_max_delay()) == (0.4, 3.0)


def test_refused(sim, cells):
    from pyNN import errors, standardmodels

    gap = standardmodels.synapses.ElectricalSynapse(weight=1.0)
    with pytest.raises(nr.DescriptionError, match="ElectricalSynapse is none of neuro.pynn"):
        sim.Projection(cells, cells, sim.AllToAllConnector(), gap)
    with pytest.raises(nr.DescriptionError, match="one source of spikes"):
        sim.Projection(cells, cells, sim.AllToAllConnector(), synapse(sim), source="axon")
    with pytest.raises(errors.ConnectionError, match="positive"):
        sim.Projection(
            cells,
            cells,
            sim.AllToAllConnector(),
            sim.StaticSynapse(weight=-1.0),
            receptor_type="excitatory",
        )
    projection = sim.Projection(cells, cells, sim.OneToOneConnector(), synapse(sim))
    with pytest.raises(nr.DescriptionError, match="'u' cannot be set"):
        projection.initialize(u=0.3)
    with pytest.raises(IndexError, match="no 9"):
        projection[9]
    stale = cells
    sim.setup()
    with pytest.raises(nr.DescriptionError, match="made before setup"):
        sim.Projection(stale, stale, sim.OneToOneConnector(), synapse(sim))
