"""Data sets: where they are found, what is read, and what is said when it cannot be."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neuro import _imagefiles, datasets
from neuro.errors import DatasetError


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No data of this machine, no network."""
    monkeypatch.delenv("NEURO_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    offline = {
        name: replace(source, system=(), url="http://127.0.0.1:9/")
        for name, source in datasets._SOURCES.items()
    }
    monkeypatch.setattr(datasets, "_SOURCES", offline)


def arrays(n_train: int = 20, n_test: int = 10, seed: int = 0) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)
    return {
        "train_images": draw.integers(0, 256, (n_train, 28, 28), dtype=np.uint8),
        "train_labels": np.arange(n_train, dtype=np.uint8) % 10,
        "test_images": draw.integers(0, 256, (n_test, 28, 28), dtype=np.uint8),
        "test_labels": np.arange(n_test, dtype=np.uint8) % 10,
    }


def idx(array: np.ndarray) -> bytes:
    sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def write_idx(folder: Path, data: dict[str, np.ndarray], suffix: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in zip(_imagefiles.IDX_FILES, data.values(), strict=True):
        raw = idx(array)
        (folder / (name + suffix)).write_bytes(gzip.compress(raw) if suffix else raw)


def same(dataset: datasets.Dataset, data: dict[str, np.ndarray]) -> bool:
    return all(np.array_equal(getattr(dataset, name), array) for name, array in data.items())


# --- digits ----------------------------------------------------------------------------------


def test_digits_have_a_fixed_balanced_split_without_common_images() -> None:
    digits = datasets.load("digits")
    assert digits.train_images.shape == (1437, 8, 8)
    assert np.bincount(digits.test_labels).tolist() == [36] * 10
    together = np.concatenate([digits.train_images, digits.test_images])
    from sklearn.datasets import load_digits

    original = load_digits().images / 16
    assert np.array_equal(np.sort(together, axis=0), np.sort(original, axis=0).astype("f4"))
    # Pinned: published results must stay comparable.
    assert digits.test_labels[:12].tolist() == [8, 6, 7, 1, 9, 0, 1, 8, 6, 4, 2, 1]
    assert digits.fingerprint() == datasets.load("digits").fingerprint()


def test_digits_training_images_are_shuffled() -> None:
    labels = datasets.load("digits").train_labels
    assert all(len(np.unique(part)) == 10 for part in np.array_split(labels, 10))


def test_flat_gives_unit_range_rows(tmp_path: Path) -> None:
    data = arrays()
    data["train_images"][0, 0, 0] = 255
    np.savez(tmp_path / "mnist.npz", **data)
    mnist = datasets.load("mnist", tmp_path)
    rows = mnist.flat(mnist.train_images)
    assert rows.shape == (20, 784) and rows.dtype == np.float32
    assert rows[0, 0] == 1.0 and rows.min() >= 0
    digits = datasets.load("digits")
    assert digits.flat(digits.train_images).max() == 1.0
    assert np.array_equal(digits.flat(digits.train_images)[3], digits.train_images[3].ravel())


# --- where files are found -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "suffix"),
    [("kmnist", ""), ("kmnist", ".gz"), ("kmnist/raw", ".gz"), ("KMNIST/raw", ""), ("KMNIST", "")],
)
def test_idx_layouts(tmp_path: Path, place: str, suffix: str) -> None:
    data = arrays()
    write_idx(tmp_path / place, data, suffix)
    assert same(datasets.load("kmnist", tmp_path), data)


def test_a_folder_of_the_data_sets_own_name_may_hold_the_files_itself(tmp_path: Path) -> None:
    data = arrays()
    write_idx(tmp_path / "FashionMNIST" / "raw", data)
    assert same(datasets.load("fashion-mnist", tmp_path / "FashionMNIST" / "raw"), data)


def test_idx_files_of_another_data_set_are_not_taken(tmp_path: Path) -> None:
    write_idx(tmp_path / "MNIST" / "raw", arrays())
    with pytest.raises(DatasetError, match="not on this machine"):
        datasets.load("kmnist", tmp_path / "MNIST" / "raw")


def test_npz_with_keras_names(tmp_path: Path) -> None:
    data = arrays()
    np.savez(
        tmp_path / "mnist.npz", **dict(zip(_imagefiles.KERAS_KEYS, data.values(), strict=True))
    )
    assert same(datasets.load("mnist", tmp_path), data)


def test_search_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = {n: tmp_path / n for n in ("root", "environment", "cache/neuro/datasets", "system")}
    for seed, folder in enumerate(places.values()):
        folder.mkdir(parents=True)
        np.savez(folder / "mnist.npz", **arrays(seed=seed))
    with_system = replace(datasets._SOURCES["mnist"], system=(str(places["system"]),))
    monkeypatch.setitem(datasets._SOURCES, "mnist", with_system)  # type: ignore[arg-type]
    monkeypatch.setenv("NEURO_DATA", str(places["environment"]))
    assert same(datasets.load("mnist", places["root"]), arrays(seed=0))
    assert same(datasets.load("mnist"), arrays(seed=1))
    (places["environment"] / "mnist.npz").unlink()
    assert same(datasets.load("mnist"), arrays(seed=2))
    (places["cache/neuro/datasets"] / "mnist.npz").unlink()
    assert same(datasets.load("mnist"), arrays(seed=3))


