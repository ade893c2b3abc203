"""Connectors: who connects to whom, with which weights. Weights are always ``[pre, post]``."""

from neuro.connectors.base import Connector
from neuro.connectors.images import Convolve, convolution, pooling
from neuro.connectors.matrices import (
    KINDS as _MATRICES,
    Transpose,
    as_connector,
    block_diagonal,
    dense,
    from_array,
    from_sparse,
    one_to_one,
    transpose_of,
)
from neuro.connectors.random import (
    KINDS as _RANDOM,
    fixed_in_degree,
    fixed_out_degree,
    fixed_probability,
)
from neuro.connectors.spatial import KINDS as _SPATIAL, distance_dependent

#: The classes that the functions make.
KINDS: tuple[type[Connector], ...] = (*_MATRICES, *_RANDOM, *_SPATIAL, Convolve)

__all__ = [
    "KINDS",
    "Connector",
    "Convolve",
    "Transpose",
    "as_connector",
    "block_diagonal",
    "convolution",
    "dense",
    "distance_dependent",
    "fixed_in_degree",
    "fixed_out_degree",
    "fixed_probability",
    "from_array",
    "from_sparse",
    "one_to_one",
    "pooling",
    "transpose_of",
]
