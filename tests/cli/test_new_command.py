"""``neuro new``."""

import os
import subprocess
import sys

import pytest

from neuro.cli import main


def test_a_new_project_runs_and_passes_its_tests(tmp_path, capsys):
    folder = tmp_path / "my first-net"
    assert main(["new", str(folder)]) == 0
    assert "network.py, test_network.py, README.md" in capsys.readouterr().out
    env = os.environ | {"MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}
    said = ""
    for command in (["network.py"], ["-m", "pytest", "-q", "-p", "no:cacheprovider"]):
        done = subprocess.run(
            [sys.executable, *command], cwd=folder, env=env, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        said += done.stdout
    assert "network 'my_first_net'" in said
    assert (folder / "spikes.png").stat().st_size > 5000


def test_what_is_there_is_not_overwritten(tmp_path, capsys):
    (tmp_path / "network.py").write_text("mine")
    assert main(["new", str(tmp_path)]) == 1
    assert "exists and is not empty; name another folder" in capsys.readouterr().err
    assert (tmp_path / "network.py").read_text() == "mine"


def test_shells_complete(capsys, monkeypatch):
    # What the script that `neuro --install-completion` writes asks when Tab is pressed.
    for word, name in ((1, "cont"), (2, "--protoc")):
        words = [*["neuro", "continual"][:word], name]
        monkeypatch.setenv("_NEURO_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", " ".join(words))
        monkeypatch.setenv("COMP_CWORD", str(word))
        with pytest.raises(SystemExit, match="0"):
            main([])
    assert capsys.readouterr().out.split() == ["continual", "--protocol"]
