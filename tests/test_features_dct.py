"""Local contrasts: their patches, a closed form, what they do not depend on."""

from __future__ import annotations

import numpy as np
import pytest

from neuro import datasets
from neuro._features_dct import LocalCosines, patches
from neuro.dataset_name import DatasetName
from neuro.datasets import Dataset
from neuro.errors import DatasetError
from neuro.features import Pictures, extractor, featured
from neuro.progress import Silent


def extracted(images: np.ndarray, **settings: int) -> np.ndarray:
    """Features ``[n, more and less, patches, rows, columns]``."""
    by = LocalCosines(**settings)
    by.prepare(images, np.zeros(len(images), np.int64))
    found = by.extract(images, Silent())
    return found.reshape(len(images), 2, -1, by.parts, by.parts)


def grey(values: np.ndarray) -> np.ndarray:
    return np.repeat(np.rint(values).astype(np.uint8)[..., None], 3, axis=-1)


def test_patches_are_orthonormal_and_even_patches_are_left_out() -> None:
    found = patches(6, 14).reshape(16, -1)
    with_grey = np.concatenate([found, np.full((1, 108), 108**-0.5)])
    assert np.allclose(with_grey @ with_grey.T, np.eye(17), atol=1e-6)


def test_patches_of_low_frequency_come_first() -> None:
    # The first varies along a row only, the second along a column only.
    first, second = patches(6, 2)[:2]
    assert np.allclose(np.ptp(first, axis=1), 0, atol=1e-6) and first[0, 0, 0] > first[0, 0, -1]
    assert np.allclose(second, first.transpose(0, 2, 1))


def test_a_feature_is_the_weighed_patch_over_its_contrast() -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 12, 12, 3), dtype=np.uint8)
    # 7 × 7 places of patches over 12 pixels: as many parts as places shows each alone.
    found = extracted(image, parts=6, size=7)
    bordered = np.pad(image[0] / 255, ((3, 3), (3, 3), (0, 0))).transpose(2, 0, 1)
    row, column = 4, 2
    patch = bordered[:, 2 * row : 2 * row + 7, 2 * column : 2 * column + 7]
    expected = np.tensordot(patches(7, 14), patch, 3) / (147**0.5 * (patch.std() + 0.1))
    assert np.allclose(found[0, 0, :, row, column], np.maximum(expected, 0), atol=1e-6)
    assert np.allclose(found[0, 1, :, row, column], np.maximum(-expected, 0), atol=1e-6)


def test_an_edge_is_seen_where_it_is_and_with_its_sign() -> None:
    image = np.zeros((2, 40, 40))
    image[0, :, 20:] = 255  # brighter to the right: against the first patch, which falls
    image[1, :, :20] = 255
    found = extracted(grey(image))[:, :, 0, 2, 1:4]  # away from the border
    assert found[0, 1, 1] > 0.2 and found[0, 0, 1] == pytest.approx(0, abs=1e-6)
    assert found[1, 0, 1] > 0.2 and found[1, 1, 1] == pytest.approx(0, abs=1e-6)
    assert found[0, 1, 0] < 0.1 * found[0, 1, 1]


def test_colours_are_told_apart_and_grey_has_none() -> None:
    images = np.full((3, 20, 20, 3), 100, np.uint8)
    images[1, ..., 0] = 200  # red
    images[2, ..., 2] = 200  # blue
    more, less = extracted(images)[:, :, -2:, 2, 2].transpose(1, 0, 2)
    assert more[0] == pytest.approx([0, 0], abs=1e-6) == less[0]
    assert more[1, 0] > 0.1 and less[1] == pytest.approx([0, 0], abs=1e-6)  # red, and yellowish
    assert less[2, 1] > 0.1 and more[2] == pytest.approx([0, 0], abs=1e-6)


def test_other_images_and_labels_do_not_count() -> None:
    draw = np.random.default_rng(1)
    images = draw.integers(0, 256, (12, 16, 16), dtype=np.uint8)
    alone, among = extracted(grey(images[:1])), extracted(grey(images))
    assert np.array_equal(alone[0], among[0])


def test_as_a_data_set(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEURO_CACHE", str(tmp_path))
    draw = np.random.default_rng(1)
    images, labels = draw.integers(0, 256, (12, 28, 28), dtype=np.uint8), np.arange(12) % 4
    data = Dataset("toy", images, labels, images[:3], labels[:3], n_classes=4)
    name = DatasetName.parse("toy:dct")
    found = featured(name, Pictures.of_dataset(data), extractor(name))
    assert found.train_images.shape == (12, 1, 800)
    assert np.array_equal(found.train_images[:3], found.test_images)
    assert found.name == "toy:dct" and "14 cosines in 5 × 5 parts" in found.source


def test_images_too_small() -> None:
    with pytest.raises(DatasetError, match="less than 10 pixels a side"):
        datasets.load("digits:dct")


def test_images_of_different_sizes() -> None:
    with pytest.raises(DatasetError, match="10 × 12 and 12 × 12 pixels.* one size"):
        LocalCosines().extract([np.zeros((12, w, 3), np.uint8) for w in (10, 12)], Silent())
