"""Sources: populations without inputs. Their spikes are data, the same on every backend."""

from neuro.sources.base import Source, check_shape
from neuro.sources.bernoulli import BLOCK, Bernoulli
from neuro.sources.images import PoissonImages, WindowedPoisson
from neuro.sources.poisson import ModulatedPoisson, Poisson
from neuro.sources.replay import PerItem, SpikeTimes

#: Classes that a file may name.
KINDS: tuple[type[Source], ...] = (
    ModulatedPoisson,
    PerItem,
    Poisson,
    PoissonImages,
    SpikeTimes,
    WindowedPoisson,
)

__all__ = [
    "BLOCK",
    "KINDS",
    "Bernoulli",
    "ModulatedPoisson",
    "PerItem",
    "Poisson",
    "PoissonImages",
    "Source",
    "SpikeTimes",
    "WindowedPoisson",
    "check_shape",
]
