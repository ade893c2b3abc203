"""The Python and the commands of README.md and the guides work as they stand there."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

import neuro as nr
from neuro.cli import app

ROOT = Path(__file__).parent.parent


def run(page, count, tmp_path):
    """Lines that the ``count`` blocks of Python on a page print."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert len(blocks) == count
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_code_of_the_readme(tmp_path):
    accuracy, reference, brian2, torch, lava, *program, items = run("README.md", 4, tmp_path)
    assert float(accuracy) > 0.5
    spikes = {line.split()[1] for line in (reference, brian2, torch, lava)}
    assert len(spikes) == 1, spikes
    assert any("arrive inp_exc" in line for line in program)
    few, some, many = json.loads(items)
    assert few < some < many


@pytest.mark.skipif(nr.backends().get("lava") is not True, reason="Lava is not here")
def test_the_code_of_the_page_on_loihi(tmp_path):
    lines = run("docs/loihi.md", 6, tmp_path)
    assert any("in whole numbers" in line for line in lines)
    assert any("demo fits Loihi 2: 1 core" in line for line in lines)
    assert any("dw = y0*x1 - y0*x2 - x0*y1" in line for line in lines)
    assert float(lines[-1]) != 0.05


def test_the_code_of_the_page_on_reactivation(tmp_path):
    divergence, peak = map(float, run("docs/reactivation.md", 1, tmp_path))
    assert 0 < divergence < 0.6
    assert 0.7 < peak < 1.3


def test_the_code_of_the_page_on_nir(tmp_path):
    assert run("docs/nir.md", 1, tmp_path) == []
    assert (tmp_path / "net.nir").is_file()


def test_the_code_of_the_page_on_torch(tmp_path):
    accuracy, same, ends = run("docs/torch.md", 2, tmp_path)
    assert float(accuracy) > 0.9
    assert same == "True"
    assert ends == "['input', 'bias'] ['output']"


def test_the_code_of_the_page_on_continual_learning(tmp_path):
    accuracies, correlations, p_value = run("docs/continual.md", 1, tmp_path)
    assert float(accuracies.split()[0]) > 0.5
    before, after = map(float, correlations.split())
    assert after < before
    assert float(p_value) < 0.05
    assert (tmp_path / "weights.png").is_file()


def test_the_code_of_the_page_on_predictive_coding(tmp_path):
    accuracy, agreement = run("docs/predictive.md", 1, tmp_path)
    assert float(accuracy) > 0.9
    assert float(agreement) > 0.94


def commands():
    """Every command that a page shows, as a list of words."""
    found = {}
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL):
            for line in block.splitlines():
                if line.startswith("neuro "):
                    found[line] = shlex.split(line, comments=True)[1:]
    return found


@pytest.mark.parametrize("words", commands().values(), ids=commands())
def test_commands_have_these_options(words, monkeypatch):
    """Options and their values are understood; nothing runs."""
    monkeypatch.chdir(ROOT)
    name, *rest = words
    command = typer.main.get_command(app)
    with command.make_context("neuro", [name, "--help"], resilient_parsing=True) as above:
        command.commands[name].make_context(name, rest, parent=above).close()
