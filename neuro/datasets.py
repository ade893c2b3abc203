"""Image data sets for learning: found on disk, or downloaded once with a checksum.

``load("digits")`` works everywhere, offline. The others are looked for in this order:

1. the folder ``root``, if given;
2. the folder in the environment variable ``NEURO_DATA``;
3. the user's cache, ``$XDG_CACHE_HOME/neuro/datasets`` (default ``~/.cache``);
4. the data packages of the operating system (Debian's ``dataset-fashion-mnist``);
5. the publisher's server: the files are checked against their published MD5 sums and kept in
   the cache.

In a folder, ``NAME.npz`` (arrays ``train_images, train_labels, test_images, test_labels``) and
the four idx files (plain or ``.gz``, in ``NAME/``, ``NAME/raw/`` or torchvision's folders) are
understood; for CIFAR-10 the binary version, packed or not.

A name may also be that of a folder of images, of a sequence of data sets, or of features of
images: see :mod:`neuro.dataset_name`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro import _imagefiles as files
from neuro._imageshape import grey_square
from neuro.dataset_name import DatasetName, is_folder
from neuro.errors import DatasetError
from neuro.random import stream


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images, split into a training and a test set that share no image.

    Attributes
    ----------
    name : str
        Name it was loaded by.
    train_images, test_images : ndarray
        ``[n, height, width]`` or ``[n, height, width, colour]``; uint8 (0 to 255), or float32
        (0 to 1).
    train_labels, test_labels : ndarray of int64, shape [n]
        Classes, ``0 <= label < n_classes``.
    n_classes : int
        Number of classes.
    source : str
        Where the data came from, for reports.
    parts : tuple of (str, int)
        Name and number of classes of each data set that it consists of: their classes follow
        one another. By default it is one data set.

    Raises
    ------
    DatasetError
        On construction, if the arrays contradict this description.
    """

    name: str
    train_images: NDArray[Any]
    train_labels: NDArray[np.int64]
    test_images: NDArray[Any]
    test_labels: NDArray[np.int64]
    n_classes: int = 10
    source: str = ""
    parts: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        if not self.parts:
            object.__setattr__(self, "parts", ((self.name, self.n_classes),))
        if sum(count for _, count in self.parts) != self.n_classes:
            raise DatasetError(
                f"data set {self.name!r}: parts {self.parts} do not add up to "
                f"{self.n_classes} classes"
            )
        for part in ("train", "test"):
            self._check(part)
        if self.train_images.shape[1:] != self.test_images.shape[1:]:
            raise DatasetError(
                f"data set {self.name!r}: training images are {self.train_images.shape[1:]}, "
                f"test images {self.test_images.shape[1:]}; both must have one shape"
            )

    def _check(self, part: str) -> None:
        images: NDArray[Any] = getattr(self, f"{part}_images")
        labels: NDArray[Any] = getattr(self, f"{part}_labels")

        def refuse(what: str) -> DatasetError:
            where = f" ({self.source})" if self.source else ""
            return DatasetError(f"data set {self.name!r}{where}: {part}_{what}")

        if images.ndim not in (3, 4) or 0 in images.shape:
            raise refuse(
                f"images have shape {images.shape}; expected [n, height, width] or "
                "[n, height, width, colour], none of them 0"
            )
        if images.dtype not in (np.uint8, np.float32):
            raise refuse(f"images are {images.dtype}; expected uint8 (0-255) or float32 (0-1)")
        if images.dtype == np.float32 and not bool(np.all((images >= 0) & (images <= 1))):
            raise refuse("images hold values that are not finite or lie outside 0 to 1")
        if labels.shape != (len(images),):
            raise refuse(
                f"labels have shape {labels.shape}; expected one label for each of the "
                f"{len(images)} images"
            )
        if labels.dtype.kind not in "iu":
            raise refuse(f"labels are {labels.dtype}; expected integers")
        if labels.min() < 0 or labels.max() >= self.n_classes:
            raise refuse(
                f"labels span {labels.min()} to {labels.max()}; expected 0 to {self.n_classes - 1}"
            )
        object.__setattr__(self, f"{part}_labels", labels.astype(np.int64))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one image."""
        return tuple(self.train_images.shape[1:])

    @property
    def features(self) -> int:
        """Number of values of one flattened image."""
        return int(np.prod(self.shape))

    def flat(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """Images as rows of a matrix.

        Parameters
        ----------
        images : ndarray, shape [n, ...]
            Images of this data set (or a selection of them).

        Returns
        -------
        ndarray of float32, shape [n, features]
            Values in [0, 1]: uint8 is divided by 255.
        """
        scale = np.float32(255 if images.dtype == np.uint8 else 1)
        rows: NDArray[np.float32] = images.reshape(len(images), -1).astype(np.float32) / scale
        return rows

    def fingerprint(self) -> str:
        """Hexadecimal hash of all images and labels: equal for equal data."""
        digest = hashlib.blake2b(digest_size=16)
        for part in files.NPZ_KEYS:
            array = np.ascontiguousarray(getattr(self, part))
            digest.update(f"{part}{array.dtype}{array.shape}".encode())
            digest.update(array.data)
        return digest.hexdigest()


@dataclass(frozen=True)
class _Source:
    """What is known of a published data set."""

    shape: tuple[int, ...]
    aliases: tuple[str, ...]  # folder names, ours first
    url: str
    md5: Mapping[str, str]
    system: tuple[str, ...] = field(default=())


def _idx_sums(*sums: str) -> dict[str, str]:
    return dict(zip((f"{name}.gz" for name in files.IDX_FILES), sums, strict=True))


_SOURCES: Mapping[str, _Source] = {
    "mnist": _Source(
        (28, 28),
        ("mnist", "MNIST"),
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        _idx_sums(
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "d53e105ee54ea40749a09fcbcd1e9432",
            "9fb629c4189551a2d022fa330f9573f3",
            "ec29112dd5afa0611ce80d1b7f02629c",
        ),
        ("/usr/share/datasets/mnist",),
    ),
    "fashion-mnist": _Source(
        (28, 28),
        ("fashion-mnist", "FashionMNIST"),
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        _idx_sums(
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79",
            "bb300cfdad3c16e7a12a480ee83cd310",
        ),
        ("/usr/share/datasets/fashion-mnist",),
    ),
    "kmnist": _Source(
        (28, 28),
        ("kmnist", "KMNIST"),
        "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        _idx_sums(
            "bdb82020997e1d708af4cf47b453dcf7",
            "e144d726b3acfaa3e44228e80efcd344",
            "5c965bf0a639b31b8f53240b1b52f4d7",
            "7320c461ea6c1c855c0b718fb2a4b134",
        ),
        ("/usr/share/datasets/kmnist",),
    ),
    "cifar10": _Source(
        (32, 32, 3),
        ("cifar10", "CIFAR10"),
        "https://www.cs.toronto.edu/~kriz/",
        {files.CIFAR_ARCHIVE: "c32a1d4ab5d03f1284b67883e8d87530"},
        ("/usr/share/datasets/cifar10",),
    ),
}

NAMES = ("digits", *_SOURCES)
"""Names that :func:`load` knows."""

SEQUENCE_SIDE = 28
"""Pixels that the images of a sequence are brought to, on each side, if their shapes differ."""

FOLDER_SIDE = 32
"""Pixels that a folder's images are shrunk to, on each side."""


