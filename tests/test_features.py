"""Features in place of images: folders of images, the small network, the cache."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from neuro import _features_conv, _features_torchvision, _imagefolder, datasets, features
from neuro.dataset_name import DatasetName
from neuro.datasets import Dataset
from neuro.errors import DatasetError, NeuroError
from neuro.learning.condition import condition
from neuro.learning.presets import preset
from neuro.progress import Silent


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No data of this machine, a cache of its own."""
    monkeypatch.delenv("NEURO_DATA", raising=False)
    monkeypatch.setenv("NEURO_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def toy(n: int = 120, seed: int = 0) -> Dataset:
    """Four classes of noise, each with a bright quarter of its own."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 4, n)
    images = draw.integers(0, 80, (n, 16, 16, 3), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(int(label), 2)
        image[8 * row : 8 * row + 8, 8 * column : 8 * column + 8] += 120
    return Dataset("toy", images, labels, images[:20] // 2, labels[:20], n_classes=4)


def quick() -> _features_conv.ConvNetwork:
    return _features_conv.ConvNetwork(channels=(4, 8), epochs=2)


def made(dataset: Dataset, by: features.Extractor | None = None) -> Dataset:
    name = DatasetName(("toy",), "conv")
    return features.featured(name, features.Pictures.of_dataset(dataset), by or quick())


# --- names -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("mnist", (("mnist",), None, None)),
        ("mnist+cifar10", (("mnist", "cifar10"), None, None)),
        ("cifar10:conv", (("cifar10",), "conv", None)),
        ("mnist:dct", (("mnist",), "dct", None)),
        ("a/b/:resnet18@w/r.pth", (("a/b/",), "resnet18", "w/r.pth")),
    ],
)
def test_names_are_taken_apart_and_put_together(text: str, parts: tuple[Any, ...]) -> None:
    name = DatasetName.parse(text)
    assert (name.sets, name.features, name.weights) == parts
    assert str(name) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a part is empty"),
        ("mnist+", "a part is empty"),
        ("mnist:", "a part is empty"),
        ("mnist:resnet18@", "a part is empty"),
        ("mnist:conv@file.pth", "'conv' are made here and take no weights"),
        ("mnist:dct@file.pth", "'dct' are made here and take no weights"),
        ("mnist:resnet18", "'resnet18' need weights from a file: --weights FILE"),
    ],
)
def test_names_that_mean_nothing(text: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        datasets.load(text)


def test_slug_is_a_file_name() -> None:
    assert DatasetName.parse("mnist+cifar10:conv").slug == "mnist+cifar10-conv"
    assert DatasetName.parse("../some where/pics/:resnet18@a/b.pth").slug == "pics-resnet18"


# --- folders of images -----------------------------------------------------------------------


def write_folder(folder: Path, n: int = 6, test: str = "val") -> None:
    """Classes 'cat' and 'dog'; image i of a class has the grey value 40 * class + i."""
    for part in ("train", test):
        for label, name in enumerate(("cat", "dog")):
            place = folder / part / name
            place.mkdir(parents=True)
            for i in range(n):
                suffix = ("png", "JPEG")[i % 2]
                value = 40 * label + i
                Image.new("RGB", (50, 40), (value,) * 3).save(place / f"{i}.{suffix}")


def test_folder_is_read_with_its_labels(tmp_path: Path) -> None:
    write_folder(tmp_path / "pets")
    (tmp_path / "pets" / "train" / "cat" / "notes.txt").write_text("no image")
    data = datasets.load("./pets")
    assert data.train_images.shape == (12, 32, 32, 3) and data.n_classes == 2
    for images, labels in (
        (data.train_images, data.train_labels),
        (data.test_images, data.test_labels),
    ):
        assert sorted(labels) == [0] * 6 + [1] * 6
        assert np.array_equal(images[:, 0, 0, 0] // 40, labels)
    # Each stretch is a fair sample: validation takes the last ones.
    assert list(data.train_labels) != sorted(data.train_labels)
    assert data.parts == (("pets", 2),)


def test_folder_shrinks_the_middle_square_to_means_of_areas(tmp_path: Path) -> None:
    write_folder(tmp_path / "pets")
    # 64 x 96: the middle square spans columns 16 to 80, and 2 x 2 pixels become one.
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (64, 96, 3), dtype=np.uint8)
    for path in (tmp_path / "pets" / "val" / "dog").iterdir():
        path.unlink()
    Image.fromarray(pixels).save(tmp_path / "pets" / "val" / "dog" / "only.png")
    shrunk = datasets.load("./pets").test_images[-1]
    means = pixels[:, 16:80].reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
    assert np.abs(shrunk - means).max() <= 1


def test_test_folder_comes_before_val(tmp_path: Path) -> None:
    write_folder(tmp_path / "pets", test="test")
    write_folder(tmp_path / "more", n=3, test="val")
    (tmp_path / "more" / "val").rename(tmp_path / "pets" / "val")
    assert len(datasets.load("./pets").test_labels) == 12


def remove(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: remove(f), "is not a folder that exists"),
        (lambda f: remove(f / "train"), "has no classes in 'train'; expected FOLDER/train/CLASS"),
        (lambda f: remove(f / "val"), "has no classes in 'val'"),
        (lambda f: (f / "train" / "bat").mkdir(), "train/bat holds no image"),
        (lambda f: remove(f / "val" / "cat"), "class 'cat' is in one of train and val only"),
        (lambda f: (f / "val" / "cat" / "0.png").write_bytes(b"x"), "cannot read image .*0.png"),
    ],
)
def test_folder_errors(tmp_path: Path, spoil: Callable[[Path], Any], message: str) -> None:
    write_folder(tmp_path / "pets")
    spoil(tmp_path / "pets")
    with pytest.raises(DatasetError, match=message):
        datasets.load("./pets")


def test_folder_fingerprint_depends_on_names_and_contents(tmp_path: Path) -> None:
    write_folder(tmp_path / "pets")

    def fingerprint() -> str:
        return _imagefolder.read_folder(tmp_path / "pets").fingerprint()

    first = fingerprint()
    assert fingerprint() == first
    cat = tmp_path / "pets" / "train" / "cat"
    (cat / "0.png").rename(cat / "9.png")
    renamed = fingerprint()
    Image.new("RGB", (50, 40), (99, 0, 0)).save(cat / "9.png")
    assert len({first, renamed, fingerprint()}) == 3


def test_a_folder_without_a_slash_is_pointed_out(tmp_path: Path) -> None:
    write_folder(tmp_path / "pets")
    with pytest.raises(DatasetError, match=r"unknown data set 'pets'.*; .* write ./pets"):
        datasets.load("pets")


# --- features of the small network -----------------------------------------------------------


def test_features_are_vectors_in_the_unit_interval_with_the_training_maximum_at_one() -> None:
    data = toy()
    found = made(data)
    assert found.train_images.shape == (120, 1, 128) and found.test_images.shape == (20, 1, 128)
    assert found.train_images.dtype == np.float32
    assert found.train_images.max() == 1 and found.train_images.min() >= 0
    assert np.array_equal(found.train_labels, data.train_labels)
    assert found.n_classes == 4 and found.name == "toy:conv"
    assert "trained on the first 2 classes only" in found.source


def test_test_features_have_the_scale_of_the_training_features() -> None:
    data = toy()
    same = replace(data, test_images=data.train_images[:20])
    found = made(same)
    assert np.array_equal(found.test_images, found.train_images[:20])


def test_later_classes_do_not_leak_into_features() -> None:
    data = toy()
    later = np.flatnonzero(data.train_labels >= 2)
    labels = data.train_labels.copy()
    labels[later] = 5 - labels[later]
    assert not np.array_equal(labels, data.train_labels)
    found = made(replace(data, train_labels=labels))
    assert np.array_equal(found.train_images, made(data).train_images)
    assert np.array_equal(found.train_labels, labels)
    # Nor do their images take part in the training: other ones leave the network as it is.
    images = data.train_images.copy()
    images[later] = 255 - images[later]
    first = quick()
    first.prepare(data.train_images, data.train_labels)
    second = quick()
    second.prepare(images, data.train_labels)
    bar = Silent()
    assert np.array_equal(
        first.extract(data.test_images, bar), second.extract(data.test_images, bar)
    )


def test_labels_of_the_first_classes_do_count() -> None:
    data = toy()
    labels = np.where(data.train_labels < 2, 0, data.train_labels)
    labels[np.flatnonzero(labels == 0)[::2]] = 1
    changed = made(replace(data, train_labels=labels))
    assert not np.array_equal(changed.train_images, made(data).train_images)


def test_validation_images_do_not_train_the_network() -> None:
    data = toy()
    kept = len(data.train_labels) - round(len(data.train_labels) / 6)
    images = data.train_images.copy()
    images[kept:] = 255 - images[kept:]
    bar = Silent()
    results = []
    for shown in (data.train_images, images):
        network = quick()
        network.prepare(shown, data.train_labels)
        results.append(network.extract(data.test_images, bar))
    assert np.array_equal(*results)


def test_the_seed_of_the_network_counts() -> None:
    other = _features_conv.ConvNetwork(seed=1, channels=(4, 8), epochs=2)
    assert not np.array_equal(made(toy(), other).train_images, made(toy()).train_images)


def test_features_of_grey_and_float_images() -> None:
    data = toy()
    grey = replace(
        data, train_images=data.train_images[..., 0], test_images=data.test_images[..., 0]
    )
    fractions = replace(
        data,
        train_images=(grey.train_images / 255).astype(np.float32),
        test_images=(grey.test_images / 255).astype(np.float32),
    )
    assert np.array_equal(made(grey).train_images, made(fractions).train_images)


def test_images_too_small_for_the_network() -> None:
    data = toy()
    tiny = replace(
        data, train_images=data.train_images[:, :7, :7], test_images=data.test_images[:, :7, :7]
    )
    with pytest.raises(DatasetError, match="images of less than 8 pixels a side are too small"):
        made(tiny)


def test_no_image_of_the_first_classes() -> None:
    data = toy()
    later = data.train_labels >= 2
    late = replace(
        data, train_images=data.train_images[later], train_labels=data.train_labels[later]
    )
    with pytest.raises(DatasetError, match="no training image of the first 2 classes"):
        made(late)


# --- the cache -------------------------------------------------------------------------------


class Counted:
    """An extractor that counts how often it works."""

    def __init__(self, values: float = 1.0, **identity: Any) -> None:
        self.identity = {"name": "counted", **identity}
        self.description = "counted"
        self.values = values
        self.calls = 0

    def prepare(self, images: features.Images, labels: np.ndarray) -> None:
        self.calls += 1

    def extract(self, images: features.Images, progress: Any) -> np.ndarray:
        rows = [[float(image.mean()), self.values] for image in images]
        return np.array(rows, dtype=np.float32)


def test_a_second_run_reads_what_the_first_kept() -> None:
    by = Counted()
    first, second = made(toy(), by), made(toy(), by)
    assert by.calls == 1
    assert np.array_equal(first.train_images, second.train_images)
    assert np.array_equal(first.test_images, second.test_images)


def cached() -> list[Path]:
    return sorted(features.features_folder().iterdir())


def test_the_key_holds_all_that_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    data = toy()
    made(data, Counted(weights="a"))
    images = data.train_images.copy()
    images[0, 0, 0, 0] ^= 1
    labels = data.train_labels.copy()
    labels[0] = (labels[0] + 1) % 4
    for changed in (replace(data, train_images=images), replace(data, train_labels=labels)):
        made(changed, Counted(weights="a"))
    made(data, Counted(weights="b"))
    made(data, Counted(weights="a", seed=1))
    monkeypatch.setattr(features, "_code", lambda: "other code")
    made(data, Counted(weights="a"))
    assert len(cached()) == 6
    monkeypatch.setattr(np, "__version__", "0")
    made(data, Counted(weights="a"))
    assert len(cached()) == 7


@pytest.mark.parametrize("damage", [b"", b"no HDF5", None])
def test_a_damaged_file_is_made_again(damage: bytes | None) -> None:
    by = Counted()
    first = made(toy(), by)
    (path,) = cached()
    if damage is None:  # whole, but of another key
        with h5py.File(path, "a") as file:
            file.attrs["key"] = "other"
    else:
        path.write_bytes(damage)
    assert np.array_equal(made(toy(), by).train_images, first.train_images)
    assert by.calls == 2 and cached() == [path]
    made(toy(), by)
    assert by.calls == 2


@pytest.mark.parametrize(
    ("value", "message"),
    [(-1.0, "negative or not finite"), (np.nan, "negative or not finite")],
)
def test_features_that_no_rate_can_stand_for(value: float, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        made(toy(), Counted(value))
    assert not features.features_folder().exists()


def test_a_cache_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NEURO_CACHE", str(tmp_path / "file"))
    with pytest.raises(NeuroError, match="set NEURO_CACHE to another folder"):
        made(toy(), Counted())


def test_cache_follows_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NEURO_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert features.features_folder() == tmp_path / "xdg" / "neuro" / "features"


# --- the command -----------------------------------------------------------------------------


def test_continual_learns_from_features_of_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from neuro.cli import main

    write_folder(tmp_path / "pets", n=8)
    command = ["continual", "--dataset", "./pets", "--features", "conv", "--seeds", "0"]
    command += ["--sleep", "reference", "--set", "hidden=10", "--set", "sleep_steps=20"]
    assert main(command) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "trained on the first 2 classes only" in shown
    out = tmp_path / "results" / "pets-conv-reference"
    config = json.loads((out / "config.json").read_text())
    assert config["request"]["dataset"] == "./pets:conv"
    assert "trained on the first 2 classes only" in config["dataset"]["source"]
    assert "trained on the first 2 classes only" in (out / "report.html").read_text()


def test_features_may_be_said_once_only(capsys: pytest.CaptureFixture[str]) -> None:
    from neuro.cli import main

    assert main(["continual", "--dataset", "digits:conv", "--features", "conv"]) != 0
    assert "--dataset digits:conv says features already" in capsys.readouterr().err


# --- networks of torchvision -----------------------------------------------------------------


def test_without_torchvision_the_mend_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_features_torchvision, "find_spec", lambda name: None)
    message = r"'resnet18' need torchvision, which is not installed: pip install --no-deps torchv"
    with pytest.raises(DatasetError, match=message):
        datasets.load("digits:resnet18@file.pth")


needs_torchvision = pytest.mark.skipif(
    importlib.util.find_spec("torchvision") is None, reason="torchvision is not installed"
)


def resnet(classes: int = 1000, seed: int = 0) -> Any:
    """A network of torchvision with random weights."""
    torch.manual_seed(seed)
    models = _features_torchvision._models("resnet18")
    network = models.get_model("resnet18", weights=None, num_classes=classes)
    for name, values in network.named_buffers():
        if name.endswith("running_mean"):
            values.normal_(0, 0.1)
    return network.eval()


@needs_torchvision
def test_torchvision_features_are_what_the_last_layer_is_given(tmp_path: Path) -> None:
    network = resnet()
    torch.save(network.state_dict(), "weights.pth")
    by = _features_torchvision.TorchvisionNetwork("resnet18", Path("weights.pth"))
    images = toy(3).train_images
    by.prepare(images, np.zeros(3, np.int64))
    found = torch.from_numpy(by.extract(images, Silent()))
    assert found.shape == (3, 512)
    # The layer that was taken off makes the whole network's answer of them; preprocessing as it
    # is written for this network: 256 pixels, the middle 224, means and deviations of ImageNet.
    batch = torch.from_numpy(images).permute(0, 3, 1, 2)
    large = torch.nn.functional.interpolate(
        batch.float(), (256, 256), mode="bilinear", antialias=True
    )
    middle = large.round()[:, :, 16:240, 16:240] / 255
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    deviation = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    with torch.no_grad():
        answer = network((middle - mean) / deviation)
        assert torch.allclose(network.fc(found), answer, rtol=1e-3, atol=1e-3)
    assert found.std(dim=0).max() > 1e-3  # and images differ


@needs_torchvision
def test_torchvision_features_of_a_folder_whose_images_differ_in_size(tmp_path: Path) -> None:
    write_folder(tmp_path / "pets", n=2)
    draw = np.random.default_rng(0)
    for path in sorted((tmp_path / "pets").rglob("0.png")):
        pixels = draw.integers(0, 256, (30, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    # A last layer of another number of classes does not matter; nor does a wrapping.
    network = resnet(classes=7)
    wrapped = {f"module.{name}": value for name, value in network.state_dict().items()}
    torch.save({"state_dict": wrapped, "epoch": 3}, "weights.pth")
    data = datasets.load("./pets:resnet18@weights.pth")
    assert data.shape == (1, 512) and data.n_classes == 2
    assert data.train_images.max() == 1 and data.train_images.min() == 0
    assert "torchvision's resnet18 with the weights weights.pth" in data.source
    found = features.Pictures.of_folder(Path("pets"))
    by = features.extractor(DatasetName.parse("./pets:resnet18@weights.pth"))
    by.prepare(found.train, found.train_labels)
    rows = by.extract(found.train[1:2], Silent())
    whole = by.extract(found.train, Silent())
    assert data.train_images[1, 0] == pytest.approx(rows[0] / whole.max(), abs=1e-5)


@needs_torchvision
def test_other_weights_are_other_features(tmp_path: Path) -> None:
    write_folder(tmp_path / "pets", n=1)
    for seed in (0, 1):
        torch.save(resnet(seed=seed).state_dict(), "weights.pth")
        datasets.load("./pets:resnet18@weights.pth")
    assert len(cached()) == 2


@needs_torchvision
def test_weights_as_safetensors_are_the_same(tmp_path: Path) -> None:
    state = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([1.5, -2]).bfloat16()}
    blobs = [state["a"].numpy().tobytes(), state["b"].view(torch.int16).numpy().tobytes()]
    header = {
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
        "b": {"dtype": "BF16", "shape": [2], "data_offsets": [24, 28]},
    }
    text = json.dumps(header).encode()
    path = tmp_path / "w.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(blobs))
    read = _features_torchvision.read_weights(path)
    assert read.keys() == state.keys()
    for name, values in state.items():
        assert read[name].dtype == values.dtype and torch.equal(read[name], values)


class Trap:
    """Unpickling it would run code."""

    def __reduce__(self) -> Any:
        return (Path("trapped").touch, ())


@needs_torchvision
@pytest.mark.parametrize(
    ("write", "name", "message"),
    [
        (lambda p: None, "resnet18", "cannot read the weights w.pth: No such file"),
        (lambda p: p.write_bytes(b"no weights"), "resnet18", "cannot read the weights w.pth"),
        (lambda p: torch.save([1, 2], p), "resnet18", "holds no dictionary of tensors"),
        (lambda p: torch.save({"a": Trap()}, p), "resnet18", "holds more than numbers"),
        (
            lambda p: torch.save({"conv1.weight": torch.zeros(1)}, p),
            "resnet18",
            "w.pth are not those of a resnet18: .*Missing key",
        ),
        (lambda p: torch.save({}, p), "squeezenet1_1", "ends in no linear layer"),
        (lambda p: None, "resnet19", "unknown features 'resnet19'.*did you mean resnet1"),
    ],
)
def test_weights_that_do_not_fit(
    tmp_path: Path, write: Callable[[Path], Any], name: str, message: str
) -> None:
    write(Path("w.pth"))
    with pytest.raises(DatasetError, match=message):
        datasets.load(f"digits:{name}@w.pth")
    assert not Path("trapped").exists()


@needs_torchvision
def test_the_command_takes_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from neuro.cli import main

    write_folder(tmp_path / "pets", n=4)
    torch.save(resnet().state_dict(), "weights.pth")
    command = ["continual", "--dataset", "./pets", "--features", "resnet18", "--seeds", "0"]
    command += ["--weights", "weights.pth", "--sleep", "none", "--set", "hidden=10"]
    assert main(command) == 0
    config = json.loads(Path("results/pets-resnet18-none/config.json").read_text())
    assert config["request"]["dataset"] == "./pets:resnet18@weights.pth"
    capsys.readouterr()
    assert main(["continual", "--dataset", "digits", "--weights", "weights.pth"]) != 0
    assert "are for a feature extractor; name it with --features" in capsys.readouterr().err


def test_features_have_settings_of_their_own() -> None:
    for learner in ("ep", "bptt", "ff"):
        settings = condition("cifar10:conv", learner=learner).preset
        assert settings == preset("features", learner=learner)
        assert settings.window is None  # there is no place in a vector
    # Tadros et al. 2022, features of CIFAR-10.
    assert settings.hidden == (1028, 256) and settings.gain_scale == 4.131109
    assert [settings.steps(task) for task in range(5)] == [15000] * 5
