"""What the name of a data set may say: ``SET[+SET ...][:FEATURES[@WEIGHTS]]``.

``mnist+cifar10``
    A sequence of data sets: the classes of the second follow those of the first.
``pictures/``
    A folder of images (a name with a ``/``), see :mod:`neuro._imagefolder`.
``cifar10:conv``
    Features of the images instead of the images, see :mod:`neuro.features`.
``pictures/:resnet18@resnet18.pth``
    Features by a network of torchvision whose weights lie in a file.

A folder whose own name holds ``+``, ``:`` or ``@`` cannot be written this way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from neuro.errors import DatasetError

CONV = "conv"
"""Name of features that need no weights: of a small network learned on the first classes."""

DCT = "dct"
"""Name of features that need neither weights nor learning: contrasts of small patches."""


@dataclass(frozen=True)
class DatasetName:
    """The parts of a name.

    Attributes
    ----------
    sets : tuple of str
        Data sets in order; a name with a ``/`` is a folder.
    features : str or None
        Feature extractor; None: the images themselves.
    weights : str or None
        File of the extractor's weights.
    """

    sets: tuple[str, ...]
    features: str | None = None
    weights: str | None = None

    @classmethod
    def parse(cls, text: str) -> DatasetName:
        """Take a name apart.

        Raises
        ------
        DatasetError
            If a part is empty, weights come with features that take none, or are missing.
        """
        written, colon, rest = text.partition(":")
        features, at, weights = rest.partition("@")
        sets = tuple(part.strip() for part in written.split("+"))
        if "" in sets or (colon and not features) or (at and not weights):
            raise DatasetError(
                f"data set {text!r}: a part is empty; write SET[+SET...][:FEATURES[@WEIGHTS]], "
                "e.g. mnist+cifar10 or cifar10:conv"
            )
        return cls(sets, features or None, weights or None).checked()

    def checked(self) -> DatasetName:
        """The same name, if its features and weights go together (else a DatasetError)."""
        if self.weights is not None and self.features is None:
            raise DatasetError(
                f"weights {self.weights!r} are for a feature extractor; name it with --features, "
                "e.g. resnet18"
            )
        if self.weights is not None and self.features in (CONV, DCT):
            raise DatasetError(
                f"features {self.features!r} are made here and take no weights ({self.weights!r}); "
                "leave the weights out, or name a network of torchvision"
            )
        if self.weights is None and self.features not in (None, CONV, DCT):
            raise DatasetError(
                f"features {self.features!r} need weights from a file: --weights FILE, or "
                f":{self.features}@FILE in the name. Without any, take {DCT!r}, contrasts of small "
                f"patches, or {CONV!r}, a small network that is trained here on the first two "
                "classes"
            )
        return self

    def __str__(self) -> str:
        text = "+".join(self.sets)
        text += f":{self.features}" if self.features else ""
        return text + (f"@{self.weights}" if self.weights else "")

    @property
    def settings(self) -> str:
        """Name of the settings that ship for it.

        Features have their own, whatever the images; a sequence has those of its first set; a
        folder, of which nothing is known, those of cifar10.
        """
        if self.features is not None:
            return "features"
        return "cifar10" if is_folder(self.sets[0]) else self.sets[0]

    @property
    def slug(self) -> str:
        """Short form for the name of a folder or file: no path, no weights."""
        parts = [Path(name).resolve().name if is_folder(name) else name for name in self.sets]
        text = "+".join(parts) + (f"-{self.features}" if self.features else "")
        return re.sub(r"[^\w.+-]", "_", text)


def is_folder(name: str) -> bool:
    """Whether the name of one data set is that of a folder: it holds a ``/``."""
    return "/" in name
