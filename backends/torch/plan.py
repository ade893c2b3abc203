"""How a program is going to be run: the options, settled."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Plan:
    """Settled options.

    Attributes
    ----------
    batch : int or None
        Items that run at once; None: one, and arrays have no item axis outside.
    device : torch.device
    listed : bool
        Spikes are listed and only what they touch is visited. Else they are truth values, and
        everything is visited without a look at them.
    ordered : bool
        Sums are made in the stated order.
    graphs : bool
        Chunks of steps are captured as CUDA graphs.
    """

    batch: int | None
    device: torch.device
    listed: bool
    ordered: bool
    graphs: bool
