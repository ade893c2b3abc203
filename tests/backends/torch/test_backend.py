"""Options, what they exclude, and what it costs to begin."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
import torch

import neuro as nr
from neuro.backends.torch import BACKEND
from neuro.progress import Silent

GPU = torch.cuda.is_available()


def test_it_is_a_backend():
    assert nr.backends()["torch"] is True
    assert BACKEND.lacks() == {}
    assert "ordered sums" in BACKEND.lacks(batch=4, ordered=False)


def test_neuro_does_not_import_torch():
    code = (
        "import sys, neuro; from neuro.backends.torch import BACKEND; BACKEND.available();"
        " BACKEND.lacks(batch=3); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "cpp"}, "no option 'target'; it has .*batch.*capture"),
        ({"device": "tpu"}, "device 'tpu' of backend 'torch' is not one of .*cuda"),
        ({"delivery": "csr"}, "delivery 'csr' of backend 'torch' is not one of"),
        ({"capture": "compile"}, "capture 'compile' of backend 'torch' is not one of"),
        ({"batch": 0}, "batch of backend 'torch' is 0; give a whole number >= 1"),
        ({"batch": 2.0}, r"batch of backend 'torch' is 2\.0"),
        ({"batch": True}, "batch of backend 'torch' is True"),
        ({"ordered": "yes"}, "ordered of backend 'torch' is 'yes'; give True or False"),
        ({"device": "cpu", "capture": "graph"}, "capture 'graph' needs a GPU"),
        pytest.param(
            {"device": "cuda"},
            "torch sees no NVIDIA GPU here; use device='cpu'",
            marks=pytest.mark.skipif(GPU, reason="there is a GPU"),
        ),
        pytest.param(
            {"device": "cuda", "delivery": "sparse"},
            "a GPU would wait",
            marks=pytest.mark.skipif(not GPU, reason="there is no GPU"),
        ),
    ],
)
def test_options_are_checked(loop, options, message):
    with pytest.raises(nr.CompileError, match=message):
        BACKEND.compile(loop(), **options)


def test_a_run_begins_at_once(loop):
    """From compile to the first step: half of the promised second, on a busy machine."""
    program = loop()
    took = []
    for _ in range(3):
        start = time.perf_counter()
        BACKEND.compile(program, device="cpu", batch=4).run(1, Silent())
        took.append(time.perf_counter() - start)
    assert min(took) < 0.5


def test_runs_from_within_a_program_that_learns_with_torch(loop, engine, reference, same_record):
    """Gradients of the caller are neither needed nor disturbed."""
    weight = torch.ones(3, requires_grad=True)
    total = (weight * 2).sum()
    program = loop()
    same_record(engine(program).run(50, Silent()), reference(program).run(50, Silent()))
    total.backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [2.0, 2.0, 2.0]
