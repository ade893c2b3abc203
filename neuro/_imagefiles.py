"""Read image data sets from disk: npz, idx (plain or gzip) and CIFAR's binary batches.

Nothing here unpickles: a data file can hold wrong pixels, but never run code. Every failure is a
:class:`~neuro.errors.DatasetError` that names the file and says what is wrong with it.
"""

from __future__ import annotations

import gzip
import math
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.errors import DatasetError

Arrays = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]

NPZ_KEYS = ("train_images", "train_labels", "test_images", "test_labels")
KERAS_KEYS = ("x_train", "y_train", "x_test", "y_test")
IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
CIFAR_ARCHIVE = "cifar-10-binary.tar.gz"
CIFAR_FOLDER = "cifar-10-batches-bin"
CIFAR_TRAIN = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
CIFAR_TEST = "test_batch.bin"

# What the readers of numpy, gzip, zip and tar raise on files that are damaged or unreadable.
_BROKEN = (OSError, ValueError, EOFError, zlib.error, zipfile.BadZipFile, tarfile.TarError)


def _unreadable(path: Path, reason: object, mend: str) -> DatasetError:
    return DatasetError(f"cannot read {path}: {reason}; {mend}")


def read_npz(path: Path) -> Arrays:
    """The four arrays of an npz file.

    Parameters
    ----------
    path : Path
        File with the arrays ``train_images, train_labels, test_images, test_labels`` (or Keras'
        ``x_train, y_train, x_test, y_test``).

    Raises
    ------
    DatasetError
        If the file is unreadable, damaged, holds Python objects or lacks an array.
    """
    mend = "replace it by a whole copy"
    try:
        # Opened here: np.load leaves its own handle open when the file is no whole archive.
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DatasetError(f"{path} is a single array, not an npz file with {NPZ_KEYS}")
            keys = KERAS_KEYS if KERAS_KEYS[0] in archive else NPZ_KEYS
            missing = [key for key in keys if key not in archive]
            if missing:
                raise DatasetError(
                    f"{path} lacks the array(s) {', '.join(missing)}; it holds "
                    f"{', '.join(archive) or 'nothing'}"
                )
            first, second, third, fourth = (np.asarray(archive[key]) for key in keys)
    except _BROKEN as error:
        raise _unreadable(path, error, mend) from error
    return first, second, third, fourth


def read_idx(path: Path) -> NDArray[np.uint8]:
    """An idx file of unsigned bytes (the format of MNIST), gzip-compressed or not.

    Raises
    ------
    DatasetError
        If the file is unreadable, damaged, of another type, or its size contradicts its header.
    """
    mend = "delete it and let neuro download it again, or replace it by a whole copy"
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
    except _BROKEN as error:
        raise _unreadable(path, error, mend) from error
    if len(data) < 4 or data[:3] != b"\x00\x00\x08" or not 1 <= data[3] <= 4:
        raise _unreadable(path, "it is no idx file of unsigned bytes", mend)
    start = 4 + 4 * data[3]
    if len(data) < start:
        raise _unreadable(path, "it ends within its header", mend)
    shape = tuple(int(n) for n in np.frombuffer(data, ">u4", data[3], 4))
    if len(data) - start != math.prod(shape):
        raise _unreadable(
            path,
            f"its header announces {math.prod(shape)} bytes, it holds {len(data) - start}",
            mend,
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def idx_paths(folder: Path) -> list[Path | None]:
    """Where the four idx files lie in a folder, in the order of :data:`IDX_FILES`."""
    found: list[Path | None] = []
    for name in IDX_FILES:
        candidates = [folder / name, folder / f"{name}.gz"]
        found.append(next((path for path in candidates if path.is_file()), None))
    return found


def _cifar_records(data: bytes, where: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Labels and images of one binary batch: records of 1 label byte and 3 × 1024 pixels."""
    record = 1 + 3 * 32 * 32
    if not data or len(data) % record:
        raise _unreadable(where, f"{len(data)} bytes are no whole number of records", "replace it")
    table = np.frombuffer(data, np.uint8).reshape(-1, record)
    images = table[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), table[:, 0].copy()


def read_cifar(path: Path) -> Arrays:
    """CIFAR-10 from its binary version: the archive ``.tar.gz`` or the unpacked folder.

    Raises
    ------
    DatasetError
        If a batch is missing, unreadable or damaged.
    """
    names = (*CIFAR_TRAIN, CIFAR_TEST)
    batches: dict[str, bytes] = {}
    try:
        if path.is_dir():
            batches = {name: (path / name).read_bytes() for name in names}
        else:
            with tarfile.open(path) as archive:
                for name in names:
                    member = archive.extractfile(f"{CIFAR_FOLDER}/{name}")
                    if member is None:
                        raise _unreadable(path, f"{name} is no plain file", "replace it")
                    batches[name] = member.read()
    except (*_BROKEN, KeyError) as error:
        raise _unreadable(path, error, "replace it by a whole copy") from error
    parts = [_cifar_records(batches[name], path) for name in CIFAR_TRAIN]
    test_images, test_labels = _cifar_records(batches[CIFAR_TEST], path)
    train_images = np.concatenate([images for images, _ in parts])
    train_labels = np.concatenate([labels for _, labels in parts])
    return train_images, train_labels, test_images, test_labels
