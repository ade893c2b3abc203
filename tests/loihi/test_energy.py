"""Events are counted as they happen, and cost what table 2 of Davies et al. 2018 says."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from neuro.connectivity import Dense, Sparse
from neuro.loihi.activity import Activity, assumed, measured
from neuro.loihi.energy import ENERGY, TIME, Load, estimate, load, tile
from neuro.loihi.placement import Core, Placement, Units, Wiring, place
from neuro.loihi.target import LOIHI_1

RNG = np.random.default_rng(0)


def sparse(matrix: np.ndarray) -> Sparse:
    starts = np.concatenate([[0], np.cumsum(matrix.sum(axis=1))])
    return Sparse(*matrix.shape, starts, np.nonzero(matrix)[1])


def cores(layer: str, bounds: list[int], first: int = 0) -> list[Core]:
    """Cores by hand, with unlimited room."""
    return [
        Core(layer, a, b, *divmod(first + i, 128), {})
        for i, (a, b) in enumerate(pairwise(bounds))
    ]


def test_the_figures_are_those_of_the_table() -> None:
    assert [f.value * 1e12 for f in ENERGY.values()] == pytest.approx(
        [23.6, 81, 52, 120, 1.7, 3.0, 4.0]
    )
    assert [f.value * 1e9 for f in TIME.values()] == pytest.approx([3.5, 8.4, 5.3, 6.1])
    assert all("Davies" in f.source for f in [*ENERGY.values(), *TIME.values()])


def test_busy_steps_by_hand() -> None:
    # 0 -> {0, 2}, 1 -> {1}; delays 1 and 2 of the synapses of 0, 3 of the synapse of 1.
    w = Wiring("w", "in", "out", sparse(np.array([[1, 0, 1], [0, 1, 0]], bool)))
    spikes = {
        "in": (np.array([0, 1, 8]), np.array([0, 1, 0])),
        "out": (np.array([5]), np.array([2])),
    }
    found = measured({"in": 2, "out": 3}, [w], {"w": np.array([1, 2, 3])}, spikes, 10, "test")
    # Unit 0: steps 1 and 9; unit 1: step 4; unit 2: step 2, its own spike in step 5, and one
    # arrival in step 10, after the end.
    assert found.busy["out"].tolist() == [2, 1, 2]
    assert found.spikes["in"].tolist() == [2, 1] and found.spikes["out"].tolist() == [0, 0, 1]


@pytest.mark.parametrize("one_delay", [True, False])
def test_busy_steps_against_a_loop(one_delay: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neuro.loihi.activity._PIECE", 50)
    matrix = RNG.random((20, 15)) < 0.3
    synapses = sparse(matrix)
    delays = np.array(4) if one_delay else RNG.integers(1, 9, synapses.count)
    raster = {"in": RNG.random((40, 20)) < 0.1, "out": RNG.random((40, 15)) < 0.05}
    spikes = {name: np.nonzero(r) for name, r in raster.items()}
    found = measured(
        {"in": 20, "out": 15}, [Wiring("w", "in", "out", synapses)], {"w": delays}, spikes, 40, ""
    )
    every = np.broadcast_to(delays, synapses.count)
    busy = raster["out"].copy()
    for step, unit in zip(*spikes["in"], strict=True):
        for s in range(synapses.row_start[unit], synapses.row_start[unit + 1]):
            if step + every[s] < 40:
                busy[step + every[s], synapses.targets[s]] = True
    assert found.busy["out"].tolist() == busy.sum(axis=0).tolist()


def test_dense_and_sparse_wiring_count_alike() -> None:
    both = []
    for synapses in (Dense(6, 5), sparse(np.ones((6, 5), bool))):
        wiring = [Wiring("w", "in", "out", synapses), Wiring("loop", "out", "out", Dense(5, 5))]
        spikes = {n: np.nonzero(np.random.default_rng(3).random((30, k)) < 0.1)
                  for n, k in (("in", 6), ("out", 5))}  # fmt: skip
        delays = {"w": np.array(2), "loop": np.array(1)}
        activity = measured({"in": 6, "out": 5}, wiring, delays, spikes, 30, "")
        placed = Placement(LOIHI_1, tuple(cores("out", [0, 2, 5])))
        both.append(load(placed, wiring, activity, ["w"]))
    dense, spread = both
    assert dense.totals == spread.totals and dense.totals["synaptic operations"] > 0
    assert all(np.array_equal(dense.cores[n], spread.cores[n]) for n in dense.cores)


def test_events_on_every_core_by_hand() -> None:
    # in 0 -> out 0, 1, 3; in 1 -> out 3. Cores hold out 0..1 and 2..3.
    w = Wiring("w", "in", "out", sparse(np.array([[1, 1, 0, 1], [0, 0, 0, 1]], bool)))
    activity = Activity(
        10, {"in": np.array([2.0, 5.0]), "out": np.array([1.0, 0, 0, 3])},
        {"out": np.array([2.0, 2, 0, 7])}, "",
    )  # fmt: skip
    found = load(Placement(LOIHI_1, tuple(cores("out", [0, 2, 4]))), [w], activity, ["w"])
    assert found.cores["synaptic operations"].tolist() == [4, 7]
    assert found.cores["active updates"].tolist() == [4, 7]
    assert found.cores["idle updates"].tolist() == [16, 13]
    # Post spikes visit their synapses: out 0 has one, out 3 two.
    assert found.cores["learning updates"].tolist() == [4 + 1, 7 + 6]
    # in 0 sends to both cores, in 1 to the second; no way is known from outside.
    assert found.mesh == {"messages": 9.0, "east-west hops": 0.0, "north-south hops": 0.0}
    assert load(Placement(LOIHI_1, tuple(cores("out", [0, 2, 4]))), [w], activity).totals[
        "learning updates"
    ] == 0


def test_hops_are_steps_between_tiles() -> None:
    assert [tile(Core("", 0, 1, 0, i, {})) for i in (0, 3, 4, 31, 32, 127)] == [
        (0, 0), (0, 0), (1, 0), (7, 0), (0, 1), (7, 3),
    ]  # fmt: skip
    assert tile(Core("", 0, 1, 2, 0, {})) == (16, 0)
    # a on core 0, b on cores 1 (same tile), 4 (next tile) and 41 (tile (2, 1)).
    a, b = cores("a", [0, 2]), cores("b", [0, 1], 1) + cores("b", [1, 2], 4)
    b = [b[0], Core("b", 1, 2, 0, 4, {}), Core("b", 2, 3, 0, 41, {})]
    w = Wiring("w", "a", "b", sparse(np.array([[1, 1, 1], [0, 0, 1]], bool)))
    activity = Activity(
        10, {"a": np.array([3.0, 5.0]), "b": np.zeros(3)}, {"a": np.zeros(2), "b": np.zeros(3)}, ""
    )
    found = load(Placement(LOIHI_1, (*a, *b)), [w], activity)
    assert found.mesh == {
        "messages": 3.0 * 3 + 5, "east-west hops": 3 * 1 + 8 * 2, "north-south hops": 8.0,
    }  # fmt: skip


def test_energy_and_time_are_events_times_figures() -> None:
    placed = Placement(LOIHI_1, tuple(cores("out", [0, 2, 4])))
    events = {
        "synaptic operations": [100.0, 40], "active updates": [10.0, 5],
        "idle updates": [30.0, 15], "learning updates": [7.0, 0],
    }  # fmt: skip
    counted = Load(
        20, {n: np.array(v) for n, v in events.items()},
        {"messages": 50.0, "east-west hops": 6.0, "north-south hops": 2.0},
    )  # fmt: skip
    found = estimate(placed, counted, 1e-3)
    pico = 140 * 23.6 + 15 * 81 + 45 * 52 + 7 * 120 + 50 * 1.7 + 6 * 3 + 2 * 4
    assert found.energy == pytest.approx(pico * 1e-12)
    assert found.power == pytest.approx(pico * 1e-12 / 20e-3)
    first = (100 * 3.5 + 10 * 8.4 + 30 * 5.3 + 7 * 6.1) / 20
    assert found.step_seconds == pytest.approx((113 + first) * 1e-9)
    assert found.latency == pytest.approx(20 * (113 + first) * 1e-9)


def test_the_barrier_grows_with_the_tiles_in_use() -> None:
    quiet = Load(1, {n: np.zeros(128) for n in TIME}, {})
    for count, nanoseconds in ((1, 113), (4, 113), (5, 113 + 352 / 31), (128, 465), (130, 465)):
        placed = Placement(LOIHI_1, tuple(cores("out", list(range(count + 1)))))
        assert estimate(placed, quiet, 1e-3).step_seconds == pytest.approx(nanoseconds * 1e-9)


def test_assumed_rates_follow_the_closed_form() -> None:
    matrix = np.array([[1, 1, 0], [1, 0, 0]], bool)
    wiring = [Wiring("w", "in", "out", sparse(matrix)), Wiring("d", "in", "out", Dense(2, 3))]
    found = assumed({"in": 2, "out": 3}, wiring, 0.1, 50)
    assert found.spikes["in"].tolist() == [5, 5]
    assert found.busy["out"] == pytest.approx([50 * (1 - 0.9**k) for k in (5, 4, 3)])
    assert found.busy["in"] == pytest.approx(np.full(2, 5.0))


def test_assumed_rates_agree_with_random_spikes_at_that_rate() -> None:
    wiring = [Wiring("w", "in", "out", sparse(RNG.random((40, 30)) < 0.2))]
    sizes, steps = {"in": 40, "out": 30}, 4000
    spikes = {n: np.nonzero(RNG.random((steps, k)) < 0.02) for n, k in sizes.items()}
    seen = measured(sizes, wiring, {"w": np.array(1)}, spikes, steps, "")
    guess = assumed(sizes, wiring, 0.02, steps)
    placed = place({"out": Units(30)}, wiring, LOIHI_1)
    energies = [estimate(placed, load(placed, wiring, a), 1e-3).energy for a in (seen, guess)]
    assert energies[0] == pytest.approx(energies[1], rel=0.02)


def test_a_silent_network_only_pays_for_idle_neurons() -> None:
    wiring = [Wiring("w", "in", "out", Dense(4, 100))]
    placed = place({"out": Units(100)}, wiring, LOIHI_1)
    silence = assumed({"in": 4, "out": 100}, wiring, 0.0, 10)
    found = estimate(placed, load(placed, wiring, silence), 1e-3)
    assert found.energy == pytest.approx(100 * 10 * 52e-12)
    nothing = Placement(LOIHI_1, ())
    empty = load(nothing, [], assumed({}, [], 0.0, 10))
    assert estimate(nothing, empty, 1e-3).energy == 0
