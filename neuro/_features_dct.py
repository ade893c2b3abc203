"""Features that nothing has to learn: contrasts of small patches, averaged over parts of the image.

The cosines of a discrete cosine transform, of low frequency, weigh patches of the image, as do two
pairs of opponent colours; more and less of each are two features, as on and off cells of a retina
tell them apart. They are the same for all data sets: no image and no label takes part.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from neuro._features_conv import one_thread, stacked
from neuro.errors import DatasetError
from neuro.progress import Progress

if TYPE_CHECKING:
    from neuro.features import Images

STRIDE = 2
"""Pixels from patch to patch."""

OPPONENTS = ((1.0, -1.0, 0.0), (1.0, 1.0, -2.0))
"""Weights of red, green and blue: red against green, yellow against blue."""


class LocalCosines:
    r"""Rectified local cosines over local contrast, averaged over parts.

    At every second pixel, with the values :math:`x` of the patch around it in three colours
    (0 beyond the border) and each of the :func:`patches` :math:`w`,

    .. math:: h = \frac{w \cdot x}{\sqrt{n} \, (\sigma(x) + \sigma_0)}

    where n counts the values and :math:`\sigma` is their standard deviation. The features are the
    averages of :math:`\max(h, 0)` and :math:`\max(-h, 0)` over ``parts`` × ``parts`` parts of the
    image: 800 with the defaults. Those of colours are 0 for grey images.

    Parameters
    ----------
    size : int
        Pixels of a side of the patch.
    cosines : int
        Cosines, those of lowest frequency.
    parts : int
        Parts of the image, on each side.
    floor : float
        :math:`\sigma_0`, of values from 0 to 1: fainter contrasts are mostly noise.
    """

    def __init__(
        self, size: int = 6, cosines: int = 14, parts: int = 5, floor: float = 0.1
    ) -> None:
        self.size, self.cosines, self.parts, self.floor = size, cosines, parts, floor

    @property
    def identity(self) -> dict[str, Any]:
        """See :class:`neuro.features.Extractor`."""
        return {
            "name": "dct",
            "size": self.size,
            "cosines": self.cosines,
            "parts": self.parts,
            "floor": self.floor,
            "torch": torch.__version__,
        }

    @property
    def description(self) -> str:
        """See :class:`neuro.features.Extractor`."""
        return f"local contrasts ({self.cosines} cosines in {self.parts} × {self.parts} parts)"

    def prepare(self, images: Images, labels: NDArray[np.int64]) -> None:
        """Nothing to learn; refuse images that are too small."""
        least = STRIDE * self.parts
        if min(images[0].shape[:2]) < least:
            raise DatasetError(
                f"features 'dct': images of less than {least} pixels a side are too small for them"
            )

    def extract(self, images: Images, progress: Progress) -> NDArray[np.float32]:
        """Averages over the parts of each image, shape [n, 2 * (cosines + 2) * parts ** 2]."""
        filters = torch.from_numpy(patches(self.size, self.cosines))
        rows = []
        with one_thread(), torch.no_grad():
            for start in range(0, len(images), 500):
                some = stacked(images[start : start + 500]) / 255
                found = self._contrasts(some, filters)
                signed = torch.cat([found, -found], dim=1).clamp(min=0)
                pooled = nn.functional.adaptive_avg_pool2d(signed, self.parts)
                rows.append(pooled.flatten(1).numpy())
                progress.advance(len(some))
        return np.concatenate(rows)

    def _contrasts(self, images: torch.Tensor, filters: torch.Tensor) -> torch.Tensor:
        """Weighed patches over local contrast, ``[n, filters, height, width]``."""
        values = filters[0].numel()
        mean = torch.full((1, *filters.shape[1:]), 1 / values)

        def over(planes: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = nn.functional.conv2d(
                planes, weights, stride=STRIDE, padding=self.size // 2
            )
            return found

        variance = over(images.square(), mean) - over(images, mean).square()
        contrast = variance.clamp(min=0).sqrt() + self.floor
        return over(images, filters) / (math.sqrt(values) * contrast)


def patches(size: int, cosines: int) -> NDArray[np.float32]:
    """What patches are weighed with: cosines of their brightness by frequency, opponent colours.

    Returns
    -------
    ndarray, shape [cosines + 2, 3, size, size]
        Of length 1, and at right angles to each other and to a patch of one grey.
    """
    line = np.cos(np.pi * (np.arange(size) + 0.5) * np.arange(size)[:, None] / size)
    pairs = [(u, v) for u in range(size) for v in range(size) if u + v > 0]
    pairs.sort(key=lambda pair: (pair[0] ** 2 + pair[1] ** 2, pair))
    found = [np.tile(np.outer(line[u], line[v]), (3, 1, 1)) for u, v in pairs[:cosines]]
    found += [np.tile(np.reshape(colour, (3, 1, 1)), (size, size)) for colour in OPPONENTS]
    return np.array([patch / np.linalg.norm(patch) for patch in found], dtype=np.float32)
