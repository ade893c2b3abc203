"""Networks and checkpoints in HDF5 files: versioned, self-contained, never pickled.

A file holds one JSON text (dataset ``structure``) in which every array is a number that names a
dataset of the group ``arrays``. Loading a network makes it anew through the public methods of
:class:`neuro.Network`, so a damaged file is refused with the messages that a damaged script gets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro import connectors, loihi, neurons, plasticity, sources, synapses
from neuro.atomic import replacing
from neuro.description import Described
from neuro.distributions import Normal, Uniform
from neuro.engine import State
from neuro.errors import DescriptionError
from neuro.network import Network
from neuro.neurons import NeuronModel
from neuro.plasticity import PlasticityRule, ShortTermPlasticity

FORMAT, VERSION = "neuro", 1

_KINDS: tuple[type[Described], ...] = (
    *(getattr(neurons, name) for name in neurons.__all__),
    *(getattr(plasticity, name) for name in plasticity.__all__ if name[0].isupper()),
    *sources.KINDS,
    *synapses.KINDS,
    *connectors.KINDS,
    connectors.Transpose,
    Normal,
    Uniform,
)
#: What a file may name; nothing else is ever constructed.
_CLASSES: Mapping[str, type[Described]] = {
    **{kind.__name__.lstrip("_"): kind for kind in _KINDS},
    "loihi.LIF": loihi.LIF,
}
_NAMES = {kind: name for name, kind in _CLASSES.items()}


def save(what: Network | State, path: str | Path) -> None:
    """Write a network or a checkpoint to an HDF5 file, atomically.

    Parameters
    ----------
    what : Network or State
        ``load`` gives an equal one back.
    path : str or Path
        An existing file is replaced when the new one is complete.

    Raises
    ------
    DescriptionError
        When something in the network is of a class that files do not know.
    OSError
        When the file cannot be written.
    """
    import h5py

    arrays: list[NDArray[Any]] = []
    if isinstance(what, Network):
        structure = {"kind": "network", **network_content(what, arrays)}
    elif isinstance(what, State):
        content = {"step": what.step, "arrays": dict(what.arrays), "recent": dict(what.recent)}
        structure = {"kind": "state", "state": _encode(content, arrays)}
    else:
        raise DescriptionError(f"save: {what!r} is neither a Network nor a State")
    with replacing(Path(path)) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["format"], file.attrs["version"] = FORMAT, VERSION
        file["structure"] = json.dumps(structure)
        group = file.create_group("arrays")
        for i, array in enumerate(arrays):
            group[str(i)] = array


def load(path: str | Path) -> Any:
    """Read what :func:`save` wrote.

    Returns
    -------
    Network or State

    Raises
    ------
    DescriptionError
        When the file is not one of neuro's, damaged, or of a newer version.
    """
    import h5py

    where = f"load: {path}"
    if not Path(path).is_file():
        raise DescriptionError(f"{where} does not exist; check the path")
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != FORMAT:
                raise DescriptionError(f"{where} is not a file of neuro.save")
            version = int(file.attrs["version"])
            if version > VERSION:
                raise DescriptionError(
                    f"{where} has format version {version}, this neuro reads up to {VERSION};"
                    " update neuro"
                )
            structure = json.loads(file["structure"][()])
            arrays = [file[f"arrays/{i}"][()] for i in range(len(file["arrays"]))]
        if structure["kind"] == "network":
            return network_of(structure, arrays)
        return State(**_decode(structure["state"], arrays))
    except (OSError, KeyError, IndexError, TypeError, ValueError) as error:
        if isinstance(error, DescriptionError):
            raise
        raise DescriptionError(f"{where} is damaged: {error}") from error


def network_content(net: Network, arrays: list[NDArray[Any]]) -> dict[str, Any]:
    """A network as plain JSON; arrays go into the list."""
    return {
        "name": net.name,
        "seed": net.seed,
        "populations": [
            {
                "name": p.name,
                "size": _encode(p.shape, arrays),
                "model": _encode(p.model, arrays),
                "positions": _encode(p.positions, arrays),
            }
            for p in net.populations.values()
        ],
        "projections": [
            {
                "name": p.name,
                "pre": p.pre.name,
                "post": p.post.name,
                "weights": _encode(p.connector, arrays),
                "port": p.port,
                "delay": _encode(p.delay, arrays),
                "gain": p.gain,
                "plasticity": _encode(p.plasticity, arrays),
                "short_term": _encode(p.short_term, arrays),
                "factors": _encode(p.factors, arrays),
            }
            for p in net.projections.values()
        ],
        "recorders": [
            {
                "what": r.owner,
                "variable": r.variable,
                "units": _encode(r.units, arrays),
                "every": r.every,
            }
            for r in net.recorders
        ],
    }


def network_of(structure: Mapping[str, Any], arrays: list[NDArray[Any]]) -> Network:
    """The network of which :func:`network_content` gave structure and arrays."""

    def decode(value: Any) -> Any:
        return _decode(value, arrays)

    net = Network(structure["name"], seed=structure["seed"])
    for p in structure["populations"]:
        size, positions = decode(p["size"]), decode(p.get("positions"))
        net.population(p["name"], decode(p["model"]), size, positions=positions)
    for p in structure["projections"]:
        net.connect(
            p["pre"],
            p["post"],
            decode(p["weights"]),
            delay=decode(p["delay"]),
            plasticity=decode(p["plasticity"]),
            short_term=decode(p.get("short_term")),
            factors=decode(p.get("factors")),
            port=p["port"],
            gain=p["gain"],
            name=p["name"],
        )
    for r in structure["recorders"]:
        every = r.get("every", 1)  # older files do not say
        net.record(r["what"], r["variable"], decode(r["units"]), every=every)
    return net


def _encode(value: Any, arrays: list[NDArray[Any]]) -> Any:
    """JSON of a value; arrays go into the list."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, tuple):
        return {"tuple": [_encode(v, arrays) for v in value]}
    if isinstance(value, Mapping):
        return {"mapping": {k: _encode(v, arrays) for k, v in value.items()}}
    name = _NAMES.get(type(value))
    if name is None:
        raise DescriptionError(
            f"save: {type(value).__name__} is not a class that files know; write it as a plain"
            " NeuronModel or PlasticityRule"
        )
    return {"class": name, "content": _encode(value.content(), arrays)}


def _decode(value: Any, arrays: list[NDArray[Any]]) -> Any:
    if not isinstance(value, dict):
        return value
    match value:
        case {"array": index}:
            return arrays[index]
        case {"tuple": parts}:
            return tuple(_decode(p, arrays) for p in parts)
        case {"mapping": items}:
            return {k: _decode(v, arrays) for k, v in items.items()}
        case {"class": name, "content": content}:
            return _construct(_CLASSES[name], _decode(content, arrays))
    raise ValueError(f"unknown entry {value!r}")


def _construct(kind: type[Described], content: dict[str, Any]) -> Described:
    """An object of a known class from its content.

    Models and rules are parsed and checked again, through the path that user-written ones take.
    """
    made = kind.__new__(kind)
    if isinstance(made, NeuronModel):
        units = content.pop("units")
        content["parameters"] = {k: (v, units[k]) for k, v in content["parameters"].items()}
        NeuronModel.__init__(made, **content)
    elif isinstance(made, PlasticityRule):
        PlasticityRule.__init__(made, **content)
    elif isinstance(made, ShortTermPlasticity):
        ShortTermPlasticity.__init__(made, **content)
    else:
        vars(made).update(content)
    return made
