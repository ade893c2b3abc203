"""The Python of README.md runs as it stands there and shows what it says."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def test_the_code_of_the_readme(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) == 4
    script = tmp_path / "readme.py"
    script.write_text("\n".join(blocks))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"},
    )
    assert done.returncode == 0, done.stderr
    accuracy, reference, brian2, torch, *program, items = done.stdout.splitlines()
    assert float(accuracy) > 0.5
    assert reference.split()[1] == brian2.split()[1] == torch.split()[1]
    assert any("arrive inp_exc" in line for line in program)
    few, some, many = json.loads(items)
    assert few < some < many
