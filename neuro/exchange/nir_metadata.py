"""What NIR cannot say about a network, in the metadata of a graph."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.errors import DescriptionError
from neuro.exchange.hdf5 import network_content, network_of
from neuro.network import Network

HERE = "neuro"
"""Key of the description; arrays are beside it as ``neuro_0`` and so on."""

VERSION = 1


def metadata_of(net: Network, dt: float) -> dict[str, Any]:
    """The whole description, in values that files of NIR hold."""
    arrays: list[NDArray[Any]] = []
    content = network_content(net, arrays)
    text = json.dumps({"version": VERSION, "dt": dt, "network": content})
    return {HERE: text, **{f"{HERE}_{n}": array for n, array in enumerate(arrays)}}


def network_in(metadata: Mapping[str, Any], dt: float) -> Network:
    """The network that :func:`metadata_of` described.

    Raises
    ------
    DescriptionError
        If it is of a newer version, or was written for another time step.
    """
    text = metadata[HERE]
    content = json.loads(text.decode() if isinstance(text, bytes) else text)
    if content["version"] > VERSION:
        raise DescriptionError(
            f"from_nir: the description has version {content['version']}, this neuro reads up to"
            f" {VERSION}; update neuro, or read the graph alone with original=False"
        )
    if not np.isclose(content["dt"], dt, rtol=1e-9):
        raise DescriptionError(
            f"from_nir: the graph was written for dt = {content['dt']:g} s, not {dt:g} s; give that"
            " dt, or original=False to read the graph alone"
        )
    arrays: list[NDArray[Any]] = []
    while (key := f"{HERE}_{len(arrays)}") in metadata:
        arrays.append(np.asarray(metadata[key]))
    return network_of(content["network"], arrays)
