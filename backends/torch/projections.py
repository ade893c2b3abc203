"""What happens at projections: delivery of spikes, and learning."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from neuro.backends.torch import single
from neuro.backends.torch.blocks import BlockDelivery, Blocks, BlockSynapses, deliverable
from neuro.backends.torch.convolution import ConvolutionDelivery
from neuro.backends.torch.delivery import Delivery, ItemRows, SharedRows
from neuro.backends.torch.expressions import Expressions
from neuro.backends.torch.learning import Learning
from neuro.backends.torch.memory import Memory
from neuro.backends.torch.plan import Plan
from neuro.backends.torch.scopes import MatrixSynapses, SparseSynapses, Synapses
from neuro.backends.torch.sparse import DelayedWiring, SparseDelivery, SynapseDelivery, Wiring
from neuro.backends.torch.spikes import Arriving, Chosen, Feed, History, SpikeList
from neuro.connectivity import Convolution, IntArray, Sparse
from neuro.program import Arrive, Plasticity, Program

#: Share of all pairs, by type of the weights, from which a static sparse projection is kept as a
#: matrix, whose rows are added faster than single synapses; and most bytes of such a matrix.
MATRIX_DENSITY, MATRIX_BYTES = {"float32": 0.015, "float64": 0.04}, 2**27

#: Finds what arrives, given the spikes of so many steps before.
Find = Callable[[Callable[[int], SpikeList]], SpikeList | Chosen]


def static(program: Program, step: Arrive) -> bool:
    """Whether all items have the same weights all the time, and no factors."""
    return program.arrays[step.weights].constant and not step.factors


def as_matrix(program: Program, step: Arrive) -> bool:
    """Whether a sparse projection is delivered as a matrix with zeros in it."""
    c = program.connectivity[step.synapses]
    if not isinstance(c, Sparse) or step.delays or c.has_multapses or not static(program, step):
        return False
    pairs = c.n_pre * c.n_post
    small = pairs * program.dtype.itemsize <= MATRIX_BYTES
    return small and c.count >= MATRIX_DENSITY[program.dtype.name] * pairs


def at_once(program: Program, plan: Plan, step: Arrive) -> bool:
    """Whether the input of many steps is delivered together: its spikes are known."""
    if step.source not in program.sources or not static(program, step):
        return False
    # Single additions are made in the order of their list only on a CPU.
    sparse = isinstance(program.connectivity[step.synapses], Sparse)
    return plan.listed or not sparse or deliverable(program, step) or as_matrix(program, step)


class Projections:
    """Makes what runs at a program's projections.

    Parameters
    ----------
    program : Program
    plan : Plan
    memory : Memory
    history : callable
        Gives the spikes of a population, which is then kept up to date.
    """

    def __init__(
        self, program: Program, plan: Plan, memory: Memory, history: Callable[[str], History]
    ) -> None:
        self._program, self._plan, self._memory = program, plan, memory
        self._history = history
        self._wirings: dict[tuple[str, bool], Wiring] = {}

    # --- arrivals ---

    def arriving(self, step: Arrive | Plasticity) -> Callable[[int], Arriving]:
        """What arrives in step j of the chunk: spikes, or single synapses."""
        history = self._history(step.source)
        if self._plan.listed:
            find = self._find(step)
            return lambda j: find(lambda ago: history.spikes(history.before + j - ago))
        if step.delays is None:
            return lambda j: history.rows[history.before + j - step.delay]
        first = torch.from_numpy(history.before - self._delays(step)).to(self._plan.device)
        source = self._wiring(step).pre_index
        return lambda j: history.masks[first + j, :, source].T

    def _find(self, step: Arrive | Plasticity) -> Find:
        if step.delays is None:
            return lambda emitted: emitted(step.delay)
        return DelayedWiring(self._wiring(step), self._delays(step)).arriving

    def _wiring(self, step: Arrive | Plasticity) -> Wiring:
        key = step.synapses, step.transposed
        if key not in self._wirings:
            connectivity = self._program.connectivity[step.synapses]
            assert isinstance(connectivity, Sparse)
            self._wirings[key] = Wiring(connectivity, step.transposed, self._plan.device)
        return self._wirings[key]

    def _delays(self, step: Arrive | Plasticity) -> IntArray:
        assert step.delays is not None
        return self._program.arrays[step.delays].initial.astype(np.int64)

    # --- delivery ---

    def delivery(self, step: Arrive) -> Delivery[SpikeList] | Delivery[Chosen]:
        """The way from arrivals to input."""
        c, weights = self._program.connectivity[step.synapses], step.weights
        memory, ordered = self._memory, self._plan.ordered
        if isinstance(c, Sparse) and c.blocks is not None and deliverable(self._program, step):
            blocks = Blocks.of(c.blocks, step.transposed)
            return BlockDelivery(memory, blocks, weights, step.factors, ordered)
        if isinstance(c, Convolution):
            return ConvolutionDelivery(memory, c, weights, step.factors, ordered)
        if isinstance(c, Sparse) and single.deliverable(self._wiring(step), step):
            return single.SingleDelivery(memory, self._wiring(step), weights)
        if as_matrix(self._program, step):
            return self._shared(weights, self._wiring(step).as_matrix)
        if isinstance(c, Sparse):
            wiring = self._wiring(step)
            if step.delays is not None:
                return SynapseDelivery(memory, wiring, weights, step.factors, self._delays(step))
            return SparseDelivery(SynapseDelivery(memory, wiring, weights, step.factors), wiring)
        if not static(self._program, step):
            return ItemRows(memory, weights, step.factors, step.transposed, ordered)
        if step.transposed:
            return self._shared(weights, lambda matrix: matrix.T.contiguous())
        return SharedRows(memory.tensors[weights], ordered)

    def _shared(self, name: str, make: Callable[[Tensor], Tensor]) -> SharedRows:
        """Rows made from weights, and again whenever these are set."""
        weights = self._memory.tensors[name]
        rows = SharedRows(make(weights), self._plan.ordered)
        self._memory.watch(name, lambda: rows.replace(make(weights)))
        return rows

    def step_by_step(self, step: Arrive) -> Callable[[int], None]:
        """Delivery in step j of the chunk."""
        deliver: Callable[..., None] = self.delivery(step)
        arriving, into = self.arriving(step), self._memory.tensors[step.into]
        return lambda j: deliver(arriving(j), into)

    def at_once(self, step: Arrive, block: int) -> AtOnce:
        """Delivery for up to ``block`` steps together."""
        deliver: Callable[..., None] = self.delivery(step)
        return AtOnce(step, self._find(step), deliver, self._memory, block)

    # --- learning ---

    def learning(self, step: Plasticity, expressions: Expressions) -> Learning:
        """A plasticity rule."""
        synapses: Synapses
        c = self._program.connectivity[step.synapses]
        if isinstance(c, Sparse) and c.blocks is not None and step.delays is None:
            blocks = Blocks.of(c.blocks, step.transposed)
            synapses = BlockSynapses(self._memory, self._wiring(step), blocks)
        elif isinstance(c, Sparse):
            synapses = SparseSynapses(self._memory, self._wiring(step), step.delays is not None)
        else:
            synapses = MatrixSynapses(self._memory, step.transposed)
        return Learning(step, self._memory, expressions, synapses)


class AtOnce:
    """Delivery from a source for many steps together.

    Parameters
    ----------
    step : Arrive
    find, deliver : callable
        From spikes to arrivals, and to input.
    memory : Memory
    block : int
        Most steps that are delivered together.
    """

    def __init__(
        self, step: Arrive, find: Find, deliver: Callable[..., None], memory: Memory, block: int
    ) -> None:
        self.source = step.source
        self._into, self._find, self._deliver, self._memory = step.into, find, deliver, memory
        items, size = memory.tensors[step.into].shape
        self._buffer = torch.empty((items, block, size), dtype=memory.dtype, device=memory.device)
        self._rows = self._buffer.unbind(1)
        self._first = 0

    def prepare(self, feed: Feed, size: int, start: int, j: int, count: int) -> None:
        """Deliver what arrives in ``count`` steps, the first of which is step ``j`` of the chunk.

        ``feed`` is that of the source, which has ``size`` units; ``start`` is the number of the
        first step.
        """

        def spikes(ago: int) -> SpikeList:
            first = start - ago
            return feed.listed(first, first + count, size, self._memory.device)

        self._first = j
        self._deliver(self._find(spikes), self._buffer[:, :count])

    def provide(self, j: int) -> None:
        """Make the input of step j of the chunk the one that the program reads."""
        self._memory.tensors[self._into] = self._rows[j - self._first]
