"""The target ``cuda``: what is generated, that nvcc takes it, and what it does.

There is no GPU where these tests run. So the generated program runs on the processor as well:
``cuda_on_cpu.h`` makes functions of kernels and memory of the GPU's memory. That shows everything
but what happens at the same time on a GPU.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import neuro as nr
from neuro.backends.brian2 import BACKEND, compiler, nvcc, targets
from neuro.backends.brian2.calls import Calls
from neuro.backends.brian2.drawing import draw
from neuro.backends.brian2.engine import Brian2Engine
from neuro.backends.brian2.process import ProcessRunner
from neuro.backends.brian2.toolchain import Cuda
from neuro.backends.reference import BACKEND as REFERENCE
from neuro.errors import BackendError, CompileError
from neuro.lowering import lower
from neuro.progress import Silent

pytest.importorskip("brian2cuda", reason="make setup installs Brian2CUDA")

SHIM = Path(__file__).parent / "cuda_on_cpu.h"
HEADERS = [f"thrust/{n}.h" for n in ("device_vector", "host_vector", "system_error", "copy")]
HEADERS += ["thrust/count.h", "thrust/execution_policy.h", "cuda_profiler_api.h"]


@dataclass(frozen=True)
class OnCpu(Cuda):
    """Compiles the CUDA project for the processor."""

    def depends(self):
        return {"compiler": compiler.compiler_id(), "shim": SHIM.read_text()}

    def compile(self, folder, sources):
        for header in HEADERS:
            (folder / header).parent.mkdir(exist_ok=True)
            (folder / header).write_text("")
        shutil.copy(SHIM, folder)
        for path in [*folder.rglob("*.cu"), *folder.rglob("*.h")]:
            path.write_text(launches_as_calls(path.read_text()))
        with Calls(folder, "emulation", "") as calls:
            options = ["-w", "-O1", "-std=c++17", "-ffp-contract=off", "-I.", "-include", SHIM.name]
            calls.run([compiler.compiler(), *options, "-x", "c++", *sources, "-o", "main"])
        return folder / "main"


def launches_as_calls(code: str) -> str:
    """``kernel<<<a, b>>>(arguments);`` as a call of the shim."""
    while (found := re.search(r"(\w+)<<<(.*?)>>>\(", code, re.DOTALL)) is not None:
        at, depth = found.end(), 1
        while depth:
            depth += {"(": 1, ")": -1}.get(code[at], 0)
            at += 1
        call = f"cuda_launch([&] {{ {found[1]}({code[found.end() : at]}; }}, {found[2]})"
        code = code[: found.start()] + call + code[at:]
    return code


def on_cpu(program, cache):
    plan = draw(program)
    runner = ProcessRunner(plan, cache, OnCpu(8.0))

    class Choose(targets.Chooser):
        def __call__(self, steps):
            return "cuda", runner

    return Brian2Engine(plan, Choose(plan, "cuda", cache))


def assert_same(ours, reference, steps):
    expected, found = reference.run(steps, Silent()), ours.run(steps, Silent())
    for population, events in expected.spikes.items():
        for a, b in zip(found.spikes[population], events, strict=True):
            assert np.array_equal(a, b), population
    for index, trace in expected.traces.items():
        assert np.array_equal(found.traces[index], trace), index
    mine, other = ours.state(), reference.state()
    assert mine.step == other.step
    for name, value in mine.arrays.items():
        assert np.array_equal(value, other.arrays[name]), name
    for population, events in other.recent.items():
        for a, b in zip(mine.recent[population], events, strict=True):
            assert np.array_equal(a, b), population
    return expected


@pytest.mark.build
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_the_program_gives_the_bits_of_the_reference(program, cache, precision):
    made = program(precision)
    ours, reference = on_cpu(made, cache), REFERENCE.compile(made)
    for steps in (150, 1, 0, 3, 60):
        expected = assert_same(ours, reference, steps)
    assert len(expected.spikes["exc"][0]) > 50
    assert len(expected.spikes["out"][0]) > 10
