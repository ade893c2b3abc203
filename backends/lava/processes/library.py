"""Lava's own bit-accurate models, with a view of their state. The arithmetic is theirs."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPortVectorDense
from lava.magma.core.model.py.type import LavaPyType
from lava.proc.dense.models import PyDelayDenseModelBitAcc, PyDenseModelBitAcc
from lava.proc.lif.models import PyLifModelBitAcc
from lava.proc.lif.process import LIFRefractory
from lava.proc.sparse.models import PyDelaySparseModelBitAcc, PySparseModelBitAcc
from numpy.typing import NDArray


class PySeenLif(PyLifModelBitAcc):
    """The model of ``LIF``; ``make`` among the process's parameters makes what looks at it."""

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._work = proc_params["make"]()

    def run_spk(self) -> None:
        """One time step."""
        self._work.begin_step(self)
        super().run_spk()
        self._work.end_step(self)

    def refractory(self) -> NDArray[Any]:
        """Steps for which units stay refractory, counting this one: 1 after a spike."""
        return np.asarray(self.s_out_buff, np.int32)

    def set_refractory(self, steps: NDArray[Any]) -> None:
        """A period of one step has no effect."""


class PySeenLifRefractory(PySeenLif):
    """The same for ``LIFRefractory``, of which Lava has no model in fixed point.

    While it is refractory the voltage of a unit stays, as in Lava's floating-point model.
    """

    implements_process = LIFRefractory
    refractory_period_end: NDArray[Any] = LavaPyType(np.ndarray, int)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.refractory_period = proc_params["refractory_period"]

    def subthr_dynamics(self, activation_in: NDArray[Any]) -> None:
        """Current of all units, voltage of those that are not refractory."""
        still = self.refractory_period_end >= self.time_step
        before = self.v[still]
        super().subthr_dynamics(activation_in)
        self.v[still] = before

    def spiking_activation(self) -> NDArray[np.bool_]:
        """Above threshold and not refractory."""
        ready = self.refractory_period_end < self.time_step
        found: NDArray[np.bool_] = super().spiking_activation() & ready
        return found

    def reset_voltage(self, spike_vector: NDArray[np.bool_]) -> None:
        """Also begin the refractory period."""
        super().reset_voltage(spike_vector)
        self.refractory_period_end[spike_vector] = self.time_step + self.refractory_period

    def refractory(self) -> NDArray[Any]:
        """Steps for which units stay refractory, counting this one."""
        left: NDArray[Any] = np.maximum(self.refractory_period_end - self.time_step + 1, 0)
        return left

    def set_refractory(self, steps: NDArray[Any]) -> None:
        """Take up what was left after the step before."""
        self.refractory_period_end[:] = self.time_step - 1 + steps - 1


class SeenInPort(PyInPortVectorDense):
    """A port that keeps its latest message."""

    latest: NDArray[Any]

    def recv(self) -> NDArray[Any]:
        """The next message."""
        self.latest = super().recv()
        return self.latest


class _Synapses(PyLoihiProcessModel):
    """What the models of synapses have in common: ``make`` makes what looks at them."""

    s_in: Any = LavaPyType(SeenInPort, bool, precision=1)
    a_buff: NDArray[np.int32]

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._work = proc_params["make"]()

    def take_up(self, weights: Any, arriving: NDArray[np.int64]) -> None:
        """Weights, and what arrives in this step, before it is shifted."""
        self.weights, self.weights_set = weights, False
        self.shift(arriving)

    def shift(self, arriving: NDArray[np.int64]) -> None:
        """Let it be sent, shifted as Lava does: bits that fall out are lost, downwards."""
        sums, exponent = arriving.astype(np.int32), self.proc_params["weight_exp"]
        self.a_buff = (
            np.left_shift(sums, exponent) if exponent > 0 else np.right_shift(sums, -exponent)
        )


class _Seen(_Synapses):
    """Lava's model computes."""

    def run_spk(self) -> None:
        """One time step."""
        self._work.begin_step(self)
        super().run_spk()
        self._work.end_step(self.s_in.latest)


class PySeenDense(_Seen, PyDenseModelBitAcc):
    """The model of ``Dense``."""


class PySeenSparse(_Seen, PySparseModelBitAcc):
    """The model of ``Sparse``."""


class _Delayed(_Synapses):
    """A model for processes with delays: a list of spikes of the latest steps.

    Lava's own builds a matrix for every delay in every step. The sums are of whole numbers, hence
    the same.
    """

    a_out: Any

    def run_spk(self) -> None:
        """One time step."""
        self._work.begin_step(self)
        self.a_out.send(self.a_buff)
        self._work.end_step(self.s_in.recv())
        self.shift(self._work.next_arrivals())


class PyListDelayDense(_Delayed, PyDelayDenseModelBitAcc):
    """A model of ``DelayDense``."""


class PyListDelaySparse(_Delayed, PyDelaySparseModelBitAcc):
    """A model of ``DelaySparse``."""

