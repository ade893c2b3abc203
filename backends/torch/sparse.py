"""Sparse projections: which synapses a spike reaches, and delivery through them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from neuro.backends.torch.delivery import Delivery, add_rows
from neuro.backends.torch.memory import Memory
from neuro.backends.torch.spikes import NONE, Chosen, SpikeList
from neuro.connectivity import IntArray, Sparse
from neuro.program import array_of, side_of


class Lists:
    """Ragged lists of synapses, one a unit.

    Parameters
    ----------
    ends : array of int
        Unit of each synapse.
    units : int
    """

    def __init__(self, ends: IntArray, units: int) -> None:
        in_order = bool(np.all(ends[1:] >= ends[:-1]))
        self._order = None if in_order else np.argsort(ends, kind="stable")
        sorted_ends = ends if self._order is None else ends[self._order]
        self._start = np.searchsorted(sorted_ends, np.arange(units + 1))

    def __call__(self, spikes: SpikeList) -> Chosen:
        """Every synapse of the units that spiked, in order of the spikes."""
        first = self._start[spikes.unit]
        count = self._start[spikes.unit + 1] - first
        ends = np.cumsum(count)
        flat = np.arange(ends[-1] if len(ends) else 0) + np.repeat(first - (ends - count), count)
        synapse = flat if self._order is None else self._order[flat]
        return Chosen(np.repeat(spikes.row, count), synapse, spikes.rows)


class Wiring:
    """The synapses of a projection, seen from its own source and target.

    Parameters
    ----------
    connectivity : Sparse
    transposed : bool
        The projection reads another's synapses backwards.
    device : torch.device
    """

    def __init__(self, connectivity: Sparse, transposed: bool, device: torch.device) -> None:
        ends = connectivity.rows, connectivity.targets
        sizes = connectivity.n_pre, connectivity.n_post
        #: Source unit and target unit of every synapse.
        self.pre, self.post = ends[::-1] if transposed else ends
        self.n_pre, self.n_post = sizes[::-1] if transposed else sizes
        self.count, self.device = connectivity.count, device
        self.pre_index = torch.from_numpy(self.pre.copy()).to(device)
        self.post_index = torch.from_numpy(self.post.copy()).to(device)
        #: Synapses that leave, and that reach, some units.
        self.of_pre = Lists(self.pre, self.n_pre)
        self.of_post = Lists(self.post, self.n_post)

    def as_matrix(self, weights: Tensor) -> Tensor:
        """Weights ``[pre, post]``, 0 where there is no synapse."""
        matrix = weights.new_zeros((self.n_pre, self.n_post))
        matrix[self.pre_index, self.post_index] = weights
        return matrix


class DelayedWiring:
    """Which synapses have an arrival, when each has its own delay.

    Parameters
    ----------
    wiring : Wiring
    delays : array of int
        Delay of every synapse in steps.
    """

    def __init__(self, wiring: Wiring, delays: IntArray) -> None:
        self._lists: list[tuple[int, Lists, IntArray]] = []
        for delay in np.unique(delays)[::-1]:  # what was emitted first arrives first
            chosen = np.flatnonzero(delays == delay)
            self._lists.append((int(delay), Lists(wiring.pre[chosen], wiring.n_pre), chosen))

    def arriving(self, emitted: Callable[[int], SpikeList]) -> Chosen:
        """The synapses; ``emitted(d)`` gives the spikes of d steps before."""
        row, synapse, rows = [NONE], [NONE], 0
        for delay, lists, chosen in self._lists:
            spikes = emitted(delay)
            rows = spikes.rows
            if len(spikes):
                found = lists(spikes)
                row.append(found.row)
                synapse.append(chosen[found.synapse])
        return Chosen(np.concatenate(row), np.concatenate(synapse), rows)


class SynapseDelivery(Delivery[Chosen]):
    """From arrivals at single synapses, to one addition for each.

    Parameters
    ----------
    memory : Memory
    wiring : Wiring
    weights : str
    factors : tuple of str
        As in :class:`neuro.program.Arrive`.
    delays : array of int, optional
        Delay of every synapse in steps.
    """

    def __init__(
        self,
        memory: Memory,
        wiring: Wiring,
        weights: str,
        factors: tuple[str, ...],
        delays: IntArray | None = None,
    ) -> None:
        self._memory, self._wiring = memory, wiring
        self._weights, self._factors = weights, factors
        # By target; for each what was emitted first, then by source.
        late = np.zeros(wiring.count, np.int64) if delays is None else -delays
        order = np.lexsort((wiring.pre, late, wiring.post))
        bounds = np.searchsorted(wiring.post[order], np.arange(wiring.n_post + 1))
        self._order = torch.from_numpy(order).to(memory.device)
        self._bounds = torch.from_numpy(bounds).to(memory.device)
        self._every = torch.arange(wiring.count, device=memory.device)

    def listed(self, arriving: Chosen, out: Tensor) -> None:
        """One addition for each synapse in the list, in its order."""
        values = self._of_synapses(self._weights, arriving)
        for name in self._factors:
            values = values * self._of_synapses(name, arriving)
        place = arriving.row * self._wiring.n_post + self._wiring.post[arriving.synapse]
        sums = out.new_zeros(arriving.rows * self._wiring.n_post)
        # In one dimension torch adds one after the other, in order (on a CPU).
        sums.index_add_(0, torch.from_numpy(place).to(sums.device), values)
        out.copy_(sums.view(out.shape))

    def _of_synapses(self, name: str, arriving: Chosen) -> Tensor:
        values = self._memory.tensors[array_of(name)]
        index = self._wiring.pre[arriving.synapse] if side_of(name) else arriving.synapse
        if self._memory.per_item(array_of(name)):
            index = arriving.row * values.shape[-1] + index
        return values.view(-1).index_select(0, torch.from_numpy(index).to(values.device))

    def masked(self, arriving: Tensor, out: Tensor) -> None:
        """One addition for every synapse, most of them of 0."""
        values = self._memory.tensors[self._weights]
        for name in self._factors:
            factor = self._memory.tensors[array_of(name)]
            values = values * (factor[..., self._wiring.pre_index] if side_of(name) else factor)
        values = torch.where(arriving, values, torch.zeros_like(values))
        sums = out.new_empty((self._wiring.n_post, len(arriving)))
        add_rows(values[:, self._order].T.contiguous(), self._every, self._bounds, sums)
        out.copy_(sums.T)


class SparseDelivery(Delivery[SpikeList]):
    """From arrivals at units: at all synapses that leave them.

    Parameters
    ----------
    synapses : SynapseDelivery
    wiring : Wiring
    """

    def __init__(self, synapses: SynapseDelivery, wiring: Wiring) -> None:
        self._synapses, self._wiring = synapses, wiring

    def listed(self, arriving: SpikeList, out: Tensor) -> None:
        """One addition for each synapse of the units that spiked."""
        self._synapses(self._wiring.of_pre(arriving), out)

    def masked(self, arriving: Tensor, out: Tensor) -> None:
        """One addition for every synapse."""
        self._synapses.masked(arriving[:, self._wiring.pre_index], out)
