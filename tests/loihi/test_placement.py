"""Populations are split so that every core holds its part, over as few cores as will do."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from neuro.connectivity import Dense, Sparse
from neuro.loihi.placement import Placement, Units, Wiring, axon_bits, index_bits, place, split
from neuro.loihi.target import LOIHI_1, LOIHI_2, RESOURCES, TARGETS, Limit, Target, target_named


def sparse(matrix: np.ndarray) -> Sparse:
    """Rows of a boolean matrix [pre, post]."""
    starts = np.concatenate([[0], np.cumsum(matrix.sum(axis=1))])
    return Sparse(*matrix.shape, starts, np.nonzero(matrix)[1])


def dense_layer(n_in: int, n_out: int, target: Target = LOIHI_1, delay_bits: int = 0) -> Placement:
    wiring = [Wiring("w", "in", "out", Dense(n_in, n_out), 8, delay_bits)]
    return place({"out": Units(n_out)}, wiring, target)


@pytest.mark.parametrize(
    ("n_in", "n_out", "plain", "delayed"),
    [
        (784, 400, 3, 5),
        (400, 400, 2, 3),
        (784, 1200, 9, 14),
        (1200, 1200, 13, 21),
        (1000, 1000, 9, 15),
        (4000, 4000, 134, 236),
    ],
)
def test_dense_layers_take_the_published_numbers_of_cores(
    n_in: int, n_out: int, plain: int, delayed: int
) -> None:
    assert len(dense_layer(n_in, n_out).cores) == plain
    assert len(dense_layer(n_in, n_out, delay_bits=6).cores) == delayed


def test_sparse_layer_takes_the_published_number_of_cores() -> None:
    matrix = np.random.default_rng(0).random((4000, 4000)) < 0.01
    wiring = [Wiring("w", "in", "out", sparse(matrix))]
    assert len(place({"out": Units(4000)}, wiring, LOIHI_1).cores) == 4


def test_a_chip_holds_so_many_cores_and_no_more() -> None:
    placed = dense_layer(4000, 4000)
    assert placed.chips == 2
    assert [(c.chip, c.index) for c in placed.cores[126:130]] == [
        (0, 126), (0, 127), (1, 0), (1, 1),
    ]  # fmt: skip
    one = replace(LOIHI_1, core={**LOIHI_1.core, "neurons": Limit(1, "", "")})
    assert dense_layer(1, 128, one).chips == 1
    assert dense_layer(1, 129, one).chips == 2
    assert place({}, [], LOIHI_1).chips == 0


def test_bits_of_an_axon_by_hand() -> None:
    # 8-bit weights. One: 8 + 10 -> 1 word. 6: 58 -> 1 word; 7: 66 -> 2 words. A block of 64:
    # 522 -> 9 words; 65 = a block and one more.
    assert axon_bits(np.array([0, 1, 6, 7, 64, 65, 128]), 8).tolist() == [
        0, 64, 64, 128, 576, 640, 1152,
    ]  # fmt: skip


def test_bits_of_an_index() -> None:
    assert [index_bits(n) for n in (1, 64, 65, 1024, 1025, 8192)] == [6, 6, 7, 10, 11, 13]


def test_seven_bit_weights_take_the_room_of_eight() -> None:
    wiring = [Wiring("w", "in", "out", Dense(1, 1), bits) for bits in range(1, 9)]
    assert [w.synapse_bits for w in wiring] == [1, 2, 3, 4, 5, 6, 8, 8]


def test_parts_are_even_and_contiguous() -> None:
    assert split(10, 3).tolist() == [0, 3, 6, 10]
    assert np.diff(split(1000, 7)).max() == 143


def test_use_of_a_core_counted_by_hand() -> None:
    # Unit 0 reaches all of out (a run), 1 reaches out 0 and 2 (indexed), 2 nothing.
    matrix = np.array([[1, 1, 1], [1, 0, 1], [0, 0, 0]], bool)
    wiring = [
        Wiring("w", "in", "out", sparse(matrix), 8),
        Wiring("loop", "out", "out", Dense(3, 3), 4, delay_bits=2),
        Wiring("on", "out", "next", Dense(3, 2), 8),
    ]
    layers = {"out": Units(3), "next": Units(2)}
    out, following = place(layers, wiring, LOIHI_1).cores
    # w: 3*8+10 -> 64, 2*(8+6)+10 -> 64; loop: 3 axons of 3*6+10 -> 64.
    assert {r: out.used[r] for r in RESOURCES} == {
        "neurons": 3, "synaptic memory": 5 * 64, "axons in": 2 + 3, "axons out": 3 + 3,
    }  # fmt: skip
    assert following.used["axons in"] == 3 and following.used["axons out"] == 0
    share = out.utilisation(LOIHI_1)
    assert share["neurons"] == pytest.approx(100 * 3 / 1024)
    assert share["axons in"] == pytest.approx(100 * 5 / 4096)
    assert share["synaptic memory"] == pytest.approx(100 * 320 / 2**20)


def test_the_layer_is_as_full_as_its_fullest_resource() -> None:
    placed = dense_layer(784, 400)
    cores = placed.layer("out")
    sizes = [c.stop - c.start for c in cores]
    assert sorted(sizes) == [133, 133, 134] and cores[-1].stop == 400
    # 134 weights: two blocks of 576 and one of 6*8+10 -> 64 bits, for each of 784 axons.
    assert placed.utilisation("out") == pytest.approx(100 * 784 * (2 * 576 + 64) / 2**20)


def test_neurons_of_loihi_2_share_the_memory_with_their_synapses() -> None:
    (core,) = place({"out": Units(10)}, [], LOIHI_2).cores
    assert core.used["synaptic memory"] == 10 * 24 * 8
    assert len(place({"out": Units(8192)}, [], LOIHI_2).cores) == 1
    assert len(place({"out": Units(8193)}, [], LOIHI_2).cores) == 2
    one_each = Wiring("w", "in", "out", sparse(np.eye(4096, dtype=bool)))
    # 4096 * (192 + 64) bits are two thirds of 192 KB.
    (core,) = place({"out": Units(4096)}, [one_each], LOIHI_2).cores
    assert core.utilisation(LOIHI_2)["synaptic memory"] == pytest.approx(200 / 3)


def test_a_multapse_is_no_run() -> None:
    twice = Sparse(1, 2, np.array([0, 2]), np.array([0, 0]))
    once = Sparse(1, 2, np.array([0, 2]), np.array([0, 1]))
    bits = [
        place({"out": Units(2)}, [Wiring("w", "in", "out", s, 6, 6, 9)], LOIHI_1).cores[0]
        for s in (twice, once)
    ]
    # 2 * (21 + 6) + 10 = 64: one word either way; with one more bit the index shows.
    assert [c.used["synaptic memory"] for c in bits] == [64, 64]
    bits = [
        place({"out": Units(2)}, [Wiring("w", "in", "out", s, 8, 6, 8)], LOIHI_1).cores[0]
        for s in (twice, once)
    ]
    assert [c.used["synaptic memory"] for c in bits] == [128, 64]


def test_fan_out_splits_the_source() -> None:
    # Every neuron reaches 134 cores, so a core has room for 4096 // 134 = 30 of them.
    wiring = [Wiring("w", "a", "b", Dense(4000, 4000))]
    placed = place({"a": Units(4000), "b": Units(4000)}, wiring, LOIHI_1)
    assert len(placed.layer("b")) == 134
    assert len(placed.layer("a")) == -(-4000 // 30)
    assert all(c.used["axons out"] <= 4096 for c in placed.cores)


def test_a_recurrent_layer_is_split_until_its_own_fan_out_fits() -> None:
    # k parts of ceil(n / k) units with k axons each: about n axons a core, whatever k is.
    wiring = [Wiring("w", "a", "a", Dense(3000, 3000), 1)]
    placed = place({"a": Units(3000)}, wiring, LOIHI_1)
    assert all(c.used["axons out"] <= 4096 for c in placed.cores)
    assert all(c.used["synaptic memory"] <= 2**20 for c in placed.cores)


def test_what_splitting_cannot_mend_is_placed_all_the_same() -> None:
    placed = dense_layer(5000, 300)  # 5000 axons into every core, however small
    assert all(c.used["axons in"] == 5000 for c in placed.cores)
    assert all(c.used["synaptic memory"] <= 2**20 for c in placed.cores)
    assert len(placed.cores) < 20


def test_different_settings_are_split_apart() -> None:
    profiles = {"threshold profiles": np.arange(40)}
    placed = place({"a": Units(40, profiles)}, [], LOIHI_1)
    assert [c.used["threshold profiles"] for c in placed.cores] == [13, 13, 14]
    assert len(place({"a": Units(40, profiles)}, [], LOIHI_2).cores) == 1


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("density", [1.0, 0.3, 0.02])
def test_every_neuron_once_within_all_limits_and_never_fewer_cores_for_more(
    target: Target, density: float
) -> None:
    rng = np.random.default_rng(1)
    whole = rng.random((300, 5000)) < density
    counts = []
    for size in (1, 7, 100, 1500, 5000):
        kind = Dense(300, size) if density == 1 else sparse(whole[:, :size])
        layers = {"a": Units(300), "b": Units(size)}
        wiring = [Wiring("ab", "a", "b", kind), Wiring("aa", "a", "a", Dense(300, 300))]
        placed = place(layers, wiring, target)
        assert placed == place(layers, wiring, target)
        for name, units in layers.items():
            own = placed.layer(name)
            assert [c.start for c in own] == [0, *(c.stop for c in own[:-1])]
            assert own[-1].stop == units.count
        for core in placed.cores:
            assert all(core.used[r] <= target.core[r].value for r in RESOURCES)
        counts.append(len(placed.cores))
    assert counts == sorted(counts) and counts[-1] > counts[0]


@pytest.mark.parametrize("density", [0.5, 0.1])
def test_one_core_fewer_would_not_do(density: float) -> None:
    rng = np.random.default_rng(2)
    wiring = Wiring("w", "in", "out", sparse(rng.random((900, 2000)) < density))
    cores = len(place({"out": Units(2000)}, [wiring], LOIHI_1).cores)
    bounds = split(2000, cores - 1)
    worst = 0
    for a, b in pairwise(bounds):
        matrix = np.zeros((900, 2000), bool)
        matrix[wiring.synapses.rows, wiring.synapses.targets] = True
        fan = matrix[:, a:b].sum(axis=1)
        worst = max(worst, int(axon_bits(fan, 8 + index_bits(int(b - a))).sum()))
    assert worst > 2**20


def test_targets_are_found_by_name_and_say_where_limits_come_from() -> None:
    assert target_named("loihi2") is LOIHI_2
    with pytest.raises(ValueError, match="no target 'loihi3'; choose from loihi1, loihi2"):
        target_named("loihi3")
    for target in TARGETS.values():
        assert set(RESOURCES) <= set(target.core)
        assert all(limit.source and limit.unit for limit in target.core.values())
