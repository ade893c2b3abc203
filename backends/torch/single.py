"""Projections that give every target unit one synapse: one to one, or the same to many groups."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from neuro.backends.torch.delivery import Delivery
from neuro.backends.torch.memory import Memory
from neuro.backends.torch.sparse import Wiring
from neuro.backends.torch.spikes import SpikeList
from neuro.program import Arrive


def deliverable(wiring: Wiring, step: Arrive) -> bool:
    """Whether :class:`SingleDelivery` can do a step."""
    each = wiring.count == wiring.n_post and len(np.unique(wiring.post)) == wiring.n_post
    return each and step.delays is None and not step.factors


class SingleDelivery(Delivery[SpikeList]):
    """One product a target unit, and nothing to add up.

    Parameters
    ----------
    memory : Memory
    wiring : Wiring
    weights : str
    """

    def __init__(self, memory: Memory, wiring: Wiring, weights: str) -> None:
        self._memory, self._weights = memory, weights
        order = np.argsort(wiring.post)  # synapses by target
        source = wiring.pre[order]
        in_order = bool(np.all(np.diff(order) == 1))
        self._order = None if in_order else torch.from_numpy(order).to(memory.device)
        #: Copies of the source side by side need no list.
        self._copies = 0
        if wiring.n_post % wiring.n_pre == 0:
            copies = wiring.n_post // wiring.n_pre
            if np.array_equal(source, np.tile(np.arange(wiring.n_pre), copies)):
                self._copies = copies
        self._source = torch.from_numpy(np.ascontiguousarray(source)).to(memory.device)

    def listed(self, arriving: SpikeList, out: Tensor) -> None:
        """As truth values: every target is visited anyway."""
        self.masked(arriving.mask(), out)

    def masked(self, arriving: Tensor, out: Tensor) -> None:
        """The weight of each target's synapse, or 0."""
        weights = self._memory.tensors[self._weights]
        if self._order is not None:
            weights = weights.index_select(-1, self._order)
        # Not the other way round: of the input of many steps, ``out`` may be a part.
        shares = arriving.to(weights.dtype).view(*out.shape[:-1], -1)
        if self._copies:
            shares = shares.unsqueeze(-2)
            out = out.view(*out.shape[:-1], self._copies, -1)
            weights = weights.view(*weights.shape[:-1], self._copies, -1)
        else:
            shares = shares.index_select(-1, self._source)
        torch.mul(weights, shares, out=out)
