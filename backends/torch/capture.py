"""Chunks of steps as CUDA graphs: thousands of small kernels started with one call.

``torch.compile`` is not offered: on a CPU the compiled update of a layer took 46 s to build, 5 s
from its cache, and ran slower than the same calls one by one; on a GPU it fuses multiplications
with additions, which changes bits.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

import torch

#: Graphs that are kept; a chunk of yet another kind runs without.
MOST = 16


class Graphs:
    """Runs a function the first time as it is, then as a graph captured from it.

    The function must do the same operations on the same tensors whenever it is called with the
    same key, and never look at values.
    """

    def __init__(self) -> None:
        self._seen: set[Hashable] = set()
        self._graphs: dict[Hashable, torch.cuda.CUDAGraph] = {}

    def run(self, key: Hashable, function: Callable[[], None]) -> None:
        """Do what the function does."""
        if key in self._graphs:
            self._graphs[key].replay()
        elif key not in self._seen or len(self._graphs) == MOST:
            # The first call also lets libraries allocate what they need, outside the graph.
            self._seen.add(key)
            function()
        else:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                function()
            self._graphs[key] = graph
            graph.replay()
