"""The functions of the equation language for tensors, with the same bits as everywhere.

Most run their recipe of :mod:`neuro.equations.elementary`; what torch itself has differs in the
last bit between machines, on a CPU with AVX-512 even the square root (of 0.7 % of all numbers).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neuro.equations.elementary import RECIPES
from neuro.equations.recipe import EXPONENT_OFFSET, Recipe


def _power_of_two(k: Tensor) -> Tensor:
    """``2^k`` for whole ``|k| < 1023``, from its bits; ``torch.ldexp`` computes a power."""
    return torch.bitwise_left_shift(k.to(torch.int64) + 1023, 52).view(torch.float64)


def _ldexp(x: Tensor, k: Tensor) -> Tensor:
    half = torch.floor(k * 0.5)
    return (x * _power_of_two(half)) * _power_of_two(k - half)


def _exponent(x: Tensor) -> Tensor:
    bits = x.view(torch.int64) + EXPONENT_OFFSET
    return (torch.bitwise_right_shift(bits, 52) - 1023).to(torch.float64)


#: Numbers that go through a recipe together on a CPU: all values in between stay in the cache.
BLOCK = 2**14

_ELEMENTARY: Mapping[str, Callable[..., Tensor]] = {
    "absolute": torch.abs,
    "add": torch.add,
    "both": torch.logical_and,
    "copysign": torch.copysign,
    "divide": torch.div,
    "equal": torch.eq,
    "exponent": _exponent,
    "floor": torch.floor,
    "ldexp": _ldexp,
    "less": torch.lt,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "multiply": torch.mul,
    "subtract": torch.sub,
    "where": torch.where,
}


def sign(x: Tensor) -> Tensor:
    """-1, 0 or 1; NaN for NaN, of which ``torch.sign`` makes 0."""
    return torch.where(torch.isnan(x), x, torch.sign(x))


def clip(x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """``x`` limited to ``[low, high]``; NaN for NaN."""
    return torch.minimum(torch.maximum(x, low), high)


def exact(device: torch.device) -> dict[str, Callable[..., Tensor]]:
    """Operations that IEEE 754 rounds exactly, but torch on a CPU does not: NumPy does."""
    if device.type != "cpu":
        return {"sqrt": torch.sqrt, "%": torch.remainder}
    return {"sqrt": _by_numpy(np.sqrt), "%": _by_numpy(np.mod)}


def _by_numpy(function: Callable[..., Any]) -> Callable[..., Tensor]:
    def call(*arguments: Tensor) -> Tensor:
        with np.errstate(all="ignore"):
            return torch.from_numpy(np.asarray(function(*(a.numpy() for a in arguments))))

    return call


def portable(device: torch.device) -> dict[str, Callable[..., Tensor]]:
    """Functions by name, ready for tensors on a device: float32 is rounded once, at the end."""
    return {name: _function(recipe, device) for name, recipe in RECIPES.items()}


def _function(recipe: Recipe, device: torch.device) -> Callable[..., Tensor]:
    # Literals are tensors on the device: torch multiplies by the reciprocal of a number that a
    # GPU divides by.
    operations = [
        (
            _ELEMENTARY[operation.name],
            tuple(
                x if isinstance(x, int) else torch.tensor(x, dtype=torch.float64, device=device)
                for x in operation.operands
            ),
        )
        for operation in recipe.operations
    ]
    dead = _dead(recipe)

    def run(arguments: Sequence[Tensor]) -> Tensor:
        values: list[Any] = [argument.to(torch.float64) for argument in arguments]
        for (function, operands), gone in zip(operations, dead, strict=True):
            given = [values[x] if isinstance(x, int) else x for x in operands]
            values.append(function(*given))
            for x in gone:
                values[x] = None
        result: Tensor = values[-1]
        return result.to(arguments[0].dtype)

    def call(*arguments: Tensor) -> Tensor:
        most = max(argument.numel() for argument in arguments)
        if most <= BLOCK or device.type != "cpu":
            return run(arguments)
        shape = np.broadcast_shapes(*(argument.shape for argument in arguments))
        flat = [argument.expand(shape).reshape(-1) for argument in arguments]
        out = torch.empty_like(flat[0])
        for low in range(0, len(out), BLOCK):
            out[low : low + BLOCK] = run([argument[low : low + BLOCK] for argument in flat])
        return out.view(shape)

    return call


def _dead(recipe: Recipe) -> list[list[int]]:
    """For each operation, the values that nobody uses afterwards: their memory is free."""
    dead: list[list[int]] = [[] for _ in recipe.operations]
    for value, last in recipe.last_uses().items():
        dead[last].append(value)
    return dead
