"""``neuro new``: a folder to begin a project of one's own with."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from neuro.errors import JobError

NETWORK = '''"""{title}: the network, and a first look at it. Run: python network.py"""

import matplotlib.pyplot as plt

import neuro as nr

DT = 1e-3  # seconds


def network(seed: int = 0) -> nr.Network:
    """Describe it; nothing is simulated here."""
    net = nr.Network("{name}", seed=seed)
    inputs = net.population("inputs", nr.Poisson(rate=40.0), 100)
    cells = net.population("cells", nr.LIF(tau_m=20e-3, t_ref=2e-3), 50)
    net.connect(inputs, cells, nr.fixed_probability(0.2, weight=0.2))
    net.connect(cells, cells, nr.fixed_probability(0.1, nr.Normal(-0.1, 0.05)), delay=3e-3)
    net.record(cells)
    return net


if __name__ == "__main__":
    net = network()
    print(net)
    with nr.compile(net, dt=DT) as sim:  # or "brian2", "torch", "lava": the same spikes
        recording = sim.run(1.0)
    steps, units = recording.spikes("cells")
    print(f"{{len(steps)}} spikes, {{len(steps) / 50:.1f}} Hz")
    plt.plot(steps * DT, units, "k|", markersize=3)
    plt.xlabel("time [s]")
    plt.ylabel("cell")
    plt.savefig("spikes.png", dpi=150)
'''

TEST = '''"""What must stay true. Run: pytest"""

import numpy as np
import pytest
from network import DT, network

import neuro as nr

OTHERS = [name for name, why in nr.backends().items() if why is True and name != "reference"]


def spikes(backend: str) -> np.ndarray:
    options = {{"target": "numpy"}} if backend == "brian2" else {{}}
    with nr.compile(network(), backend, dt=DT, **options) as sim:
        return np.array(sim.run(0.3).spikes("cells"))


def test_cells_are_neither_silent_nor_wild():
    assert 1 < spikes("reference").shape[1] / 50 / 0.3 < 100


@pytest.mark.parametrize("backend", OTHERS)
def test_the_same_spikes_everywhere(backend):
    assert np.array_equal(spikes(backend), spikes("reference"))
'''

README = """# {title}

```sh
python network.py        # runs the network, draws spikes.png
pytest                   # the same spikes on every backend that is installed
neuro backends           # which these are
```

Where to go from here: `python -c "import neuro; help(neuro)"`.
"""

FILES = {"network.py": NETWORK, "test_network.py": TEST, "README.md": README}


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(epilog="Example: neuro new my-network && cd my-network && python network.py")(new)


def new(
    folder: Annotated[Path, typer.Argument(help="Folder to be made; its name is the project's.")],
) -> None:
    """Begin a project: a network, a test that it spikes alike everywhere, a README."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise JobError(f"{folder} exists and is not empty; name another folder")
    title = folder.resolve().name
    name = re.sub(r"\W+", "_", title).strip("_") or "network"
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in FILES.items():
        (folder / file).write_text(text.format(title=title, name=name))
    typer.echo(f"made {folder}: {', '.join(FILES)}")
    typer.echo(f"begin with: cd {folder} && python network.py")
