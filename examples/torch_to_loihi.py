# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
# ---

# %% [markdown]
# # From torch weights to Loihi
#
# Train a spiking network with surrogate gradients in torch, make whole numbers of it, run it as the
# chip would, bit by bit, and ask whether it fits.

# %%
import numpy as np
import torch

import neuro as nr

DT, STEPS = 1e-3, 25
digits = nr.datasets.load("digits")
images = torch.as_tensor(digits.flat(digits.train_images), dtype=torch.float32)
labels = torch.as_tensor(digits.train_labels, dtype=torch.long)
torch.manual_seed(0)

# %% [markdown]
# Describe the network; torch gets it as a module.

# %%
net = nr.Network("digits", seed=0)
draw = np.random.default_rng(0)
inputs = net.population("inputs", nr.Poisson(rate=1.0), 64)
hidden = net.population("hidden", nr.LIF(tau_m=10e-3), 48)
output = net.population("output", nr.LIF(tau_m=20e-3), 10)
net.connect(inputs, hidden, draw.normal(0, 0.2, (64, 48)))
net.connect(hidden, output, draw.normal(0, 0.2, (48, 10)))
net.record(output)
module = nr.to_torch(net, DT)


def spikes_of(pixels: torch.Tensor) -> torch.Tensor:
    """A pixel's brightness is the probability of a spike in a step."""
    return (torch.rand(STEPS, *pixels.shape) < 0.5 * pixels).float()


learner = torch.optim.Adam(module.parameters(), 5e-3)
for epoch in range(6):
    for batch in torch.randperm(len(images)).split(64):
        counts = module(spikes_of(images[batch]))[0].sum(0)
        loss = torch.nn.functional.cross_entropy(0.5 * counts, labels[batch])
        learner.zero_grad()
        loss.backward()
        learner.step()
    print(f"epoch {epoch}: loss {loss.item():.2f}")

# %% [markdown]
# Its weights go back into the description, and the description goes anywhere: here to floats and to
# Loihi's whole numbers, on images that it has not seen.

# %%
learned = module.to_network()
trials = torch.as_tensor(digits.flat(digits.test_images[:60]), dtype=torch.float32)
given = spikes_of(trials)
sources = [nr.SpikeTimes(*(i.numpy() for i in given[:, n].nonzero().T)) for n in range(60)]
learned.drive("inputs", nr.PerItem(sources))
for precision in ("float64", "loihi"):
    with nr.compile(learned, "torch", dt=DT, precision=precision, batch=60) as sim:
        recording = sim.run_steps(STEPS + 2)
    counts = [np.bincount(recording.spikes("output", item=n)[1], minlength=10) for n in range(60)]
    right = np.mean(np.argmax(counts, axis=1) == digits.test_labels[:60])
    print(f"{precision}: {right:.0%} right")
    assert right > 0.75

# %% [markdown]
# Does it fit the chip, and what would it cost?

# %%
print(nr.loihi.deploy(learned, dt=DT, target="loihi2"))
