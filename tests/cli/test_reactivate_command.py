"""``neuro reactivate``."""

import json

import pytest

from neuro.cli import main

pytestmark = pytest.mark.xdist_group("reactivate")  # they share a run

SMALL = [
    *("--set", "batches=30", "--set", "trajectories=20", "--set", "offline_steps=40"),
    *("--set", "steps=10", "--set", "batch_size=8", "--set", "units=16", "--set", "cells=12"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reactivate") / "out"
    command = ["reactivate", "--task", "anchor", *SMALL, "--seeds", "3-4", "--out", str(folder)]
    assert main([*command, "--jobs", "2"]) == 0
    return command, folder


def test_the_folder_holds_what_was_promised(run):
    _, folder = run
    metrics = json.loads((folder / "metrics.json").read_text())
    assert [seed["seed"] for seed in metrics["seeds"]] == [3, 4]
    needed = {
        "noisy_k1", "noisy_sqrt2", "noisy_k2", "clean_no_noise", "clean_noise",
        "clean_snr_matched", "untrained",
    }  # fmt: skip
    measures = {"kl", "step_ratio", "resultant", "spread", "off_manifold", "peak_ratio"}
    for seed in metrics["seeds"]:
        assert needed <= set(seed["conditions"])
        assert all(measures <= set(found) for found in seed["conditions"].values())
    both = [seed["conditions"]["untrained"]["kl"] for seed in metrics["seeds"]]
    assert metrics["mean"]["untrained"]["kl"] == pytest.approx(sum(both) / 2)
    report = (folder / "report.html").read_text()
    assert report.count("<figure>") == 5
    for name in ("trajectories", "occupancy", "overlay", "temperature", "explained-variance"):
        assert (folder / f"{name}.svg").is_file()
    assert not (folder / "unfinished").exists()


def test_again_it_takes_what_is_there_and_gives_the_same(run, capsys):
    command, folder = run
    before = (folder / "metrics.json").read_bytes()
    assert main([*command, "--json"]) == 0
    said = capsys.readouterr().out
    assert "seed 3:" not in said
    assert json.loads(said) == json.loads(before)
    assert (folder / "metrics.json").read_bytes() == before


@pytest.mark.slow
def test_seeds_do_not_depend_on_each_other(run, tmp_path):
    _, folder = run
    other = ["reactivate", "--task", "anchor", *SMALL, "--seeds", "4", "--out", str(tmp_path / "o")]
    assert main(other) == 0
    written = (where / "metrics.json" for where in (tmp_path / "o", folder))
    one, both = (json.loads(file.read_text())["seeds"] for file in written)
    assert one[0] == both[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--task", "chess"], "task 'chess' is unknown; choose head-direction, anchor, position"),
        (["--bias", "odd"], "--bias 'odd' is unknown; choose unbiased, biased, both"),
        (["--task", "anchor", "--bias", "biased"], "has its anchor for a bias"),
        (["--noise", "pink", "--set", "batches=1"], "noise 'pink' is unknown"),
        (["--set", "unitz=3"], "unknown setting 'unitz'; known are"),
        (["--spiking", "abacus"], "unknown --spiking 'abacus'; choose one of"),
        (["--spiking", "torch", "--set", "activation=tanh"], "leaky with activation tanh"),
        (["--spiking", "torch", "--noise", "uniform01"], "--spiking has noise of mean 0"),
        (["--pools", "stochastic"], "cells of networks in spikes; add --spiking"),
        (["--spiking", "torch", "--pools", "odd"], "Pools kind 'odd' is unknown"),
        (["--jobs", "0"], "--jobs 0: give at least 1"),
        (["--set", "kind=lstm"], "network 'lstm' is unknown"),
    ],
)
def test_mistakes_are_told_in_a_line(options, message, capsys, tmp_path):
    assert main(["reactivate", "--seeds", "0", "--out", str(tmp_path / "x"), *options]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
