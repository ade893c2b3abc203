"""Features by a network of torchvision whose weights lie in a file; nothing is downloaded.

The last linear layer, which names the classes, is taken off: what it was given are the features
(after the global average pooling that torchvision's networks do there; a map that still has
height and width is averaged). Negative features, which some networks have, become 0.
"""

from __future__ import annotations

import difflib
import hashlib
import pickle
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import nn

from neuro.errors import DatasetError
from neuro.progress import Progress

if TYPE_CHECKING:
    from neuro.features import Images

INSTALL = "pip install --no-deps torchvision==0.28.0"
"""For the pinned torch; in general, torchvision's release that belongs to one's torch."""

BATCH = 32

# These two differ with and without torchvision's own weights, unless told so.
_OPTIONS: dict[str, dict[str, Any]] = {
    "googlenet": {"init_weights": False, "transform_input": True},
    "inception_v3": {"init_weights": False, "transform_input": True},
}


class TorchvisionNetwork:
    """A classification network of torchvision, without its last layer.

    Images are resized, cropped and normalised as torchvision does it for that network.

    Parameters
    ----------
    name : str
        Of a classification network, e.g. ``"resnet18"``.
    weights : Path
        A state dictionary of that network: a file of torch (``.pt``, ``.pth``; read without
        running code) or ``.safetensors``. The last layer's weights are not used: it may have any
        number of classes.

    Raises
    ------
    DatasetError
        If torchvision is missing, it has no such network, or the file cannot be read.
    """

    def __init__(self, name: str, weights: Path) -> None:
        models = _models(name)
        known = models.list_models(module=models)
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3)
            hint = f"; did you mean {', '.join(near)}?" if near else ""
            raise DatasetError(
                f"unknown features {name!r}: neither 'conv' nor a classification network of "
                f"torchvision{hint}"
            )
        self.name = name
        self.weights = weights
        try:
            self._digest = hashlib.blake2b(weights.read_bytes(), digest_size=16).hexdigest()
        except OSError as error:
            raise DatasetError(
                f"cannot read the weights {weights}: {error.strerror or error}"
            ) from error
        self._network: nn.Module | None = None
        self._transform: Any = models.get_model_weights(name).DEFAULT.transforms()

    @property
    def identity(self) -> dict[str, Any]:
        """See :class:`neuro.features.Extractor`."""
        return {
            "name": self.name,
            "weights": self._digest,
            "torch": torch.__version__,
            "torchvision": metadata.version("torchvision"),
        }

    @property
    def description(self) -> str:
        """See :class:`neuro.features.Extractor`."""
        return f"features by torchvision's {self.name} with the weights {self.weights}"

    def prepare(self, images: Images, labels: NDArray[np.int64]) -> None:
        """Read the weights; the training images are not looked at."""
        network = _models(self.name).get_model(
            self.name, weights=None, **_OPTIONS.get(self.name, {})
        )
        last = [name for name, layer in network.named_modules() if isinstance(layer, nn.Linear)]
        if not last:
            raise DatasetError(
                f"features {self.name!r}: the network ends in no linear layer to take off; "
                "choose another, e.g. resnet18"
            )
        network.set_submodule(last[-1], nn.Identity())
        values = read_weights(self.weights)
        for part in ("weight", "bias"):
            values.pop(f"{last[-1]}.{part}", None)
        try:
            network.load_state_dict(values)
        except RuntimeError as error:
            raise DatasetError(
                f"the weights {self.weights} are not those of a {self.name}: "
                f"{' '.join(str(error).split())[:300]}"
            ) from error
        self._network = network.eval()

    def extract(self, images: Images, progress: Progress) -> NDArray[np.float32]:
        """What the last layer would be given, shape [n, features]."""
        if self._network is None:
            raise RuntimeError("prepare() comes before extract()")
        rows = []
        with torch.inference_mode():
            for start in range(0, len(images), BATCH):
                some = [self._shaped(image) for image in images[start : start + BATCH]]
                found = self._network(torch.stack(some))
                if found.ndim == 4:
                    found = found.mean((2, 3))
                rows.append(found.clamp(min=0).numpy())
                progress.advance(len(some))
        return np.concatenate(rows)

    def _shaped(self, image: NDArray[np.uint8]) -> torch.Tensor:
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)
        shaped: torch.Tensor = self._transform(pixels)
        return shaped


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """A state dictionary from a file.

    Parameters
    ----------
    path : Path
        ``.safetensors``, or any other ending for a file of torch. A dictionary that holds the
        weights under ``state_dict``, or under names that begin with ``module.``, is
        understood.

    Raises
    ------
    DatasetError
        If the file is unreadable, damaged, or holds something else.
    """
    try:
        if path.suffix == ".safetensors":
            found: Any = safetensors.torch.load(path.read_bytes())
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, SafetensorError) as error:
        raise _unreadable(path, error) from error
    except pickle.UnpicklingError as error:
        raise _unreadable(path, "it is damaged, or holds more than numbers") from error
    if isinstance(found, dict) and isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]
    if not isinstance(found, dict) or not all(torch.is_tensor(v) for v in found.values()):
        raise _unreadable(path, "it holds no dictionary of tensors")
    return {str(name).removeprefix("module."): value for name, value in found.items()}


def _unreadable(path: Path, reason: object) -> DatasetError:
    return DatasetError(
        f"cannot read the weights {path}: {' '.join(str(reason).split())[:200]}; give a state "
        "dictionary as torch.save(network.state_dict(), FILE) writes it"
    )


def _models(name: str) -> Any:
    """torchvision.models; with a torch that cannot load torchvision's compiled operators, too.

    torchvision from PyPI is built for torch with CUDA. Beside a torch without, its operators do
    not load, and its import fails where it extends two of them, though no classification network
    needs any. Declaring these two lets the import pass.
    """
    spec = find_spec("torchvision")
    if spec is None or spec.origin is None:
        raise DatasetError(
            f"features {name!r} need torchvision, which is not installed: {INSTALL} (the release "
            "that belongs to your torch), or take the features 'conv', which need nothing"
        )
    if not hasattr(torch.ops.torchvision, "nms"):
        try:
            library = Path(spec.origin).parent / "_C.so"
            torch.ops.load_library(library)  # type: ignore[no-untyped-call]
        except OSError:
            for operator in ("nms", "qnms"):
                torch.library.define(
                    f"torchvision::{operator}",
                    "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
                )
    try:
        from torchvision import models
    except (ImportError, RuntimeError, AttributeError) as error:
        raise DatasetError(
            f"features {name!r}: torchvision does not go with torch {torch.__version__} "
            f"({error}); install the release that does, e.g. {INSTALL}"
        ) from error
    return models
