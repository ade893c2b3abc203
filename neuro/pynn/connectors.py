"""PyNN's connectors.

A connector asks PyNN for one column of its map after the other: which presynaptic cells connect to
this cell. Where there is one presynaptic cell, PyNN 0.13 gives a number in place of an array, which
NumPy refuses since 2.1; here it is made an array again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from pyNN import connectors


class _Columns:
    """Mixed into connectors that are maps."""

    def _standard_connect(
        self,
        projection: Any,
        connection_map_generator: Callable[..., Any],
        distance_map: Any = None,
    ) -> None:
        def columns(*mask: Any) -> Iterator[Any]:
            for column in connection_map_generator(*mask):
                yield column if column is True else np.atleast_1d(column)

        parent: Any = super()
        parent._standard_connect(projection, columns, distance_map)


def _with_columns(connector: Any) -> Any:
    documented = {"__doc__": connector.__doc__, "__module__": __name__}
    return type(connector.__name__, (_Columns, connector), documented)


AllToAllConnector = _with_columns(connectors.AllToAllConnector)
ArrayConnector = _with_columns(connectors.ArrayConnector)
CloneConnector = _with_columns(connectors.CloneConnector)
CSAConnector = _with_columns(connectors.CSAConnector)
DisplacementDependentProbabilityConnector = _with_columns(
    connectors.DisplacementDependentProbabilityConnector
)
DistanceDependentProbabilityConnector = _with_columns(
    connectors.DistanceDependentProbabilityConnector
)
FixedNumberPostConnector = _with_columns(connectors.FixedNumberPostConnector)
FixedNumberPreConnector = _with_columns(connectors.FixedNumberPreConnector)
FixedProbabilityConnector = _with_columns(connectors.FixedProbabilityConnector)
FixedTotalNumberConnector = _with_columns(connectors.FixedTotalNumberConnector)
FromFileConnector = connectors.FromFileConnector
FromListConnector = connectors.FromListConnector
IndexBasedProbabilityConnector = _with_columns(connectors.IndexBasedProbabilityConnector)
OneToOneConnector = _with_columns(connectors.OneToOneConnector)
SmallWorldConnector = connectors.SmallWorldConnector
