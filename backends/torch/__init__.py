"""The torch backend: the program as tensor code, many items at once, on CPU and GPU."""

from neuro.backends.torch.backend import TorchBackend

BACKEND = TorchBackend()

__all__ = ["BACKEND", "TorchBackend"]
