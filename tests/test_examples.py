"""Every example runs as a script, and is there as a notebook with the same cells and outputs."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))


def run(path, folder, *arguments):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(path), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_example(path, tmp_path):
    lines = run(path, tmp_path, "figure.png")
    assert lines
    if path.stem == "first_network":
        assert lines[-1] == "equal spikes, equal weights"
        assert (tmp_path / "figure.png").stat().st_size > 10_000


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_the_notebook_has_the_cells_of_the_script(path):
    """`make notebooks` writes them again."""
    script = re.split(r"^# %%.*\n", path.read_text(), flags=re.MULTILINE)[1:]
    notebook = json.loads(path.with_suffix(".ipynb").read_text())["cells"]
    assert len(notebook) == len(script)
    for cell, text in zip(notebook, script, strict=True):
        source = "".join(cell["source"]).strip()
        if cell["cell_type"] == "markdown":
            source = "\n".join(f"# {line}".rstrip() for line in source.splitlines())
        else:
            assert cell["execution_count"]
            assert not any(out["output_type"] == "error" for out in cell["outputs"])
        assert source == text.strip()
