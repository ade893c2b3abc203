"""The other verbs, help and start-up time."""

from __future__ import annotations

import json
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import neuro.benchmarks
from neuro.cli import bench, main


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for verb in ("continual", "tune", "sensitivity", "check-gradient", "backends", "bench"):
        assert verb in text


def test_alone_it_shows_help_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    captured = capsys.readouterr()
    assert "Usage" in captured.out + captured.err


def test_unknown_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sleepwalk"]) == 2
    assert capsys.readouterr().err.startswith("neuro: No such command 'sleepwalk'")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    from neuro import __version__

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"neuro {__version__}\n"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, neuro.cli; status = neuro.cli.main(['continual', '--help']);"
        "heavy = {'torch', 'matplotlib', 'brian2', 'sklearn', 'optuna'} & set(sys.modules);"
        "sys.exit(status or sorted(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--rehearsal" in done.stdout


def test_backends_are_listed_with_their_state(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import neuro.simulation

    found = {"reference": True, "missing": "needs a chip; buy one"}
    monkeypatch.setattr(neuro.simulation, "backends", lambda: found)
    assert main(["backends"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[:3] == ["backends", "reference available", "missing no: needs a chip; buy one"]
    assert "optional parts" in lines
    assert main(["backends", "reference"]) == 0
    assert main(["backends", "reference", "missing"]) == 1
    assert main(["backends", "nest"]) == 1
    assert "no backend 'nest'; installed: reference, missing" in capsys.readouterr().err
    assert main(["continual", "--sleep", "missing"]) == 1
    assert "needs a chip" in capsys.readouterr().err


def test_what_is_missing_is_told_with_what_mends_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    def find(name: str) -> object:
        return None if name in ("pyNN", "brian2cuda", "Cython") else really(name)

    really = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", find)
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert main(["backends", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    parts = {each["name"]: each for kind in told.values() for each in kind}
    assert parts["brian2"]["usable"] and not parts["brian2, target='cpp'"]["usable"]
    assert "apt install g++" in parts["brian2, target='cpp'"]["reason"]
    assert "pip install cython" in parts["brian2, target='cython'"]["reason"]
    assert "pip install 'neuro[cuda]'" in parts["brian2, target='cuda'"]["reason"]
    assert "pip install 'neuro[pynn]'" in parts["pynn (PyNN scripts)"]["reason"]
    assert parts["analysis (recordings as pandas, xarray, neo)"]["usable"]


def test_check_gradient_passes_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-gradient"]) == 0
    assert "passed: cosine" in capsys.readouterr().out
    assert main(["check-gradient", "--beta", "0.5", "--estimator", "one-sided"]) == 1
    assert "FAILED" in capsys.readouterr().out
    assert main(["check-gradient", "--hidden", "many"]) == 1
    assert "--hidden 'many'" in capsys.readouterr().err


# --- bench -----------------------------------------------------------------------------------

RESULT = {"case": "toy", "peer": "other", "ours": 1.0, "theirs": 2.0, "ratio": 2.0, "bar": 1.5}


@pytest.fixture
def toy_cases(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A benchmarks package with one good case, one that misses its bar, one that is none."""
    texts = {
        "toy_case": f"def case(): return {{**{RESULT!r}, 'holds': True, 'extra': 1}}",
        "slow": f"def case(): return {{**{RESULT!r}, 'ratio': 1.0, 'holds': False}}",
        "rows": f"""def case():
            free = {{**{RESULT!r}, "bar": None, "holds": None}}
            return [{{**free, "details": {{"spread": "small"}}}}, free]""",
        "empty": "",
        "partial": "def case(): return {'case': 'partial'}",
    }
    folder = tmp_path / "cases"
    folder.mkdir()
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text + "\n")
    monkeypatch.setattr(neuro.benchmarks, "__path__", [str(folder)])
    yield folder
    for name in texts:
        sys.modules.pop(f"neuro.benchmarks.{name}", None)


def test_bench_writes_the_agreed_fields(
    toy_cases: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bench.json"
    assert main(["bench", "toy-case", "slow", "--json", str(file)]) == 0
    found = json.loads(file.read_text())
    assert found[0] == {**RESULT, "holds": True}
    assert found[1]["holds"] is False
    assert "toy" in capsys.readouterr().out
    assert main(["bench", "toy-case", "--strict"]) == 0
    assert main(["bench", "slow", "--strict"]) == 1


def test_bench_takes_several_results_and_results_without_a_bar(
    toy_cases: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bench.json"
    assert main(["bench", "rows", "--strict", "--json", str(file)]) == 0
    first, second = json.loads(file.read_text())
    assert first == {**second, "details": {"spread": "small"}}
    assert second["holds"] is None
    assert "toy; spread: small" in capsys.readouterr().out


def test_bench_lists_and_refuses(
    toy_cases: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "--list"]) == 0
    assert capsys.readouterr().out.split() == ["empty", "partial", "rows", "slow", "toy-case"]
    for arguments, message in (
        (["fast"], "no benchmark 'fast'; there are empty, partial, rows, slow, toy-case"),
        (["empty"], "has no function case()"),
        (["partial"], "its result lacks peer"),
        (["toy-case", "--json", str(tmp_path / "no" / "x.json")], "its folder does not exist"),
    ):
        assert main(["bench", *arguments]) == 1
        assert message in capsys.readouterr().err


def test_shipped_cases_have_a_case_function() -> None:
    from importlib import import_module

    for name in bench.cases():
        module = import_module(f"neuro.benchmarks.{name.replace('-', '_')}")
        assert isinstance(module, types.ModuleType) and callable(module.case)


# --- tune ------------------------------------------------------------------------------------

TINY = ["--set", "images_per_task=20", "--set", "hidden=10", "--set", "sleep_steps=12"]


@pytest.fixture
def short_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    from neuro.learning import search

    monkeypatch.setitem(search.RANGES, "sleep_steps", (10.0, 12.0))


@pytest.mark.parametrize("sampler", ["tpe", "cmaes", "genetic"])
def test_tune_saves_a_preset_that_continual_reads(
    sampler: str,
    short_sleeps: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    where = ["--study", "s.study", "--save", "best.json", "--sampler", sampler]
    assert main(["tune", "--trials", "2", "--seeds", "7", *where, *TINY]) == 0
    assert "best of 2" in capsys.readouterr().out
    saved = json.loads(Path("best.json").read_text())
    assert saved["images_per_task"] == 20 and 10.0 <= saved["sleep_steps"] <= 12.0
    run = ["continual", "--preset", "best.json", "--seeds", "0", "--no-baselines", "--out", "run"]
    assert main(run) == 0
    assert (
        json.loads(Path("run/metrics.json").read_text())["seeds"][0]["images_trained"] == [20] * 5
    )


def test_tune_in_processes_and_from_what_was_found(
    short_sleeps: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("start.json").write_text('{"rate": 123.0}')
    where = ["--study", "sqlite:///s.db", "--jobs", "2", "--save", "best.json"]
    begin = ["--preset", "start.json", "--learner", "bptt"]
    assert main(["tune", "--trials", "2", "--seeds", "7", *where, *begin, *TINY]) == 0
    assert "best of 2" in capsys.readouterr().out
    from neuro.learning.search_study import open_study

    judged = [trial.user_attrs["preset"] for trial in open_study("sqlite:///s.db").trials]
    assert {preset["learner"] for preset in judged} == {"bptt"}
    assert 123.0 in [preset["rate"] for preset in judged]


def test_tune_scores_are_those_of_continual_on_validation_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    quick = ["--set", "images_per_task=60", "--set", "sleep_steps=200"]
    options = [*quick, "--learner", "ff", "--rehearsal", "0.1", "--set", "epochs=2"]
    assert main(["tune", "--trials", "1", "--seeds", "7", *options]) == 0
    told = ["--evaluate-on", "validation", "--seeds", "7", "--no-baselines", "--out", "run"]
    assert main(["continual", *options, *told]) == 0
    measured = json.loads(Path("run/metrics.json").read_text())["seeds"][0]["final_accuracy"]
    assert f"worst seed {100 * measured:.1f} %" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--trials", "0"], "--trials 0: give at least 1"),
        (["--jobs", "0"], "--jobs 0: give at least 1"),
        (["--sleep", "none"], "leaves nothing to tune"),
        (["--sampler", "ga"], "unknown sampler 'ga'; choose one of tpe, cmaes, genetic"),
        (["--study", "no/folder/s.db"], "cannot use the study file"),
        (["--study", "what://server/x"], "cannot use the study what://server/x"),
        (["--rehearsal", "-1"], "--rehearsal -1 is no fraction"),
        (["--regulariser", "ewc"], "regulariser 'ewc' goes with learner 'ff' only"),
        (["--preset", "no.json"], "cannot read preset file no.json"),
    ],
)
def test_tune_refuses(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["tune", *arguments]) == 1
    assert message in capsys.readouterr().err


def test_tune_interrupted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import neuro.models.continual as model

    def stop(*arguments: Any, **named: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(model, "run", stop)
    assert main(["tune", "--trials", "2", "--study", "s.study"]) == 130
    assert "finished candidates are in s.study: the same command" in capsys.readouterr().err
