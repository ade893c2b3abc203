# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
# ---

# %% [markdown]
# # Write your own neuron and your own plasticity rule
#
# Models are text in a small equation language: differential equations with units, statements for
# what happens at once, a threshold, a reset. The library's own models are written in it too.

# %%
import matplotlib.pyplot as plt
import numpy as np

import neuro as nr

# %% [markdown]
# A neuron that bursts: each spike adds to a slow current that pulls back. Units are checked, so
# volts cannot be added to seconds.

# %%
bursting = nr.NeuronModel(
    """
    dv/dt = (v_rest - v + drive - slow) / tau : volt
    dslow/dt = -slow / tau_slow : volt
    """,
    parameters={
        "tau": (10e-3, "second"),
        "tau_slow": (150e-3, "second"),
        "v_rest": (0.0, "volt"),
        "drive": (np.linspace(0.5, 3.0, 6), "volt"),  # one for each unit
    },
    inputs={"kick": "volt"},
    after="v += kick",
    threshold="v > 1",
    reset="v = 0; slow += 0.2",
    name="bursting",
)

# %% [markdown]
# A rule: weights grow with the trace of earlier input when the target spikes, and shrink a little
# at each arrival.

# %%
rule = nr.PlasticityRule(
    parameters={"tau_trace": (20e-3, "second"), "rate": (0.01, "1"), "cost": (0.002, "1")},
    pre_traces="dx/dt = -x / tau_trace : volt",
    on_pre="x += 1; w = max(w - cost * w, 0)",
    on_post="w = min(w + rate * x, 1)",
    name="grow and cost",
)

# %%
net = nr.Network("own", seed=2)
inputs = net.population("inputs", nr.Poisson(rate=np.linspace(5, 60, 20)), 20)
cells = net.population("cells", bursting, 6)
net.connect(inputs, cells, 0.1, plasticity=rule)
net.record(cells)
net.record(cells, "slow")

# %% [markdown]
# What becomes of it, step by step, on every backend: the equations were solved exactly.

# %%
print(nr.lower(net, dt=1e-3))

# %%
with nr.compile(net, dt=1e-3) as sim:
    recording = sim.run(3.0)
    weights = sim.weights("inputs_cells")
steps, units = recording.spikes(cells)
print("spikes of each cell:", np.bincount(units, minlength=6))
figure, (above, below) = plt.subplots(2, 1, figsize=(7, 5), layout="constrained")
above.plot(steps, units, "k|")
above.set(xlabel="time [ms]", ylabel="cell", title="spikes")
below.plot(np.linspace(5, 60, 20), weights)
below.set(xlabel="rate of the input [Hz]", ylabel="weight [V]", title="learned by each cell")
assert weights[-5:].mean() > weights[:5].mean()

# %% [markdown]
# A mistake is told at its line:

# %%
try:
    nr.NeuronModel("dv/dt = -v : volt", threshold="v > 1", reset="v = 0")
except nr.UnitError as error:
    print(error)
