"""``neuro continual`` as a person (or a script) meets it."""

from __future__ import annotations

import errno
import importlib.machinery
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neuro import datasets, provenance
from neuro.cli import _continual_job as jobs, main
from neuro.provenance import code_fingerprint

QUICK = ["--images-per-task", "30", "--set", "sleep_steps=20", "--set", "hidden=20"]


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No data of this machine, no network, results under tmp_path."""
    monkeypatch.delenv("NEURO_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def offline(*arguments: Any) -> None:
        raise OSError("offline")

    monkeypatch.setattr(datasets, "_download", offline)
    # Sources may be edited while tests run; that they count is tested by itself.
    monkeypatch.setattr(jobs, "code_fingerprint", lambda: "code")


def run(out: Path, *options: str) -> int:
    return main(["continual", "--dataset", "digits", "--out", str(out), *QUICK, *options])


def metrics(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "metrics.json").read_text())
    return found


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command that must fail: one line on standard error, returned."""
    assert main(["continual", *arguments]) != 0
    error = capsys.readouterr().err
    assert error.startswith("neuro: ") and error.count("\n") == 1
    assert not list(Path.cwd().rglob("metrics.json"))
    return error


# --- what it writes --------------------------------------------------------------------------


def test_contract_of_metrics(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    assert run(out, "--sleep", "reference", "--seeds", "3-4") == 0
    found = metrics(out)
    assert [seed["seed"] for seed in found["seeds"]] == [3, 4]
    for seed in found["seeds"]:
        assert 0 <= seed["final_accuracy"] <= 1
        assert seed["final_accuracy"] == seed["accuracy_matrix"][-1][-1]
        assert np.array(seed["accuracy_matrix"]).shape == (10, 6)
        assert len(seed["per_class"]) == 10
        assert [len(sleep["spikes_per_layer"]) for sleep in seed["sleep"]] == [3] * 5
        assert np.sum(seed["confusion_after"]) == 360  # the full test set
    finals = [seed["final_accuracy"] for seed in found["seeds"]]
    assert found["mean"] == pytest.approx(np.mean(finals))
    assert found["sd"] == pytest.approx(np.std(finals, ddof=1))
    assert list(found["baselines"]) == ["sequential", "joint"]
    assert found["baselines"]["sequential"]["seeds"][0]["sleep"] == []
    assert found["baselines"]["joint"]["mean"] > found["baselines"]["sequential"]["mean"]
    names = {path.name for path in out.iterdir()}
    assert {"config.json", "metrics.json", "report.html", "seeds"} <= names
    stored = sorted((out / "seeds").glob("sleep-*.npz"))
    assert [file.stem.rsplit("-", 1)[1] for file in stored] == ["3", "4"]
    with np.load(stored[0]) as weights:
        assert weights["w1"].shape[0] == 64 and weights["w2"].shape[1] == 10
    figures = {"accuracy.png", "comparison.png", "confusion.png", "raster.png", "spikes.png"}
    assert figures <= names
    config = json.loads((out / "config.json").read_text())
    assert config["conditions"]["sleep"]["preset"]["images_per_task"] == 30
    report = (out / "report.html").read_text()
    assert report.count("data:image/svg+xml") == 5
    printed = capsys.readouterr()
    assert "sequential, no sleep" in printed.out and "joint (upper bound)" in printed.out
    assert "Spikes a sleep, input to output: " in printed.out
    assert max(map(len, printed.out.splitlines())) <= 80 + len(str(out))
    assert printed.err == ""  # no progress bars without a terminal


def test_sequential_is_what_is_asked_for_with_no_sleep(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert run(out, "--sleep", "none", "--seeds", "0", "--no-joint") == 0
    found = metrics(out)
    assert found["condition"] == "sequential"
    assert found["baselines"] == {}
    assert found["sd"] == 0.0
    assert found["seeds"][0]["sleep"] == []
    assert not (out / "raster.png").exists()


def test_rehearsal_is_compared_with_each_part_alone(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert run(out, "--rehearsal", "0.1", "--seeds", "0", "--no-joint") == 0
    found = metrics(out)
    assert found["condition"] == "sleep+rehearsal"
    assert found["seeds"][0]["images_trained"] == [30, 33, 36, 39, 42]
    assert list(found["baselines"]) == ["sequential", "rehearsal", "sleep"]
    assert found["baselines"]["sleep"]["seeds"][0]["images_trained"] == [30] * 5
    assert found["baselines"]["rehearsal"]["seeds"][0]["sleep"] == []


def test_same_seed_and_config_give_the_same_metrics(tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert run(tmp_path / name, "--seeds", "0", "--no-baselines") == 0
    first, second = ((tmp_path / n / "metrics.json").read_bytes() for n in ("a", "b"))
    assert first == second


def test_images_from_a_folder(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    for part, n in (("train", 100), ("test", 40)):
        labels = np.arange(n) % 10
        images = draw.integers(0, 30, (n, 28, 28))
        images[np.arange(n), labels, :] = 255  # a bright row says the class
        np.save(tmp_path / f"{part}.npy", images.astype(np.uint8))
        np.save(tmp_path / f"{part}_labels.npy", labels.astype(np.uint8))
    np.savez(
        tmp_path / "mnist.npz",
        **{
            f"{part}_{kind}": np.load(tmp_path / f"{part}{suffix}.npy")
            for part in ("train", "test")
            for kind, suffix in (("images", ""), ("labels", "_labels"))
        },
    )
    arguments = ["--dataset", "mnist", "--data-root", str(tmp_path), "--sleep", "none"]
    status = main(["continual", *arguments, "--seeds", "0", "--out", "run", *QUICK])
    assert status == 0
    assert np.sum(metrics(Path("run"))["seeds"][0]["confusion_after"]) == 40


def test_default_folder_names_the_run() -> None:
    options = ["--sleep", "none", "--seeds", "0", "--no-joint", *QUICK]
    assert main(["continual", *options]) == 0
    assert Path("results/digits-none/metrics.json").exists()
    assert main(["continual", *options, "--rehearsal", "0.05", "--no-baselines"]) == 0
    assert Path("results/digits-none-rehearsal-0.05/metrics.json").exists()


def test_preset_file_and_validation(tmp_path: Path) -> None:
    (tmp_path / "best.json").write_text('{"rate": 42.0}')
    options = ["--preset", "best.json", "--evaluate-on", "validation", "--no-baselines"]
    assert run(tmp_path / "run", "--seeds", "0", *options) == 0
    assert metrics(tmp_path / "run")["evaluated_on"] == "validation"
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["conditions"]["sleep"]["preset"]["rate"] == 42.0


# --- what it refuses -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "imagenet"], "unknown data set 'imagenet'; known are digits"),
        (["--seeds", "5-1"], "--seeds '5-1' is empty: 1 is below 5"),
        (["--seeds", "all"], "--seeds 'all' is not a range"),
        (["--seeds", "-3"], "--seeds '-3' is not a range"),
        (["--sleep", "deep"], "unknown --sleep 'deep'; choose one of none, "),
        (["--rehearsal", "2"], "--rehearsal 2 is no fraction"),
        (["--rehearsal", "two"], "Invalid value for '--rehearsal'"),
        (["--set", "epoch=3"], "unknown setting 'epoch'"),
        (["--set", "epochs"], "not of the form key=value"),
        (["--set", "dynamics=fast"], "'fast' is unknown"),
        (["--epochs", "0"], "--epochs 0: give at least 1"),
        (["--images-per-task", "0"], "--images-per-task 0"),
        (["--preset", "nothing"], "no preset 'nothing'"),
        (["--preset", "no.json"], "cannot read preset file no.json"),
        (["--evaluate-on", "train"], "choose 'test' or 'validation'"),
        (["--device", "abacus"], "--device 'abacus' is not available"),
        (["--data-root", "nowhere"], "'nowhere' is not a folder that exists"),
        (["--dataset", "kmnist"], "data set 'kmnist' is not on this machine"),
        (["--sleeep", "none"], "No such option: --sleeep"),
        (["extra"], "unexpected extra argument"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in refused(capsys, *arguments)


def test_corrupted_data_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mnist.npz").write_bytes(b"PK\x03\x04 not really")
    error = refused(capsys, "--dataset", "mnist", "--data-root", str(tmp_path))
    assert f"cannot read {tmp_path / 'mnist.npz'}" in error


def test_result_folder_that_cannot_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert "it is a file" in refused(capsys, "--out", str(tmp_path / "file"))
    assert "cannot use /proc/neuro" in refused(capsys, "--out", "/proc/neuro")


def test_disk_full(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    real = os.fsync
    writes = 0

    def fill_up(handle: int) -> None:
        nonlocal writes
        writes += 1
        if writes == 4:  # config.json, weights and result of seed 0, then no more
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    options = ["--out", str(out), "--sleep", "none", "--no-joint", "--seeds", "0-1", *QUICK]
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fill_up)
        assert "disk full while writing" in refused(capsys, *options)
    assert len(list((out / "seeds").glob("*.json"))) == 1
    assert main(["continual", *options]) == 0
    assert capsys.readouterr().out.count("kept from an earlier run") == 1


# --- interruption and continuation -----------------------------------------------------------


def test_interrupted_run_continues(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import neuro.models.continual as model

    out = tmp_path / "run"
    options = ["--sleep", "none", "--no-joint", "--seeds", "0-2"]
    assert run(tmp_path / "whole", *options) == 0
    real = model.run

    def stop_at_seed_1(*arguments: Any, **named: Any) -> Any:
        if arguments[3] == 1:
            raise KeyboardInterrupt
        return real(*arguments, **named)

    monkeypatch.setattr(model, "run", stop_at_seed_1)
    capsys.readouterr()
    assert run(out, *options) == 130
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "interrupted; 1 of 3 runs are finished and kept" in error
    assert not (out / "metrics.json").exists() and not (out / "report.html").exists()

    monkeypatch.setattr(model, "run", real)
    assert run(out, *options) == 0
    assert capsys.readouterr().out.count("kept from an earlier run") == 1
    whole = (tmp_path / "whole" / "metrics.json").read_bytes()
    assert (out / "metrics.json").read_bytes() == whole


@pytest.mark.parametrize("change", [["--epochs", "1"], ["--rehearsal", "0.5"]])
def test_another_configuration_never_takes_old_seeds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: list[str]
) -> None:
    out = tmp_path / "run"
    options = ["--sleep", "none", "--no-joint", "--no-baselines", "--seeds", "0"]
    assert run(out, *options) == 0
    assert run(out, *options, *change) == 0
    assert "kept" not in capsys.readouterr().out
    assert run(out, *options) == 0
    assert "kept" in capsys.readouterr().out
    assert run(out, *options, "--fresh") == 0
    assert "kept" not in capsys.readouterr().out


def test_changed_code_or_data_never_takes_old_seeds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    options = ["--sleep", "none", "--no-joint", "--seeds", "0"]
    assert run(out, *options) == 0
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "code_fingerprint", lambda: "other")
        assert run(out, *options) == 0
    with monkeypatch.context() as patch:
        patch.setattr(datasets.Dataset, "fingerprint", lambda self: "other")
        assert run(out, *options) == 0
    assert "kept" not in capsys.readouterr().out


def test_code_fingerprint_covers_sources_but_not_presentation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("neuro", "models", "backends", "neuro/cli", "neuro/learning"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.py").write_text("x = 1\n")
    found = {"neuro": "neuro", "neuro.models": "models", "neuro.backends": "backends"}

    def find_spec(name: str) -> Any:
        spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [str(tmp_path / found[name])]
        return spec

    monkeypatch.setattr(provenance, "find_spec", find_spec)
    first = code_fingerprint()
    (tmp_path / "neuro" / "cli" / "a.py").write_text("x = 2\n")
    (tmp_path / "neuro" / "__pycache__").mkdir()
    (tmp_path / "neuro" / "__pycache__" / "a.pyc").write_bytes(b"x")
    assert code_fingerprint() == first
    for name in ("models", "backends", "neuro/learning"):
        (tmp_path / name / "a.py").write_text("x = 3\n")
        assert code_fingerprint() != first
        first = code_fingerprint()


def test_a_failing_run_leaves_no_older_metrics_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import neuro.models.continual as model

    out = tmp_path / "run"
    options = ["--sleep", "none", "--no-joint"]
    assert run(out, *options, "--seeds", "0") == 0

    def explode(*arguments: Any, **named: Any) -> Any:
        raise FloatingPointError("weights are not finite")

    monkeypatch.setattr(model, "run", explode)
    assert run(out, *options, "--seeds", "0-1") == 1
    assert not (out / "metrics.json").exists()


def test_control_c_in_a_real_process(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "neuro.cli", "continual", "--sleep", "none", "--no-joint"]
    command += ["--seeds", "0-5000", "--out", str(out), *QUICK]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        deadline = time.monotonic() + 120
        while not list(out.glob("seeds/*.json")):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert error.startswith("neuro: interrupted; ") and error.count("\n") == 1
    assert not (out / "metrics.json").exists()
    for path in out.rglob("*.json"):
        json.loads(path.read_text())  # nothing half-written
    assert not list(out.rglob(".*.json.*"))
