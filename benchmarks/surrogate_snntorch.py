"""The surrogate-gradient baseline beside snnTorch: same network, spikes and initial weights.

A network 196-200-10 learns digits of MNIST in coarser pixels, 300 of each class: two classes after
two others (naive), and all at once (joint). Both are given the same spike trains, and their time is
that of the training steps alone, on one thread. Soft reset is meant as snnTorch means it: the
threshold is subtracted after the leak.

Before, outputs and gradients of the first batch are compared: they must agree to rounding.
Afterwards the two go separate ways, because a rounded potential sometimes decides about a spike.

Run ``make bench-env`` once, then ``python -m neuro.benchmarks.surrogate_snntorch``.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from neuro.benchmarks._surrogate_peer import batches
from neuro.datasets import load, pooled
from neuro.errors import BackendError, DatasetError
from neuro.models.surrogate import SurrogateLIF
from neuro.random import stream

#: Ours must be faster.
BAR = 1.0
#: Largest difference of outputs and gradients, relative to the largest of their values.
TOLERANCE = 1e-4
EPOCHS = {"naive": 3, "joint": 12}
SEED = 20270301

Case = dict[str, Any]


def make_case(quick: bool = False) -> Case:
    """Weights, settings and spike trains of all sequences, as plain arrays.

    Raises
    ------
    DatasetError
        MNIST is not there.
    """
    data = pooled(load("mnist"), 2)
    shown, tested = (30, 10) if quick else (300, 100)
    model = _network(data.features)
    train = _drawn(data.flat(data.train_images), data.train_labels, shown, "train")
    test = _drawn(data.flat(data.test_images), data.test_labels, tested, "test")
    case: Case = {
        **{f"w{i}": w.astype(np.float32) for i, w in enumerate(model.get_weights())},
        "decay": model.dynamics.decay,
        "slope": model.dynamics.slope,
        "steps": model.steps,
        "batch": 32,
        "learning_rate": 5e-3,
    }
    images, labels = train
    for name, epochs in EPOCHS.items():
        order = stream(SEED, "order", epochs)
        tasks = [np.arange(len(labels))]
        if name == "naive":
            tasks = [np.flatnonzero(labels // 2 == k) for k in range(5)]
        # A batch never spans two passes.
        passes = [order.permutation(task) for task in tasks for _ in range(epochs)]
        chosen = np.concatenate(passes)
        case[f"{name}_ends"] = np.cumsum([len(part) for part in passes])
        case[f"{name}_labels"] = labels[chosen]
        case[f"{name}_trains"] = _packed(model, images[chosen], name)
    case["test_labels"], case["test_ends"] = test[1], np.array([len(test[1])])
    case["test_trains"] = _packed(model, test[0], "test")
    return case


def _network(features: int) -> SurrogateLIF:
    return SurrogateLIF((features, 200, 10), reset=1.0, seed=SEED)


def _drawn(
    images: NDArray[np.float32], labels: NDArray[np.int64], count: int, what: str
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """As many images of each class."""
    draw = stream(SEED, what)
    chosen = [draw.permutation(np.flatnonzero(labels == c))[:count] for c in range(10)]
    return images[np.concatenate(chosen)], np.repeat(np.arange(10), count)


def _packed(model: SurrogateLIF, images: NDArray[np.float32], name: str) -> NDArray[np.uint8]:
    """Spike trains ``[images, bytes]``, eight steps and units a byte."""
    phases = stream(SEED, "phases", len(name))
    parts = np.array_split(images, max(1, len(images) // 500))
    trains = (model.encode(part, phases).numpy() > 0 for part in parts)
    return np.concatenate(
        [np.packbits(t.swapaxes(0, 1).reshape(t.shape[1], -1), axis=1) for t in trains]
    )


def ours(case: Case, name: str) -> tuple[float, float]:
    """Seconds of all training steps, and accuracy on the test images."""
    model = _network(len(case["w0"]) - 1)
    adam = model.optimiser(case["learning_rate"])
    seconds = 0.0
    for trains, labels in batches(case, name):
        start = time.perf_counter()
        model.step(trains, labels, adam)
        seconds += time.perf_counter() - start
    with torch.no_grad():
        right = sum(
            int((model.run(x).output.argmax(1) == y).sum()) for x, y in batches(case, "test")
        )
    return seconds, right / len(case["test_labels"])


class Peer:
    """The process in which snnTorch runs."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self._folder = folder
        self.version: str = self._answer()

    def train(self, name: str) -> tuple[float, float]:
        """As :func:`ours`."""
        seconds, accuracy = self._asked(name)
        return seconds, accuracy

    def gradient(self) -> list[NDArray[np.float32]]:
        """Outputs for the first batch, and the gradients of both weight matrices."""
        path = self._folder / "gradient.npz"
        self._asked(f"gradient {path}")
        with np.load(path) as found:
            return [found[name] for name in ("outputs", "w0", "w1")]

    def _asked(self, question: str) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{question}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BackendError("the process of snnTorch ended; its error output is above")
        return json.loads(line)


