"""Weights alone, in safetensors: what torch programs, hubs and viewers read.

One tensor for each projection that has weights of its own, under its name: dense ``[pre, post]``,
sparse one number a synapse, a convolution its kernel. The synapses of a sparse projection are
beside it, as ``NAME.pre`` and ``NAME.post``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neuro._version import __version__
from neuro.connectivity import Sparse
from neuro.errors import DescriptionError
from neuro.results import write_bytes

if TYPE_CHECKING:
    from neuro.exchange.torch_module import SpikingModule
    from neuro.simulation import Simulation

Arrays = dict[str, NDArray[Any]]


def save_weights(source: Simulation | SpikingModule, path: str | Path) -> None:
    """Write the present weights of a simulation or of a torch module, atomically.

    Parameters
    ----------
    source : Simulation or SpikingModule
        What :func:`neuro.compile` or :func:`neuro.to_torch` made.
    path : str or Path
        By custom it ends in ``.safetensors``. An existing file is replaced when the new one is
        complete.

    Raises
    ------
    DescriptionError
        If the items of a batch have learned weights of their own.
    JobError
        If the file cannot be written.
    """
    from safetensors.numpy import save

    program, weights = source.program, _weights(source)
    tensors: Arrays = {}
    for name, value in weights.items():
        form = program.connectivity[name]
        if value.shape != form.weight_shape:
            raise DescriptionError(
                f"save_weights: projection {name!r} has weights of shape {value.shape}, those of "
                f"one network have {form.weight_shape}: items of the batch learned apart; save "
                f"sim.weights({name!r})[item] by itself"
            )
        tensors[name] = np.ascontiguousarray(value)
        if isinstance(form, Sparse):
            tensors[f"{name}.pre"], tensors[f"{name}.post"] = _synapses(form)
    write_bytes(Path(path), save(tensors, {"neuro": __version__, "network": program.name}))


def load_weights(target: Simulation | SpikingModule, path: str | Path) -> None:
    """Set the weights of a simulation or of a torch module to those of a file.

    Parameters
    ----------
    target : Simulation or SpikingModule
        Its projections must have the names, shapes and synapses of those in the file.
    path : str or Path
        What :func:`save_weights` wrote, or any safetensors file with such tensors. Numbers are
        rounded to the target's precision.

    Raises
    ------
    DescriptionError
        If the file is not there or not in safetensors, or does not fit; nothing is set then.
    """
    program, given = target.program, _read(path)
    where = f"load_weights: {path}"
    names = list(_weights(target))
    known = {name for n in names for name in (n, f"{n}.pre", f"{n}.post")}
    missing = [name for name in names if name not in given]
    if missing:
        raise DescriptionError(f"{where} has no weights of projection {missing[0]!r}")
    unknown = sorted(given.keys() - known)
    if unknown:
        raise DescriptionError(
            f"{where} has {unknown[0]!r}, which is no projection with weights of its own; there "
            f"are {', '.join(names)}"
        )
    for name in names:
        form = program.connectivity[name]
        if given[name].shape != form.weight_shape:
            raise DescriptionError(
                f"{where}: {name!r} has shape {given[name].shape}, the projection has "
                f"{form.weight_shape}"
            )
        if not np.all(np.isfinite(given[name])):
            raise DescriptionError(f"{where}: {name!r} has NaN or infinite weights")
        if isinstance(form, Sparse) and f"{name}.pre" in given:
            stored = [given.get(f"{name}.{side}", np.zeros(0)) for side in ("pre", "post")]
            own = _synapses(form)
            if not all(np.array_equal(a, b) for a, b in zip(stored, own, strict=True)):
                raise DescriptionError(
                    f"{where}: {name!r} joins other pairs of units; make the network with the "
                    "seed and connector that it was saved with"
                )
    for name in names:
        target.set_weights(name, given[name])


def _weights(of: Simulation | SpikingModule) -> Arrays:
    """Present weights of every projection that has its own."""
    from neuro.simulation import Simulation  # which itself keeps recordings in files

    if isinstance(of, Simulation):
        return {name: of.engine.read(f"{name}.w") for name in of.program.connectivity}
    return {name: value.detach().cpu().numpy() for name, value in of.weights.items()}


def _synapses(form: Sparse) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.asarray(form.rows, np.int64), np.asarray(form.targets, np.int64)


def _read(path: str | Path) -> Arrays:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not Path(path).is_file():
        raise DescriptionError(f"load_weights: {path} does not exist; check the path")
    try:
        return dict(load_file(path))
    except SafetensorError as error:
        raise DescriptionError(f"load_weights: {path} is no safetensors file: {error}") from error
