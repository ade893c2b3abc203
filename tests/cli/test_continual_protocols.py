"""``neuro continual`` with other sequences of tasks, and with learners that never sleep.

What learns is the nearest class mean: it forgets nothing, so the command's own doings show.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neuro.cli import _continual_job as jobs, main
from neuro.learning import presets
from neuro.learning.settings import Settings
from neuro.models import continual as running


class Weights:
    def __init__(self, sums: np.ndarray) -> None:
        self.sums = sums

    def get_weights(self) -> list[np.ndarray]:
        return [self.sums]


class NearestMean:
    """Answers with the class whose mean image is nearest, of the classes seen."""

    def __init__(
        self, preset: Settings, features: int, n_classes: int, seed: int, device: str = "cpu",
        heads: Any = None,
    ) -> None:  # fmt: skip
        self.preset, self.epochs = preset, preset.epochs
        self.model = Weights(np.zeros((n_classes, features)))
        self.counts = np.zeros(n_classes)

    def fit(self, images: Any, labels: Any, stream: Any, progress: Any) -> None:
        np.add.at(self.model.sums, labels, images)
        self.counts += np.bincount(labels, minlength=len(self.counts))

    def predict(self, images: np.ndarray) -> np.ndarray:
        means = self.model.sums / np.maximum(self.counts, 1)[:, None]
        distance = ((images[:, None] - means) ** 2).sum(axis=2)
        return np.where(self.counts > 0, distance, np.inf).argmin(axis=1)

    def measures(self) -> dict[str, Any]:
        return {
            "columns": int((self.counts > 0).sum()),
            "memory_bytes": {"weights": self.model.sums.nbytes, "total": self.model.sums.nbytes},
            "spikes_per_sample": 12.5,
        }


def settings(dataset: str, *, learner: str, regulariser: str = "none", **kind: bool) -> Settings:
    return Settings(learner=learner, regulariser=regulariser, epochs=1)


QUIET = ("pc", "pc-chain", "sg")


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(jobs, "code_fingerprint", lambda: "code")
    learners = {**running.LEARNERS, **dict.fromkeys(QUIET, NearestMean)}
    monkeypatch.setattr(running, "LEARNERS", learners)
    others = {name: partial(settings, learner=name) for name in QUIET}
    monkeypatch.setattr(presets, "OTHERS", others)


def run(*options: str) -> dict[str, Any]:
    assert main(["continual", "--out", "run", "--seeds", "0-1", *options]) == 0
    found: dict[str, Any] = json.loads(Path("run/metrics.json").read_text())
    return found


def test_predictive_learners_run_beside_surrogate_gradients(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = run("--learner", "pc", "--images-per-class", "10", "--test-images", "20")
    assert (found["condition"], found["sleep"], found["learner"]) == ("sequential", "none", "pc")
    assert list(found["baselines"]) == [
        "joint", "chain", "surrogate", "surrogate-ewc", "surrogate-rehearsal", "surrogate-joint",
    ]  # fmt: skip
    seed = found["seeds"][0]
    assert seed["columns"] == 10
    assert seed["memory_bytes"] == {"weights": 5120, "total": 5120}
    assert seed["spikes_per_sample"] == 12.5
    assert -0.5 < seed["backward_transfer"] < 0
    assert found["tasks"] == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
    assert np.sum(seed["confusion_after"]) == 100
    # A mean knows no order: all of them had the same images, and rehearsal some of them again.
    finals = {name: b["seeds"][0]["final_accuracy"] for name, b in found["baselines"].items()}
    assert {finals[n] for n in finals if n != "surrogate-rehearsal"} == {seed["final_accuracy"]}
    trained = {name: b["seeds"][0]["images_trained"] for name, b in found["baselines"].items()}
    assert trained["surrogate-ewc"] == [20] * 5
    assert trained["surrogate-rehearsal"] == [20, 40, 40, 40, 40]
    assert trained["joint"] == trained["surrogate-joint"] == [100]
    buffer = found["baselines"]["surrogate-rehearsal"]["seeds"][0]["memory_bytes"]["buffer"]
    assert buffer == 5 * (64 * 4 + 8)
    config = json.loads(Path("run/config.json").read_text())
    conditions = config["conditions"]
    assert conditions["chain"]["preset"]["learner"] == "pc-chain"
    assert conditions["surrogate-ewc"]["preset"]["regulariser"] == "ewc"
    assert conditions["surrogate"]["protocol"]["images_per_class"] == 10
    assert config["request"]["test_images"] == 20
    printed = capsys.readouterr().out
    for label in ("predictive columns, joint", "predictive chain", "surrogate, 5 % rehearsal"):
        assert label in printed
    assert "memory, kB" in printed and "sleep" not in printed and "…" not in printed
    assert max(map(len, printed.splitlines())) <= 80
    report = Path("run/report.html").read_text()
    assert "spikes a sample" in report and "Without sleep" not in report
    assert report.count("data:image/svg+xml") == 3


@pytest.mark.parametrize("kind", ["permuted", "rotated"])
def test_domain_incremental(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--protocol", kind, "--images-per-class", "5", "--test-images", "30"]
    found = run("--learner", "pc-chain", "--tasks", "4", *options)
    assert "chain" not in found["baselines"]
    matrix = found["seeds"][0]["accuracy_matrix"]
    assert np.shape(matrix) == (8, 5)
    assert [value is None for value in matrix[2][:4]] == [False, False, True, True]
    assert matrix[2][4] == pytest.approx(np.mean(matrix[2][:2]))
    assert found["seeds"][0]["images_trained"] == [50] * 4
    assert found["protocol"]["kind"] == kind
    ends = [seed["accuracy_matrix"][-1] for seed in found["seeds"]]
    assert found["per_task"] == pytest.approx(np.mean(ends, axis=0)[:4])
    transfer = np.mean([matrix[7][j] - matrix[2 * j][j] for j in range(3)])
    assert found["seeds"][0]["backward_transfer"] == pytest.approx(transfer)
    assert ("45°" if kind == "rotated" else "T2") in capsys.readouterr().out


def test_shuffled_blurred_and_pooled() -> None:
    options = ["--class-order", "shuffled", "--blur", "0.3", "--pool", "2", "--tasks", "2"]
    found = run("--learner", "sg", "--no-baselines", *options)
    assert list(found["baselines"]) == []
    assert found["tasks"] is None
    assert [len(g) for g in found["tasks_per_seed"]["1"]] == [5, 5]
    assert found["tasks_per_seed"]["0"] != found["tasks_per_seed"]["1"]
    assert sum(found["seeds"][0]["images_trained"]) == 1437
    assert found["seeds"][0]["memory_bytes"]["weights"] == 10 * 16 * 8
    config = json.loads(Path("run/config.json").read_text())
    assert config["dataset"]["shown"] == [4, 4]
    assert config["conditions"]["sequential"]["pool"] == 2
    assert config["conditions"]["sequential"]["protocol"]["blur"] == 0.3


def test_folders_name_the_sequence() -> None:
    plain = jobs.Request("digits", learner="pc")
    assert plain.slug == "digits-pc"
    many = jobs.Request(
        "digits", learner="pc", protocol="permuted", tasks=20, blur=0.5, rehearsal=0.1
    )
    assert many.slug == "digits-pc-permuted-20-tasks-blur-0.5-rehearsal-0.1"


def test_keys_of_results_without_new_options_are_as_ever() -> None:
    made = jobs.conditions(jobs.Request("digits", sleep="reference"))["sleep"].to_json()
    assert sorted(made) == ["preset", "protocol", "sleep"]
    assert sorted(made["protocol"]) == [
        "classes_per_task", "evaluate_on", "images_per_task", "joint", "rehearsal", "scenario",
        "validation_fraction",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--learner", "pc", "--sleep", "reference"], "learner 'pc' does not sleep (only ep, "),
        (["--learner", "pc", "--analyse"], "--analyse compares before and after sleep"),
        (["--protocol", "rotated", "--analyse"], "with --protocol rotated every task has all"),
        (["--protocol", "sorted"], "protocol is 'sorted'; choose 'split', 'permuted' or"),
        (["--tasks", "3"], "tasks is 3, but the classes (10 of digits) cannot be shared"),
        (["--tasks", "5", "--classes-per-task", "2"], "say the same; give one"),
        (["--tasks", "0"], "--tasks 0: give at least 1"),
        (["--pool", "3"], "images of 8 x 8 pixels cannot be pooled by 3"),
        (["--blur", "-1"], "blur is -1.0; give 0 or more"),
        (["--images-per-class", "5", "--images-per-task", "50"], "give one of them"),
        (["--protocol", "permuted", "--scenario", "task", "--learner", "ff"], "leave it out"),
    ],
)
def test_what_does_not_go_together(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["continual", "--out", "run", *options]) != 0
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not Path("run").exists()

