# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
# ---

# %% [markdown]
# # Learn, sleep, remember
#
# A recurrent network learns two digits at a time by equilibrium propagation and forgets what came
# before. Between tasks its weights go into a spiking network, which replays in sleep and learns by
# spike timing; then they come back (Kubo, Delanois & Bazhenov 2025, arXiv:2508.14081).
#
# The command `neuro continual --dataset digits --sleep brian2` does all of it with report and
# figures. Here are its parts.

# %%
import json
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from neuro.cli import main

# %%
folder = Path(tempfile.mkdtemp())
command = "continual --dataset digits --sleep reference --seeds 0 --no-joint --out"
assert main([*command.split(), str(folder)]) == 0
metrics = json.loads((folder / "metrics.json").read_text())

# %% [markdown]
# Accuracy on each task (columns) after each task (rows). Without sleep only the last task is left.

# %%
tasks = len(metrics["per_task"])
awake = metrics["baselines"]["sequential"]
slept, awake = (
    # A row after each task and one after each sleep; the last column is of all tasks together.
    np.array(run["seeds"][0]["accuracy_matrix"], float)[1::2, :tasks] for run in (metrics, awake)
)
figure, axes = plt.subplots(1, 2, figsize=(7, 3), layout="constrained")
for ax, matrix, title in zip(axes, (awake, slept), ("without sleep", "with sleep"), strict=True):
    image = ax.imshow(matrix, vmin=0, vmax=1)
    ax.set(xlabel="task", ylabel="after task", title=title)
figure.colorbar(image, label="accuracy")
print("after all tasks: without sleep", awake[-1].round(2), "with", slept[-1].round(2))
assert np.nanmean(slept[-1]) > 1.5 * np.nanmean(awake[-1])
