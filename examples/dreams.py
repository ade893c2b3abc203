# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
# ---

# %% [markdown]
# # Dreams of a head-direction network
#
# A noisy network learns to keep track of a heading from turns alone. Then it gets no input, only
# noise. Does it go back to the headings that it knows (Krishna et al. 2024, arXiv:2505.17003)?
# The command is `neuro reactivate --task anchor`; this is a small network of the same kind.

# %%
import matplotlib.pyplot as plt
import numpy as np

from neuro.analysis.reactivation import compare
from neuro.learning.reactivation_settings import reactivation_settings
from neuro.models.reactivation import Rates, Spikes, awake, offline, train
from neuro.models.reactivation.tasks import AnchoredHeadDirection
from neuro.random import stream

settings = reactivation_settings("anchor").with_values({"batches": 800, "units": 32, "cells": 32})
task = AnchoredHeadDirection(settings.cells)
net = train(settings, task, noise=settings.noise, seed=0).network

# %%
lived = task.trajectories(100, settings.steps, stream(0, "lived"))
life = awake(Rates(net, 0.1, stream(0, "noise")), task, lived)
print(f"error awake: {life.error:.2f} rad")
dreams = {
    f"noise x {gain:.2f}": offline(
        Rates(net, 0.1 * gain, stream(1, "noise")), task, lived.start, 400
    )
    for gain in (0.0, 2**0.5, 3.0)
}
for title, dream in dreams.items():
    found = compare(task.space, dream, life.stretch, stream=stream(0, "points"))
    print(f"{title}: divergence {found['kl']:.2f}, spread {found['spread']:.3f}")

# %% [markdown]
# The same network in spikes: every unit becomes a pool of integrate-and-fire cells.

# %%
spiking = Spikes(net, 0.1 * 2**0.5, backend="torch")
dreams["in spikes"] = offline(spiking, task, lived.start[:20], 60)

# %%
figure, axes = plt.subplots(1, 5, figsize=(12, 3), sharey=True, layout="constrained")
shown = {"awake": life.stretch, **dreams}
for ax, (title, stretch) in zip(axes, shown.items(), strict=True):
    ax.plot(stretch.decoded[:, :6], ".", markersize=1)
    ax.set(title=title, xlabel="step")
axes[0].set(ylabel="heading [rad]", ylim=(-np.pi, np.pi))
spreads = [np.ptp(np.unwrap(d.decoded, axis=0), axis=0).mean() for d in list(dreams.values())[:3]]
assert spreads == sorted(spreads)
