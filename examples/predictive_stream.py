# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
# ---

# %% [markdown]
# # Predictive coding on a stream of tasks
#
# Spiking columns, one or a few for each class, predict their input and learn from what they did not
# predict: only local errors, no gradients, no stored data, no task labels. Each image is seen once,
# and what was learned first is still there at the end.

# %%
import matplotlib.pyplot as plt
import numpy as np

import neuro as nr
from neuro.learning.predictive_settings import PredictiveSettings
from neuro.models.predictive import PredictiveColumns

digits = nr.datasets.load("digits")
images, labels = digits.flat(digits.train_images), digits.train_labels
test = digits.flat(digits.test_images)
settings = PredictiveSettings(latents=8, columns=20)
model = PredictiveColumns(settings, inputs=64, n_classes=10, seed=0)

# %% [markdown]
# Five tasks of two classes each; after each, accuracy on every task so far.

# %%
course = np.full((5, 5), np.nan)
for task in range(5):
    new = np.flatnonzero(labels // 2 == task)
    for batch in np.array_split(new, len(new) // 10):
        model.learn(images[batch], labels[batch])
    right = model.predict(test) == digits.test_labels
    for earlier in range(task + 1):
        course[task, earlier] = right[digits.test_labels // 2 == earlier].mean()
    print(f"after task {task}: {course[task, : task + 1].round(2)}")

# %%
figure, axes = plt.subplots(figsize=(5, 3), layout="constrained")
for task in range(5):
    axes.plot(range(task, 5), course[task:, task], "o-", label=f"digits {2 * task}, {2 * task + 1}")
axes.set(xlabel="tasks learned", ylabel="accuracy", ylim=(0, 1.02), xticks=range(5))
axes.legend(fontsize=7)
assert course[-1].mean() > 0.85

# %% [markdown]
# The columns are an ordinary network, so they answer the same on any backend:

# %%
same = model.on("brian2", precision="float64", target="numpy")
print("alike:", np.mean(same.predict(test[:20]) == model.predict(test[:20])))