@contextmanager
def peer(case: Case) -> Iterator[Peer]:
    """Start snnTorch on a case.

    Raises
    ------
    BackendError
        Its environment is missing.
    """
    python = Path(os.environ.get("NEURO_BENCH_PYTHON", ".venv-bench/bin/python"))
    if not python.exists():
        raise BackendError(
            f"the environment of the peers is missing: no {python}; run `make bench-env`, or set"
            " NEURO_BENCH_PYTHON to a Python that has snntorch"
        )
    script = Path(__file__).with_name("_surrogate_peer.py")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.npz"
        np.savez(path, **case)
        process = subprocess.Popen(
            [str(python), "-W", "ignore", str(script), str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield Peer(process, Path(folder))
        finally:
            process.kill()
            process.wait()


def disagreement(case: Case, other: Peer) -> float:
    """Largest difference of outputs and gradients for the first batch, relative to the largest.

    Raises
    ------
    BackendError
        They do not agree.
    """
    model = _network(len(case["w0"]) - 1)
    trains, labels = next(batches(case, "naive"))
    output = model.run(trains).output
    gradients = torch.autograd.grad(model.loss(output, labels), model.weights)
    mine = [t.detach().numpy() for t in (output, *gradients)]
    pairs = zip(mine, other.gradient(), strict=True)
    worst = max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)
    if not worst <= TOLERANCE:
        raise BackendError(f"outputs or gradients differ from snnTorch's by {worst:.1e}")
    return worst


def case(quick: bool = False) -> list[dict[str, object]]:
    """Time both; figures are seconds of training."""
    blank = dict.fromkeys(("ours", "theirs", "ratio", "bar", "holds"))
    title = "surrogate gradient 196-200-10, 32 steps, {}, one thread, seconds"
    try:
        made = make_case(quick)
    except DatasetError as error:
        details = {"not run": str(error)}
        return [{"case": title.format("MNIST"), "peer": "snnTorch", **blank, "details": details}]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with peer(made) as other:
            worst = disagreement(made, other)
            return [_compared(made, other, name, title, worst, quick) for name in EPOCHS]
    finally:
        torch.set_num_threads(threads)


def _compared(
    made: Case, other: Peer, name: str, title: str, worst: float, quick: bool
) -> dict[str, object]:
    repeats = 3 if name == "naive" and not quick else 1
    runs = [(ours(made, name), other.train(name)) for _ in range(repeats)]
    ratio = statistics.median(theirs[0] / mine[0] for mine, theirs in runs)
    (_, accuracy), (_, their_accuracy) = runs[0]
    return {
        "case": title.format(name),
        "peer": f"snnTorch {other.version}",
        "ours": statistics.median(mine[0] for mine, _ in runs),
        "theirs": statistics.median(theirs[0] for _, theirs in runs),
        "ratio": ratio,
        "bar": None if quick else BAR,
        "holds": None if quick else ratio > BAR,
        "details": {
            "first batch": f"outputs and gradients agree to {worst:.1e} of the largest",
            "accuracy": f"ours {accuracy:.3f}, snnTorch {their_accuracy:.3f}",
        },
    }


if __name__ == "__main__":
    print(case())
