"""Projections of blocks along the diagonal: the same bits as single synapses, in any shape."""

from __future__ import annotations

import numpy as np
import pytest

from neuro.backends.reference.synapses import _BlockSynapses, _SparseSynapses, synapses
from neuro.connectivity import Sparse

SHAPES = [(3, 4, 5), (1, 6, 3), (4, 9, 1), (4, 1, 9), (1, 40, 1), (5, 1, 1), (2, 70, 2)]


def diagonal(blocks: int, a: int, b: int) -> Sparse:
    targets = np.broadcast_to(np.arange(blocks * b).reshape(blocks, 1, b), (blocks, a, b))
    rows = np.arange(blocks * a + 1) * b
    return Sparse(blocks * a, blocks * b, rows, targets.reshape(-1).copy())


@pytest.mark.parametrize("shape", SHAPES)
def test_blocks_are_recognised(shape):
    assert diagonal(*shape).blocks == shape


@pytest.mark.parametrize(
    ("rows", "targets"),
    [
        ([0, 0, 0], []),
        ([0, 1, 1], [0]),
        ([0, 1, 2], [1, 0]),
        ([0, 2, 4], [0, 1, 1, 2]),
        ([0, 1, 3], [0, 0, 1]),
        ([0, 2, 3], [0, 0, 1]),
    ],
)
def test_other_synapses_are_no_blocks(rows, targets):
    posts = max(targets, default=0) + 1
    assert Sparse(2, posts, np.array(rows), np.array(targets, np.int64)).blocks is None


def test_all_to_all_is_one_block():
    assert Sparse(2, 3, np.array([0, 3, 6]), np.array([0, 1, 2] * 2)).blocks == (1, 2, 3)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("factors", [0, 1, 2])
@pytest.mark.parametrize("share", ["one", 0.1, 0.5, 1.0])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_sums_are_those_of_single_synapses(shape, transposed, share, factors, dtype):
    made = diagonal(*shape)
    quick, single = synapses(made, transposed), _SparseSynapses(made, transposed)
    assert isinstance(quick, _BlockSynapses)
    n_pre, n_post = (made.n_post, made.n_pre) if transposed else (made.n_pre, made.n_post)
    random = np.random.default_rng(3)
    # Numbers of very different size, and zeros of both signs: any other order shows.
    weights = random.normal(size=made.count) * 10.0 ** random.integers(-6, 6, made.count)
    weights[random.random(made.count) < 0.1] = -0.0
    weights = weights.astype(dtype)
    given = [
        ("a.g@pre", random.normal(size=n_pre).astype(dtype)),
        ("c.e", random.normal(size=made.count).astype(dtype)),
    ][:factors]
    for _ in range(3):
        chosen = random.random(n_pre) < (share if share != "one" else 0)
        chosen[random.integers(n_pre)] = True
        pre = np.flatnonzero(chosen)
        found, expected = np.full(n_post, 7, dtype), np.full(n_post, 7, dtype)
        quick.deliver(weights, pre, given, found)
        single.deliver(weights, pre, given, expected)
        assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_values_at_synapses_are_those_of_lists(shape, transposed):
    made = diagonal(*shape)
    n_pre, n_post = (made.n_post, made.n_pre) if transposed else (made.n_pre, made.n_post)
    names = {
        "x.v@pre": np.arange(n_pre) + 0.5,
        "x.v@post": 100.0 + np.arange(n_post),
        f"x.g@post/{n_post // shape[0]}": 1000.0 + np.arange(shape[0]),
        f"x.g@pre/{n_pre // shape[0]}": 2000.0 + np.arange(shape[0]),
        f"x.g@post/{n_post}": np.array([5.0]),
        "x.r@shared": np.array([3.0]),
        "c.e": np.arange(made.count) * 7.0,
        "c.s": np.array(2.0),
    }
    quick, single = synapses(made, transposed), _SparseSynapses(made, transposed)
    every = np.arange(n_pre), np.arange(n_post)
    for selection in (quick.all(), quick.of_pre(every[0]), quick.of_post(every[1])):
        for name, array in names.items():
            found, expected = np.zeros(made.count), np.zeros(made.count)
            selection.scatter(found, selection.gather(name, array))
            single.all().scatter(expected, single.all().gather(name, array))
            assert found.tolist() == expected.tolist(), name
