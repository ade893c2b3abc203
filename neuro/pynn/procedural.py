"""PyNN's procedural interface: create, connect, set, record."""

from __future__ import annotations

from typing import Any

from pyNN import common

from neuro.pynn import simulator
from neuro.pynn.connectors import FixedProbabilityConnector
from neuro.pynn.populations import Population
from neuro.pynn.projections import Projection
from neuro.pynn.synapses import StaticSynapse

create = common.build_create(Population)
connect = common.build_connect(Projection, FixedProbabilityConnector, StaticSynapse)
set = common.set
record = common.build_record(simulator)


def record_v(source: Any, filename: Any) -> None:
    """Record the membrane potential."""
    record(["v"], source, filename)


def record_gsyn(source: Any, filename: Any) -> None:
    """Record the synaptic conductances."""
    record(["gsyn_exc", "gsyn_inh"], source, filename)
