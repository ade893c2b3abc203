"""Loihi's leaky integrate-and-fire compartment, as text in the equation language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neuro.description import Value
from neuro.errors import DescriptionError
from neuro.loihi.numbers import ALIGNMENT, DECAY_UNITY, STATE_LIMIT, check_range, check_whole
from neuro.neurons.model import NeuronModel, read_number

#: What a compartment is told, as the chip counts.
INTEGERS = ("du", "dv", "vth", "bias_mant", "bias_exp")
_EXPONENT = "exponent_"


class LIF(NeuronModel):
    r"""Leaky integrate-and-fire compartment of Loihi, in whole numbers, bit by bit.

    .. math::
        a &= \sum_p \lfloor 2^{e_p} \textstyle\sum w \rfloor \\
        u &\leftarrow [u\,(4095 - du) / 4096] + 2^6 a \quad (\text{24 bits, wraps}) \\
        v &\leftarrow [v\,(4096 - dv) / 4096] + u + b\,2^{b_e} \quad
            (\text{limited to } \pm(2^{23} - 1))

    and a spike where :math:`v > 2^6 v_{th}`, after which v is 0. Brackets cut off towards zero;
    the sum is over input ports p and rounded down once a port. Arrivals act on v in the same step.
    Source: ``PyLifModelBitAcc`` and ``PyDenseModelBitAcc`` of lava-nc 0.10.0, whose u wraps as here
    where less than 2^24 arrive in a step (Lava takes 2^24 off only once); Davies et al. 2018.

    Parameters
    ----------
    du, dv : int or array, 0 to 4095
        Decay of current and voltage. The current loses ``(du + 1)/4096`` in a step, so 4095 has no
        memory; the voltage ``dv/4096``, so 0 has no leak.
    vth : int or array, 0 to 131071
        Threshold, in units of 64.
    bias_mant : int or array, -4096 to 4095, default 0
    bias_exp : int or array, 0 to 7, default 0
        Constant input ``bias_mant * 2**bias_exp``.
    t_ref : float or array, second, default 0
        Refractory period as in :class:`neuro.LIF`: v stays 0, u goes on.
    ports : mapping of str to int, default {"input": 0}
        Input ports, each with the exponent (-8 to 7) that its weights share.
    v_init : int or array, default 0
        Voltage before the first step.

    Raises
    ------
    DescriptionError
        A number that is not whole, or outside its range.
    """

    def __init__(
        self,
        du: Any,
        dv: Any,
        vth: Any,
        bias_mant: Any = 0,
        bias_exp: Any = 0,
        t_ref: Any = 0.0,
        ports: Mapping[str, int] | None = None,
        *,
        v_init: Any = 0,
    ) -> None:
        exponents = {"input": 0} if ports is None else dict(ports)
        if not exponents:
            raise DescriptionError('loihi.LIF: ports are empty; give at least one, {"input": 0}')
        given = {"du": du, "dv": dv, "vth": vth, "bias_mant": bias_mant, "bias_exp": bias_exp}
        numbers = {key: _integers(value, key) for key, value in given.items()}
        for port, exponent in exponents.items():
            check_range(exponent, "exponent", f"exponent of port {port!r} of loihi.LIF")
        start = _whole(v_init, "v_init")
        if np.any(np.abs(start) >= STATE_LIMIT):
            raise DescriptionError(
                f"v_init of loihi.LIF is {np.max(np.abs(start)):g};"
                f" v holds numbers below {STATE_LIMIT}"
            )
        derived: dict[str, Value] = {
            "keep_u": (DECAY_UNITY - 1 - numbers["du"]) / DECAY_UNITY,
            "keep_v": (DECAY_UNITY - numbers["dv"]) / DECAY_UNITY,
            "bias": numbers["bias_mant"] * 2.0 ** numbers["bias_exp"],
            "threshold": ALIGNMENT * numbers["vth"],
        }
        arriving = " + ".join(_arrival(port, int(exponent)) for port, exponent in exponents.items())
        kept = _kept("u", derived["keep_u"])
        current = f"{kept} + {arriving}" if kept else arriving
        top = STATE_LIMIT - 1
        super().__init__(
            "u : 1\nv : 1",
            parameters={
                **numbers,
                **derived,
                **{f"{_EXPONENT}{port}": float(e) for port, e in exponents.items()},
                "t_ref": (t_ref, "second"),
            },
            inputs=dict.fromkeys(exponents, "1"),
            after=f"u = {current}\n"
            f"u = u + {2 * STATE_LIMIT} * floor(0.5 - u * {1 / (2 * STATE_LIMIT)!r})\n"
            f"v = max(min({_kept('v', derived['keep_v'])} + u + bias, {top}), -{top})",
            threshold="v > threshold",
            reset="v = 0",
            refractory="t_ref",
            held=("v",),
            initial={"v": start},
            name="loihi.LIF",
        )

    @property
    def exponents(self) -> Mapping[str, int]:
        """The exponent of every input port."""
        given = self.parameters
        return {port: int(np.asarray(given[f"{_EXPONENT}{port}"])) for port in self.ports}


def _whole(value: Any, key: str) -> Value:
    where = f"{key} of loihi.LIF"
    read = read_number(value, "1", where)
    if not isinstance(read, float | np.ndarray):
        raise DescriptionError(f"{where} is {value!r}; draw the whole numbers yourself")
    check_whole(read, where)
    return read


def _integers(value: Any, key: str) -> Value:
    read = _whole(value, key)
    check_range(read, key, f"{key} of loihi.LIF")
    return read


def _arrival(port: str, exponent: int) -> str:
    """The weights of a port in units of u: one floor of the sum, where bits are shifted out."""
    if exponent >= 0:
        return f"{ALIGNMENT << exponent} * {port}"
    return f"{ALIGNMENT} * floor({2.0**exponent!r} * {port})"


def _kept(variable: str, keep: Value) -> str:
    """What is left of a state variable; the ends of the range need no arithmetic."""
    if np.all(np.asarray(keep) == 0.0):
        return ""
    if np.all(np.asarray(keep) == 1.0):
        return variable
    return f"trunc(keep_{variable} * {variable})"