def cache_folder() -> Path:
    """Folder that downloads are kept in: ``neuro/datasets`` in the user's cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "neuro" / "datasets"


def load(name: str, root: str | os.PathLike[str] | None = None) -> Dataset:
    """Load a data set by name.

    Parameters
    ----------
    name : str
        ``"digits"``, ``"mnist"``, ``"fashion-mnist"``, ``"kmnist"`` or ``"cifar10"``; a folder
        of images (``"pictures/"``); a sequence of these (``"mnist+cifar10"``); or features of
        the images, such as ``"cifar10:conv"`` (see :mod:`neuro.dataset_name`).
    root : path, optional
        Folder to look in first (see the module's docstring for what may lie there). ``digits``
        comes with scikit-learn and does not need it.

    Returns
    -------
    Dataset
        ``digits`` has 8 × 8 float32 images (pixel/16) and a fixed split: 36 images of each class,
        360 in all, drawn once with seed 0, are the test set, the other 1437 the training set.
        A folder's images are shrunk to 32 × 32 pixels.

    Raises
    ------
    DatasetError
        If the name is unknown, no file is found anywhere and the download fails (the message
        lists every place), or a file is unreadable, damaged or has the wrong layout.
    """
    if root is not None and not os.path.isdir(root):
        raise DatasetError(f"data folder {os.fspath(root)!r} is not a folder that exists")
    parsed = DatasetName.parse(name)
    if parsed.features is None:
        return _images(parsed, root)
    from neuro import features

    extractor = features.extractor(parsed)
    if parsed.weights is not None and len(parsed.sets) == 1 and is_folder(parsed.sets[0]):
        pictures = features.Pictures.of_folder(Path(parsed.sets[0]))
    else:
        pictures = features.Pictures.of_dataset(_images(parsed, root))
    return features.featured(parsed, pictures, extractor)


def _images(name: DatasetName, root: str | os.PathLike[str] | None) -> Dataset:
    """The images themselves of the data sets of a name."""
    return in_sequence([_single(single, root) for single in name.sets])


def in_sequence(datasets: Sequence[Dataset]) -> Dataset:
    """One data set whose classes are those of several, one set after the other.

    Images of different shapes become grey and 28 × 28 (:func:`neuro._imageshape.grey_square`);
    images of one shape stay as they are. If some are float32, all become float32.

    Parameters
    ----------
    datasets : sequence of Dataset
        At least one; a single one is returned as it is.

    Returns
    -------
    Dataset
        The sets' images are spread evenly among each other, each set's in their own order: the
        last part of the whole is the last part of each, which validation relies on.
    """
    if len(datasets) == 1:
        return datasets[0]
    parts = tuple(part for dataset in datasets for part in dataset.parts)
    offsets = np.cumsum([0, *(dataset.n_classes for dataset in datasets)])
    alike = len({dataset.shape for dataset in datasets}) == 1
    whole = all(
        images.dtype == np.uint8
        for dataset in datasets
        for images in (dataset.train_images, dataset.test_images)
    )

    def brought(images: NDArray[Any]) -> NDArray[Any]:
        shaped = images if alike else grey_square(images, SEQUENCE_SIDE)
        if whole or shaped.dtype == np.float32:
            return shaped
        return shaped.astype(np.float32) / np.float32(255)

    def merged(part: str) -> tuple[NDArray[Any], NDArray[np.int64]]:
        images = [brought(getattr(dataset, f"{part}_images")) for dataset in datasets]
        labels = [
            getattr(dataset, f"{part}_labels") + offset
            for dataset, offset in zip(datasets, offsets, strict=False)
        ]
        places = np.concatenate([(np.arange(len(own)) + 0.5) / len(own) for own in labels])
        order = np.argsort(places, kind="stable")
        return np.concatenate(images)[order], np.concatenate(labels)[order]

    return Dataset(
        "+".join(dataset.name for dataset in datasets),
        *merged("train"),
        *merged("test"),
        n_classes=int(offsets[-1]),
        source=" + ".join(dataset.source for dataset in datasets),
        parts=parts,
    )


def pooled(dataset: Dataset, side: int) -> Dataset:
    """The same images in coarser pixels, each the mean of ``side`` × ``side`` old ones.

    Parameters
    ----------
    dataset : Dataset
        Images.
    side : int
        Old pixels that a new one covers, along each axis; 1 changes nothing.

    Returns
    -------
    Dataset
        With float32 images, 0 to 1, ``[n, height / side, width / side]`` (colours as before).

    Raises
    ------
    DatasetError
        If ``side`` does not divide height and width.
    """
    if side == 1:
        return dataset
    height, width = dataset.shape[:2]
    if side < 1 or height % side or width % side:
        raise DatasetError(
            f"data set {dataset.name!r}: images of {height} x {width} pixels cannot be pooled by "
            f"{side}; give a number that divides both"
        )

    def coarser(images: NDArray[Any]) -> NDArray[np.float32]:
        blocks = images.reshape(
            len(images), height // side, side, width // side, side, *dataset.shape[2:]
        )
        scale = 255 if images.dtype == np.uint8 else 1
        means: NDArray[np.float32] = blocks.mean(axis=(2, 4), dtype=np.float32) / np.float32(scale)
        # Rounding may leave the mean of ones a little above one.
        return np.minimum(means, np.float32(1))

    return replace(
        dataset,
        train_images=coarser(dataset.train_images),
        test_images=coarser(dataset.test_images),
    )


def _single(name: str, root: str | os.PathLike[str] | None) -> Dataset:
    """One data set."""
    if is_folder(name):
        return _folder(Path(name))
    if name not in NAMES:
        hint = f"; for the folder write ./{name}" if os.path.isdir(name) else ""
        raise DatasetError(f"unknown data set {name!r}; known are {', '.join(NAMES)}{hint}")
    if name == "digits":
        return _digits()
    source = _SOURCES[name]
    looked: list[str] = []
    for folder, label in _folders(source, root):
        found = _find(name, source, folder)
        if isinstance(found, tuple):
            path, arrays = found
            return _dataset(name, source, arrays, str(path))
        looked.append(f"{folder} ({label}): {found}")
    try:
        path = _download(name, source)
    except _download_errors() as error:
        places = "; ".join(looked)
        raise DatasetError(
            f"data set {name!r} is not on this machine and could not be downloaded. "
            f"Looked in: {places}. Download from {source.url} failed: {_first_line(error)}. "
            f"Put {name}.npz or the publisher's files into one of these folders, or set "
            "NEURO_DATA to the folder that holds them"
        ) from error
    found = _find(name, source, path)
    if not isinstance(found, tuple):  # pragma: no cover - the download just put it there
        raise DatasetError(f"data set {name!r} vanished from {path} after its download")
    return _dataset(name, source, found[1], source.url)


def _folder(path: Path) -> Dataset:
    """The images of a folder, small."""
    from neuro._imagefolder import ImageFiles, read_folder

    found = read_folder(path)
    name = path.resolve().name
    return Dataset(
        f"{name}/",
        np.stack(list(ImageFiles(found.train, FOLDER_SIDE))),
        found.train_labels,
        np.stack(list(ImageFiles(found.test, FOLDER_SIDE))),
        found.test_labels,
        n_classes=len(found.classes),
        source=str(path),
        parts=((name, len(found.classes)),),
    )


def _folders(source: _Source, root: str | os.PathLike[str] | None) -> list[tuple[Path, str]]:
    """Folders to look in, in order, each with why."""
    folders: list[tuple[Path, str]] = []
    if root is not None:
        folders.append((Path(root), "given"))
    environment = os.environ.get("NEURO_DATA")
    if environment:
        folders.append((Path(environment), "NEURO_DATA"))
    folders.append((cache_folder(), "cache"))
    folders += [(Path(folder), "system packages") for folder in source.system]
    return folders


def _find(name: str, source: _Source, folder: Path) -> tuple[Path, files.Arrays] | str:
    """The data in a folder and the path it was read from, or in a few words why there is none.

    A damaged file raises: going on to another place would hide it.
    """
    if not os.path.isdir(folder):
        return "no such folder"
    if not os.access(folder, os.R_OK | os.X_OK):
        return "may not be read"
    npz = folder / f"{name}.npz"
    if npz.is_file():
        return npz, files.read_npz(npz)
    inner = [folder / alias / raw for alias in source.aliases for raw in ("", "raw")]
    # Idx files lie under the same names in every set's folder, so the folder itself counts only
    # when it carries the name of this data set.
    own = folder.name if folder.name != "raw" else folder.parent.name
    places = [folder, *inner] if own in source.aliases else inner
    if name == "cifar10":
        return _find_cifar([folder, *inner])
    reason = "nothing there"
    for place in places:
        paths = files.idx_paths(place)
        whole = [path for path in paths if path is not None]
        if len(whole) == len(files.IDX_FILES):
            first, second, third, fourth = (files.read_idx(path) for path in whole)
            return place, (first, second, third, fourth)
        if whole:
            missing = [n for n, p in zip(files.IDX_FILES, paths, strict=True) if p is None]
            reason = f"incomplete, {place} lacks {', '.join(missing)}"
    return reason


def _find_cifar(places: list[Path]) -> tuple[Path, files.Arrays] | str:
    for place in places:
        for path in (place / files.CIFAR_FOLDER, place / files.CIFAR_ARCHIVE):
            if path.exists():
                return path, files.read_cifar(path)
        if (place / "cifar-10-batches-py").exists():
            return "only the Python version, which is pickled and therefore not read"
    return "nothing there"


def _dataset(name: str, source: _Source, arrays: files.Arrays, where: str) -> Dataset:
    dataset = Dataset(name, *arrays, n_classes=10, source=where)
    if dataset.shape != source.shape:
        raise DatasetError(
            f"{where} does not hold {name!r}: its images have shape {dataset.shape}, "
            f"expected {source.shape}"
        )
    return dataset


def _download_errors() -> tuple[type[Exception], ...]:
    from requests import RequestException

    # ValueError: a checksum that does not match. OSError: the cache cannot be written.
    return (RequestException, OSError, ValueError)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _download(name: str, source: _Source) -> Path:
    """Fetch the publisher's files into the cache; returns the cache folder."""
    import pooch

    pooch.get_logger().setLevel("WARNING")
    for file, md5 in source.md5.items():
        pooch.retrieve(
            source.url + file,
            known_hash=f"md5:{md5}",
            fname=file,
            path=cache_folder() / name,
            downloader=pooch.HTTPDownloader(timeout=(10, 30)),
        )
    return cache_folder()


def _digits() -> Dataset:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = (bunch.images / 16).astype(np.float32)
    labels = bunch.target.astype(np.int64)
    # The file is sorted by writer; a fixed shuffle makes every stretch of it a fair sample.
    order = stream(0, "digits split").permutation(len(labels))
    test = np.zeros(len(labels), dtype=bool)
    for label in range(10):
        test[order[labels[order] == label][:36]] = True
    held, rest = order[test[order]], order[~test[order]]
    return Dataset(
        "digits", images[rest], labels[rest], images[held], labels[held], source="scikit-learn"
    )
