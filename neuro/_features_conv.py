"""Features that need nothing from outside: a small convolutional network, trained on two classes.

The network learns to tell the first two classes apart, from their training images alone, and then
stays as it is. Later classes are new to it, as they are to whatever learns from its features:
no label of theirs, and no image, takes part.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from neuro.errors import DatasetError
from neuro.progress import Bar, Progress
from neuro.random import stream

if TYPE_CHECKING:
    from neuro.features import Images

FIRST_CLASSES = 2
HELD_BACK = 1 / 6
"""Share of the training images that it never sees: those that validation withholds."""
PARTS = 4
"""Parts of the image, on each side, that the features are averages of."""


class ConvNetwork:
    """Two layers of 3 × 3 convolutions; the features are averages of the last.

    Each layer is a convolution (all but the first with stride 2), batch normalisation and
    rectification. Each of the 64 channels of the last is averaged over 4 × 4 parts of the
    image: 1024 features.

    Parameters
    ----------
    seed : int
        Seed of initial weights and of the order of images.
    channels : tuple of int
        Channels of the layers.
    epochs : int
        Passes over the images of the first two classes.
    """

    def __init__(
        self, seed: int = 0, channels: tuple[int, ...] = (32, 64), epochs: int = 8
    ) -> None:
        self.seed = seed
        self.channels = channels
        self.epochs = epochs
        self._layers: nn.Module | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """See :class:`neuro.features.Extractor`."""
        return {
            "name": "conv",
            "seed": self.seed,
            "channels": list(self.channels),
            "epochs": self.epochs,
            "torch": torch.__version__,
        }

    @property
    def description(self) -> str:
        """See :class:`neuro.features.Extractor`."""
        return (
            f"features of a small convolutional network trained on the first {FIRST_CLASSES} "
            f"classes only (seed {self.seed})"
        )

    def prepare(self, images: Images, labels: NDArray[np.int64]) -> None:
        """Train on the first two classes."""
        kept = len(labels) - round(len(labels) * HELD_BACK)
        chosen = np.flatnonzero(labels[:kept] < FIRST_CLASSES)
        if not len(chosen):
            raise DatasetError(
                f"features 'conv': no training image of the first {FIRST_CLASSES} classes to "
                "learn them from"
            )
        least = PARTS * 2 ** (len(self.channels) - 1)
        if min(images[0].shape[:2]) < least:
            raise DatasetError(
                f"features 'conv': images of less than {least} pixels a side are too small for it"
            )
        with one_thread():
            self._layers = self._trained(_tensor([images[i] for i in chosen]), labels[chosen])

    def _trained(self, images: torch.Tensor, labels: NDArray[np.int64]) -> nn.Module:
        draw = stream(self.seed, "convolutional features")
        layers = self._network(draw)
        head = _initialised(nn.Linear(self.channels[-1], FIRST_CLASSES), draw)
        answers = torch.from_numpy(labels)
        weights = [*layers.parameters(), *head.parameters()]
        batch = min(64, len(labels))
        turns = self.epochs * (len(labels) // batch)
        optimiser = torch.optim.AdamW(weights, 2e-3, weight_decay=1e-3)
        rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=turns + 1)
        layers.train()
        with Bar(turns * batch, "learn features of the first two classes", "image") as bar:
            for _ in range(self.epochs):
                order = draw.permutation(len(labels))
                for start in range(0, len(order) - batch + 1, batch):
                    rows = torch.from_numpy(order[start : start + batch])
                    mirrored = torch.from_numpy(draw.random(batch) < 0.5)[:, None, None, None]
                    shown = torch.where(mirrored, images[rows].flip(3), images[rows])
                    scores = head(layers(shown).mean((2, 3)))
                    loss = nn.functional.cross_entropy(scores, answers[rows])
                    optimiser.zero_grad()
                    loss.backward()  # type: ignore[no-untyped-call]
                    optimiser.step()
                    rates.step()
                    bar.advance(batch)
        return layers.eval()

    def _network(self, draw: np.random.Generator) -> nn.Module:
        layers: list[nn.Module] = []
        below = 3
        for number, width in enumerate(self.channels):
            stride = 1 if number == 0 else 2
            layer = nn.Conv2d(below, width, 3, padding=1, stride=stride)
            layers += [_initialised(layer, draw), nn.BatchNorm2d(width), nn.ReLU()]
            below = width
        return nn.Sequential(*layers)

    def extract(self, images: Images, progress: Progress) -> NDArray[np.float32]:
        """Averages over the parts of each image, shape [n, 16 * channels]."""
        if self._layers is None:
            raise RuntimeError("prepare() comes before extract()")
        rows = []
        with one_thread(), torch.no_grad():
            for start in range(0, len(images), 500):
                some = _tensor(images[start : start + 500])
                pooled = nn.functional.adaptive_avg_pool2d(self._layers(some), PARTS)
                rows.append(pooled.flatten(1).numpy())
                progress.advance(len(some))
        return np.concatenate(rows)


def _tensor(images: Images) -> torch.Tensor:
    """Batch ``[n, 3, height, width]`` with values from -1 to 1."""
    return stacked(images) / 127.5 - 1


def stacked(images: Images) -> torch.Tensor:
    """Batch ``[n, 3, height, width]`` of images of one size, with values from 0 to 255.

    Raises
    ------
    DatasetError
        If their sizes differ.
    """
    arrays = list(images)
    if len(shapes := {image.shape for image in arrays}) > 1:
        one, other = sorted(shapes)[:2]
        raise DatasetError(
            f"images are {one[1]} × {one[0]} and {other[1]} × {other[0]} pixels; these features "
            "need images of one size"
        )
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).float()


def _initialised(layer: nn.Conv2d | nn.Linear, draw: np.random.Generator) -> nn.Module:
    """Torch's initial weights, U(±1/√inputs), from neuro's own stream."""
    bound = 1 / float(np.sqrt(layer.weight[0].numel()))
    with torch.no_grad():
        for values in layer.parameters():
            numbers = draw.uniform(-bound, bound, tuple(values.shape)).astype(np.float32)
            values.copy_(torch.from_numpy(numbers))
    return layer


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread adds up in the same order on every machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