def cifar_batch(n: int, seed: int) -> tuple[bytes, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 10, n, dtype=np.uint8)
    images = draw.integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)
    rows = images.transpose(0, 3, 1, 2).reshape(n, -1)
    return np.column_stack([labels, rows]).tobytes(), images, labels


@pytest.mark.parametrize("packed", [True, False])
def test_cifar_binary_version(tmp_path: Path, packed: bool) -> None:
    batches = [cifar_batch(2, seed) for seed in range(6)]
    names = (*_imagefiles.CIFAR_TRAIN, _imagefiles.CIFAR_TEST)
    folder = tmp_path / "cifar10" / _imagefiles.CIFAR_FOLDER
    folder.mkdir(parents=True)
    for name, (data, _, _) in zip(names, batches, strict=True):
        (folder / name).write_bytes(data)
    if packed:
        with tarfile.open(tmp_path / _imagefiles.CIFAR_ARCHIVE, "w:gz") as archive:
            archive.add(folder, arcname=folder.name)
        for name in names:
            (folder / name).unlink()
        folder.rmdir()
    cifar = datasets.load("cifar10", tmp_path)
    assert np.array_equal(cifar.train_images, np.concatenate([b[1] for b in batches[:5]]))
    assert np.array_equal(cifar.test_labels, batches[5][2])


# --- what is refused -------------------------------------------------------------------------


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(DatasetError, match=r"unknown data set 'imagenet'.*digits, mnist"):
        datasets.load("imagenet")


def test_root_must_exist(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nowhere.*not a folder"):
        datasets.load("mnist", tmp_path / "nowhere")


def test_missing_data_says_where_it_looked_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "root").mkdir()
    monkeypatch.setenv("NEURO_DATA", str(tmp_path / "elsewhere"))
    write_idx(tmp_path / "root" / "mnist", arrays())
    (tmp_path / "root" / "mnist" / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DatasetError) as caught:
        datasets.load("mnist", tmp_path / "root")
    message = str(caught.value)
    assert f"{tmp_path / 'root'} (given): incomplete" in message
    assert "lacks t10k-labels-idx1-ubyte" in message
    assert f"{tmp_path / 'elsewhere'} (NEURO_DATA): no such folder" in message
    assert f"{tmp_path / 'cache/neuro/datasets'} (cache): no such folder" in message
    assert "Put mnist.npz" in message and "NEURO_DATA to the folder" in message


def save(path: Path, **changes: Any) -> None:
    np.savez(path / "mnist.npz", **{**arrays(), **changes})


def test_damaged_npz(tmp_path: Path) -> None:
    save(tmp_path)
    whole = (tmp_path / "mnist.npz").read_bytes()
    (tmp_path / "mnist.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatasetError, match="cannot read .*mnist.npz"):
        datasets.load("mnist", tmp_path)


def test_damaged_pixels_inside_an_npz(tmp_path: Path) -> None:
    save(tmp_path)
    raw = bytearray((tmp_path / "mnist.npz").read_bytes())
    raw[5000] ^= 0xFF  # zip keeps a checksum of every member
    (tmp_path / "mnist.npz").write_bytes(raw)
    with pytest.raises(DatasetError, match="cannot read .*mnist.npz"):
        datasets.load("mnist", tmp_path)


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "exploded",))

    save(tmp_path, train_labels=np.array([Bomb()], dtype=object))
    with pytest.raises(DatasetError, match="cannot read .*pickle"):
        datasets.load("mnist", tmp_path)
    assert not (tmp_path / "exploded").exists()


def test_npz_that_is_something_else(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    (tmp_path / "mnist.npz").write_bytes(buffer.getvalue())
    with pytest.raises(DatasetError, match="single array"):
        datasets.load("mnist", tmp_path)
    np.savez(tmp_path / "mnist.npz", images=np.zeros(3))
    with pytest.raises(DatasetError, match="lacks the array.*train_images.*it holds images"):
        datasets.load("mnist", tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_images": np.zeros((20, 784), np.uint8)}, r"shape \(20, 784\); expected"),
        ({"train_images": np.zeros((20, 27, 28), np.uint8)}, "training images are"),
        ({"train_images": np.zeros((20, 28, 28), np.float64)}, "are float64; expected"),
        ({"train_images": np.full((20, 28, 28), np.nan, "f4")}, "not finite"),
        ({"train_images": np.full((20, 28, 28), 1.5, "f4")}, "outside 0 to 1"),
        ({"train_labels": np.zeros(19, np.uint8)}, "one label for each of the 20"),
        ({"train_labels": np.full(20, 10, np.uint8)}, "span 10 to 10; expected 0 to 9"),
        ({"test_labels": np.full(10, -1)}, "test_labels span -1"),
        ({"test_labels": np.zeros(10)}, "are float64; expected integers"),
        ({"test_images": np.zeros((0, 28, 28), np.uint8)}, "none of them 0"),
    ],
)
def test_wrong_contents(tmp_path: Path, changes: dict[str, np.ndarray], message: str) -> None:
    save(tmp_path, **changes)
    with pytest.raises(DatasetError, match=message):
        datasets.load("mnist", tmp_path)


