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
from neuro.cli.bench import cases

ROOT = Path(__file__).parent.parent


def run(page, tmp_path):
    """Lines that all the Python on a page prints, run as one script."""
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks(page)))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def blocks(page):
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


def test_no_page_with_code_is_forgotten():
    here = Path(__file__).read_text()
    written = ["README.md", *(f"docs/{path.name}" for path in ROOT.glob("docs/*.md"))]
    assert [page for page in written if blocks(page) and f'run("{page}"' not in here] == []


def test_the_code_of_the_tutorial(tmp_path):
    assert blocks("docs/tutorial.md")[0].strip().count("\n") < 16
    lines = run("docs/tutorial.md", tmp_path)
    assert int(lines[0].removesuffix(" spikes")) > 100
    assert (tmp_path / "raster.png").stat().st_size > 5000
    assert "delay" in lines[1]
    assert all(line.endswith(" True") for line in lines[2:-3]) and len(lines) > 6
    slow, fast = map(float, re.findall(r"0\.\d+", lines[-1]))
    assert fast > 1.5 * slow


def test_the_code_of_the_page_on_models(tmp_path):
    assert run("docs/models.md", tmp_path) == ["True"]


def test_the_code_of_the_page_on_runs(tmp_path):
    later, voltage, same, complete, counts = run("docs/runs.md", tmp_path)
    assert later == same == complete == "True"
    assert voltage == "(100, 2)"
    few, some, many = json.loads(counts)
    assert few < some < many


def test_the_code_of_the_page_on_backends_of_your_own(tmp_path):
    assert run("docs/new-backend.md", tmp_path) == []


def test_the_code_of_the_readme(tmp_path):
    accuracy, reference, native, brian2, torch, lava, *program, items = run("README.md", tmp_path)
    assert float(accuracy) > 0.5
    spikes = {line.split()[1] for line in (reference, native, brian2, torch, lava)}
    assert len(spikes) == 1, spikes
    assert any("arrive inp_exc" in line for line in program)
    few, some, many = json.loads(items)
    assert few < some < many


@pytest.mark.skipif(nr.backends().get("lava") is not True, reason="Lava is not here")
def test_the_code_of_the_page_on_loihi(tmp_path):
    lines = run("docs/loihi.md", tmp_path)
    assert any("in whole numbers" in line for line in lines)
    assert any("demo fits Loihi 2: 1 core" in line for line in lines)
    assert any("dw = y0*x1 - y0*x2 - x0*y1" in line for line in lines)
    assert float(lines[-1]) != 0.05


def test_the_code_of_the_page_on_reactivation(tmp_path):
    divergence, peak = map(float, run("docs/reactivation.md", tmp_path))
    assert 0 < divergence < 0.6
    assert 0.7 < peak < 1.3


def test_the_code_of_the_page_on_pynn(tmp_path):
    pytest.importorskip("pyNN")
    spikes, shape = run("docs/pynn.md", tmp_path)
    assert float(spikes.split()[0]) > 0
    assert shape == "40 (301, 2)"


def test_the_code_of_the_page_on_nir(tmp_path):
    assert run("docs/nir.md", tmp_path) == []
    assert (tmp_path / "net.nir").is_file()


def test_the_code_of_the_page_on_torch(tmp_path):
    accuracy, same, ends = run("docs/torch.md", tmp_path)
    assert float(accuracy) > 0.9
    assert same == "True"
    assert ends == "['input', 'bias'] ['output']"


def test_the_code_of_the_page_on_continual_learning(tmp_path):
    accuracies, correlations, p_value = run("docs/continual.md", tmp_path)
    assert float(accuracies.split()[0]) > 0.5
    before, after = map(float, correlations.split())
    assert after < before
    assert float(p_value) < 0.05
    assert (tmp_path / "weights.png").is_file()


def test_the_code_of_the_page_on_predictive_coding(tmp_path):
    accuracy, agreement = run("docs/predictive.md", tmp_path)
    assert float(accuracy) > 0.9
    assert float(agreement) > 0.94


def commands():
    """Every command that a page shows, in a block or in a line, as a list of words."""
    found = {}
    for page in (ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))):
        text = page.read_text()
        lines = [
            line
            for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
            for line in block.splitlines()
        ]
        # In running text dots, capitals and braces stand for something.
        inline = re.findall(r"`(neuro [a-z-]+ [^`\n]*)`", text)
        lines += [line for line in inline if not re.search(r"[.…]{3}|…|[{}\[\]]|\b[A-Z]{3,}", line)]
        for line in lines:
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
    if name == "bench":
        assert {case for case in rest if not case.startswith("-")} <= set(cases())
