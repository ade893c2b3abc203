"""Read folders of images, one folder a class, as ImageNet is kept.

::

    FOLDER/train/CLASS/*.png, *.jpg or *.jpeg
    FOLDER/val/CLASS/...      (or test: the one that holds classes, test first)

Classes are numbered in the order of their names. Pillow reads the files; it comes with
matplotlib.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from neuro.errors import DatasetError
from neuro.random import stream

SUFFIXES = (".png", ".jpg", ".jpeg")

LAYOUT = "expected FOLDER/train/CLASS/*.png or *.jpg, and FOLDER/val (or test) alike"


class ImageFiles(Sequence[NDArray[np.uint8]]):
    """Image files as a sequence of arrays ``[height, width, 3]``, each read when it is asked for.

    Parameters
    ----------
    paths : sequence of Path
        The files.
    side : int, optional
        Cut the middle square out of each image and shrink it to this many pixels (each new
        pixel is the mean of the area that it covers). None: as they are.
    """

    def __init__(self, paths: Sequence[Path], side: int | None = None) -> None:
        self.paths = tuple(paths)
        self.side = side

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, index: int) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, index: slice) -> ImageFiles: ...
    def __getitem__(self, index: int | slice) -> NDArray[np.uint8] | ImageFiles:
        if isinstance(index, slice):
            return ImageFiles(self.paths[index], self.side)
        return self._read(self.paths[index])

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return map(self._read, self.paths)

    def _read(self, path: Path) -> NDArray[np.uint8]:
        from PIL import Image, ImageOps

        try:
            with Image.open(path) as file:
                image = file.convert("RGB")
        # Pillow's UnidentifiedImageError is an OSError; broken PNGs raise SyntaxError.
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise DatasetError(
                f"cannot read image {path}: {error}; replace it by a whole copy, or remove it"
            ) from error
        if self.side is not None:
            image = ImageOps.fit(image, (self.side, self.side), Image.Resampling.BOX)
        return np.asarray(image, dtype=np.uint8)


@dataclass(frozen=True, eq=False)
class ImageFolder:
    """The images of a folder, not yet read.

    Attributes
    ----------
    path : Path
        The folder.
    classes : tuple of str
        Names of the classes; their positions are the labels.
    train, test : tuple of Path
        Image files. Training images come in an order that was drawn once: a stretch of them is
        a fair sample.
    train_labels, test_labels : ndarray of int64
        Their classes.
    """

    path: Path
    classes: tuple[str, ...]
    train: tuple[Path, ...]
    train_labels: NDArray[np.int64]
    test: tuple[Path, ...]
    test_labels: NDArray[np.int64]

    def fingerprint(self) -> str:
        """Hexadecimal hash of all names, labels and contents: equal for equal data."""
        digest = hashlib.blake2b(digest_size=16)
        for path in (*self.train, *self.test):
            try:
                content = path.read_bytes()
            except OSError as error:
                raise DatasetError(f"cannot read image {path}: {error}") from error
            digest.update(f"{path.relative_to(self.path)}\0{len(content)}\0".encode())
            digest.update(content)
        return digest.hexdigest()


def read_folder(path: Path) -> ImageFolder:
    """List the images of a folder.

    Raises
    ------
    DatasetError
        If the folder, one of its parts or the images of a class are missing, or the two parts
        have different classes.
    """
    if not path.is_dir():
        raise DatasetError(f"image folder {path} is not a folder that exists")
    train = _classes(path / "train")
    tests = {name: _classes(path / name) for name in ("test", "val")}
    name, test = next(((n, found) for n, found in tests.items() if found), ("val", {}))
    for part, found in (("train", train), (name, test)):
        if not found:
            raise DatasetError(f"image folder {path} has no classes in {part!r}; {LAYOUT}")
        for label, files in found.items():
            if not files:
                raise DatasetError(
                    f"image folder {path}: {part}/{label} holds no image; {LAYOUT}"
                )
    odd = sorted(set(train) ^ set(test))
    if odd:
        raise DatasetError(
            f"image folder {path}: class {odd[0]!r} is in one of train and {name} only; both "
            "must have the same classes"
        )
    train_files, labels = _listed(train)
    order = stream(0, "image folder order").permutation(len(train_files))
    shuffled = tuple(train_files[i] for i in order)
    return ImageFolder(path, tuple(train), shuffled, labels[order], *_listed(test))


def _classes(part: Path) -> dict[str, list[Path]]:
    """Image files of each class of one part; empty if there is no class folder."""
    if not part.is_dir():
        return {}
    folders = sorted(entry for entry in part.iterdir() if entry.is_dir())
    return {
        folder.name: sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
        for folder in folders
        if not folder.name.startswith(".")
    }


def _listed(classes: dict[str, list[Path]]) -> tuple[tuple[Path, ...], NDArray[np.int64]]:
    files = tuple(path for paths in classes.values() for path in paths)
    sizes = [len(paths) for paths in classes.values()]
    return files, np.repeat(np.arange(len(sizes), dtype=np.int64), sizes)