def test_images_of_another_data_set(tmp_path: Path) -> None:
    small = np.zeros((20, 8, 8), np.uint8)
    save(tmp_path, train_images=small, test_images=small[:10])
    with pytest.raises(DatasetError, match=r"does not hold 'mnist'.*\(8, 8\), expected \(28, 28\)"):
        datasets.load("mnist", tmp_path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda raw: raw[:-5], "announces 15680 bytes, it holds 15675"),
        (lambda raw: raw + b"x", "announces 15680 bytes, it holds 15681"),
        (lambda raw: raw[:6], "ends within its header"),
        (lambda raw: b"\x00\x00\x0d" + raw[3:], "no idx file of unsigned bytes"),
        (lambda raw: gzip.compress(raw)[:-9], "cannot read"),
        (lambda raw: b"", "no idx file"),
    ],
)
def test_damaged_idx(tmp_path: Path, damage: Any, message: str) -> None:
    write_idx(tmp_path / "mnist", arrays())
    path = tmp_path / "mnist" / "train-images-idx3-ubyte"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DatasetError, match=message) as caught:
        datasets.load("mnist", tmp_path)
    assert str(path) in str(caught.value)


# --- downloads -------------------------------------------------------------------------------


@pytest.fixture
def server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Path, dict[str, np.ndarray]]]:
    """A publisher of mnist on this machine: its folder and what it published."""
    data = arrays(seed=7)
    folder = tmp_path / "server"
    write_idx(folder, data, ".gz")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=http.serve_forever, daemon=True).start()
    sums = {p.name: hashlib.md5(p.read_bytes()).hexdigest() for p in folder.iterdir()}
    published = replace(
        datasets._SOURCES["mnist"], url=f"http://127.0.0.1:{http.server_port}/", md5=sums
    )
    monkeypatch.setitem(datasets._SOURCES, "mnist", published)  # type: ignore[arg-type]
    yield folder, data
    http.shutdown()
    http.server_close()


def test_download_once_into_the_cache(
    server: tuple[Path, dict[str, np.ndarray]], tmp_path: Path
) -> None:
    folder, data = server
    assert same(datasets.load("mnist"), data)
    for path in folder.iterdir():
        path.unlink()  # the second time, no server is needed
    again = datasets.load("mnist")
    assert same(again, data)
    assert again.source.startswith(str(tmp_path / "cache"))


def test_download_with_a_wrong_checksum_is_refused_and_not_kept(
    server: tuple[Path, dict[str, np.ndarray]], tmp_path: Path
) -> None:
    folder, _ = server
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(b"something else")
    with pytest.raises(DatasetError, match="could not be downloaded.*hash"):
        datasets.load("mnist")
    kept = list((tmp_path / "cache").rglob("train-labels*"))
    assert kept == []


# --- coarser pixels --------------------------------------------------------------------------


def test_pooled_pixels_are_means_of_squares() -> None:
    images = np.arange(2 * 4 * 6, dtype=np.uint8).reshape(2, 4, 6)
    labels = np.array([0, 1])
    grey = datasets.Dataset("grey", images, labels, images[:1], labels[:1])
    coarse = datasets.pooled(grey, 2)
    assert coarse.shape == (2, 3) and coarse.train_images.dtype == np.float32
    # Pixels 0, 1, 6, 7; then 2, 3, 8, 9; below them 12, 13, 18, 19 and so on.
    expected = np.array([[3.5, 5.5, 7.5], [15.5, 17.5, 19.5]]) / 255
    assert coarse.train_images[0] == pytest.approx(expected)
    assert coarse.test_images[0] == pytest.approx(expected)
    assert coarse.flat(coarse.train_images)[1] == pytest.approx((expected + 24 / 255).ravel())
    assert (coarse.name, coarse.parts) == (grey.name, grey.parts)
    assert coarse.fingerprint() != grey.fingerprint()
    assert datasets.pooled(grey, 1) is grey


def test_colours_are_pooled_apart_and_white_stays_white() -> None:
    images = np.zeros((1, 3, 3, 3), np.float32)
    images[..., 1] = 1.0
    label = np.zeros(1, np.int64)
    coarse = datasets.pooled(datasets.Dataset("c", images, label, images, label), 3)
    assert coarse.train_images.tolist() == [[[[0.0, 1.0, 0.0]]]]


@pytest.mark.parametrize("side", [0, -2, 3])
def test_pooling_must_divide(side: int) -> None:
    images, label = np.zeros((1, 4, 6), np.float32), np.zeros(1, np.int64)
    data = datasets.Dataset("odd", images, label, images, label)
    with pytest.raises(DatasetError, match=f"4 x 6 pixels cannot be pooled by {side}"):
        datasets.pooled(data, side)
