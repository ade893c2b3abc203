r"""The trained network in spikes: each rate unit becomes a pool of integrate-and-fire cells.

A step of the rate network is m time steps of d seconds. Its unit i keeps the state

.. math:: r_i \leftarrow (1 - a / m)\, r_i + \frac{a}{m K \rho d} n_i + \xi_i

where n is the number of spikes of its K cells. Along the manifold, where recurrence keeps up the
state, m time steps move it as far as one step of the rate network; a leak that comes to a over m
steps, for a drive that does not follow, would move it further (measured: error 0.28 rad in place
of 0.15). Each cell counts up the drive J of its unit,

.. math:: J = W r + W_{in} u + b, \qquad v \leftarrow \max(v + \rho d J,\, 0), \quad
    \text{spike at } v \ge 1, \quad v \leftarrow v - 1

so that a cell spikes :math:`\rho \max(J, 0)` times a second, exactly in the mean: the floor keeps
inhibition from piling up, the subtractive reset loses nothing. Noise comes as spikes too: pairs of
Poisson sources, one adds what the other takes away, whose variance over a step is that of the rate
network's noise.

Pools of stochastic cells are noisy by themselves: in each time step a cell spikes with probability
:math:`\rho d \max(J, 0)`, so that r varies in a step of the rate network by
:math:`a^2 J / (K \rho D)`, D seconds long. The number of cells is chosen by the noise that is
wanted (:meth:`Pools.as_noisy_as`); twice the noise are half as many. This noise grows with the
drive, and what is silent has none.

Either way the network spikes alike on every backend.

Trajectories lie side by side in one network, as blocks that nothing connects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from torch import Tensor

from neuro.connectors import block_diagonal, from_sparse, one_to_one
from neuro.distributions import Uniform
from neuro.errors import DescriptionError
from neuro.models.reactivation.network import NoisyRNN
from neuro.models.reactivation.tasks import DT as STEP
from neuro.network import Network
from neuro.neurons import NeuronModel
from neuro.simulation import Simulation, compile
from neuro.sources import Poisson

CHUNK = 10
"""Steps of the rate network whose states are recorded together."""

LARGEST = 0.9
"""Largest probability of a spike in a time step to which noise may come."""


KINDS = ("integrate", "stochastic")
"""Cells that integrate and fire, or that draw."""


@dataclass(frozen=True, kw_only=True)
class Pools:
    r"""How units become pools.

    Attributes
    ----------
    kind : {"integrate", "stochastic"}
    cells : int
        K, cells of a unit.
    rate : float
        :math:`\rho`, hertz of a cell per unit of drive.
    substeps : int
        m, time steps in a step of the rate network.
    noise_rate : float
        Hertz of a source of noise; fewer and larger kicks are as good in the sum.
    """

    kind: str = "integrate"
    cells: int = 8
    rate: float = 40.0
    substeps: int = 40
    noise_rate: float = 100.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise DescriptionError(
                f"Pools kind {self.kind!r} is unknown; choose {', '.join(KINDS)}"
            )
        for name in ("cells", "substeps"):
            if getattr(self, name) < 1:
                raise DescriptionError(f"Pools {name}: {getattr(self, name)}; at least 1")
        if self.rate <= 0:
            raise DescriptionError(f"Pools rate: {self.rate:g} Hz; above 0")
        if not 0 < self.noise_rate * self.dt <= LARGEST:
            raise DescriptionError(
                f"Pools noise_rate: {self.noise_rate:g} Hz is {self.noise_rate * self.dt:g} spikes"
                f" in a step of {self.dt:g} s; above 0 and at most {LARGEST / self.dt:g} Hz"
            )

    @classmethod
    def as_noisy_as(cls, noise: float, *, leak: float, drive: float, **others: Any) -> Pools:
        r"""Stochastic pools with as many cells as give a state a noise.

        Parameters
        ----------
        noise : float
            s, standard deviation in a step of the rate network; above 0.
        leak : float
            a.
        drive : float
            Mean of max(J, 0), which is about the mean state.
        **others
            Further attributes.

        Returns
        -------
        Pools
            With :math:`K = a^2 \langle J \rangle / (s^2 \rho D)`, at least 1.

        Raises
        ------
        DescriptionError
            Without noise: cells that draw are never without.
        """
        if noise <= 0:
            raise DescriptionError(
                f"Pools.as_noisy_as noise: {noise:g}; above 0, stochastic cells always are noisy"
            )
        made = cls(kind="stochastic", **others)
        count = leak**2 * drive / (noise**2 * made.rate * STEP)
        return replace(made, cells=max(1, round(count)))

    @property
    def dt(self) -> float:
        """d, seconds."""
        return STEP / self.substeps

    def kick(self, noise: float) -> float:
        """What a spike of a source of noise adds or takes away."""
        p = self.noise_rate * self.dt
        return float(noise / np.sqrt(self.substeps * 2 * p * (1 - p)))


def spiking_network(
    network: NoisyRNN,
    *,
    trajectories: int = 1,
    noise: float = 0.0,
    pools: Pools | None = None,
    seed: int = 0,
) -> Network:
    """Populations and synapses of a trained network.

    Parameters
    ----------
    network : NoisyRNN
        Leaky and rectified.
    trajectories : int
        Copies of it, side by side.
    noise : float
        Standard deviation of the noise of a state in a step of the rate network, besides that of
        the cells.
    pools : Pools, optional
    seed : int
        Of noise and of the cells' first potentials.

    Returns
    -------
    Network
        ``inputs`` [trajectories x inputs] (set its ``u``), ``drive`` and ``units`` [trajectories x
        units] (state ``r``), ``pool`` [trajectories x units x cells]; sources ``more`` and
        ``less`` where there is noise. Compile it with a time step of ``pools.dt``.

    Raises
    ------
    DescriptionError
        If the network is gated or not rectified.
    """
    pools = pools or Pools()
    loop = network.loop
    if network.kind != "leaky" or getattr(loop, "activation", "") != "relu":
        raise DescriptionError(
            "spiking_network: cells that integrate and fire are rectifiers; this network is"
            f" {network.kind} with activation {getattr(loop, 'activation', 'of its gates')}"
        )
    if trajectories < 1:
        raise DescriptionError(f"spiking_network trajectories: {trajectories}; at least 1")
    w, copies, n = network.get_weights(), trajectories, network.units
    bias = np.tile(w.get("bias", np.zeros(n)), copies)
    leak = loop.leak / pools.substeps
    net = Network("reactivation in spikes", seed=seed)
    moved = net.population("inputs", _emitter(), copies * len(w["inputs"]))
    drive = net.population("drive", _drive(bias), copies * n)
    units = net.population("units", _unit(leak), copies * n)
    make = _stochastic if pools.kind == "stochastic" else _integrator
    cells = net.population("pool", make(pools.rate * pools.dt), copies * n * pools.cells)
    members = scipy.sparse.kron(
        scipy.sparse.eye_array(copies * n), np.ones((1, pools.cells)), format="csr"
    )
    jump = leak / (pools.cells * pools.rate * pools.dt)
    net.connect(moved, drive, _copied(w["inputs"], copies), name="told")
    net.connect(units, drive, _copied(w["recurrent"], copies), name="recurrent")
    net.connect(drive, cells, from_sparse(members), name="driven")
    net.connect(cells, units, from_sparse(jump * members.T.tocsr()), name="counted")
    if noise > 0:
        for name, sign in (("more", 1.0), ("less", -1.0)):
            source = net.population(name, Poisson(pools.noise_rate), copies * n)
            net.connect(source, units, one_to_one(sign * pools.kick(noise)), name=f"noise_{name}")
    net.record(units, "r", every=pools.substeps)
    return net


def _copied(weights: NDArray[np.float64], copies: int) -> Any:
    return block_diagonal(np.broadcast_to(weights, (copies, *weights.shape)))


def _emitter() -> NeuronModel:
    """Sends the number that was set, in every step."""
    return NeuronModel("u : 1", threshold="u == u", emits="u", name="input")


def _drive(bias: NDArray[np.float64]) -> NeuronModel:
    return NeuronModel(
        "J : 1",
        parameters={"bias": bias},
        inputs={"arrived": "1"},
        before="J = arrived + bias",
        threshold="J == J",
        emits="J",
        name="drive",
    )


def _unit(leak: float) -> NeuronModel:
    return NeuronModel(
        "r : 1",
        parameters={"keep": 1.0 - leak},
        inputs={"arrived": "1"},
        before="r = keep * r + arrived",
        threshold="r == r",
        emits="r",
        name="rate unit",
    )


def _stochastic(gain: float) -> NeuronModel:
    return NeuronModel(
        "chance : 1",
        parameters={"gain": gain},
        inputs={"drive": "1"},
        before="chance = gain * drive",
        threshold="rand() < chance",
        name="stochastic cell",
    )


def _integrator(gain: float) -> NeuronModel:
    return NeuronModel(
        "v : 1",
        parameters={"gain": gain},
        inputs={"drive": "1"},
        before="v = max(v + gain * drive, 0)",
        threshold="v >= 1",
        reset="v -= 1",
        initial={"v": Uniform(0.0, 1.0)},
        name="integrate and fire",
    )


@dataclass(frozen=True, eq=False)
class Spikes:
    """A trained network that runs in spikes; a :class:`~neuro.models.reactivation.life.Runner`.

    Attributes
    ----------
    network : NoisyRNN
    noise : float
    backend : str
    precision : {"float64", "float32"}
    pools : Pools
    seed : int
    options : mapping
        Of the backend.
    """

    network: NoisyRNN
    noise: float
    backend: str = "reference"
    precision: str = "float64"
    pools: Pools = field(default_factory=Pools)
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)

    def pieces(self, start: Tensor, inputs: NDArray[np.float64]) -> Iterator[Tensor]:
        """See :class:`~neuro.models.reactivation.life.Runner`."""
        copies = inputs.shape[1]
        net = spiking_network(
            self.network,
            trajectories=copies,
            noise=self.noise,
            pools=self.pools,
            seed=self.seed,
        )
        with compile(net, self.backend, self.pools.dt, self.precision, **self.options) as sim:
            sim.set_values("units", "r", start.double().cpu().numpy().ravel())
            for first, last in _alike(inputs):
                sim.set_values("inputs", "u", inputs[first].ravel())
                for begin in range(first, last, CHUNK):
                    yield self._states(sim, min(CHUNK, last - begin), copies)

    def _states(self, sim: Simulation, steps: int, copies: int) -> Tensor:
        recording = sim.run_steps(steps * self.pools.substeps, False)
        values = recording.trace("units", "r").reshape(steps, copies, -1)
        return torch.as_tensor(values).to(self.network.device, self.network.dtype)


def _alike(inputs: NDArray[np.float64]) -> Iterator[tuple[int, int]]:
    """Stretches of steps in which all inputs stay the same: first step, and one past the last."""
    changes = np.flatnonzero((inputs[1:] != inputs[:-1]).any(axis=(1, 2))) + 1
    edges = [0, *changes.tolist(), len(inputs)]
    yield from pairwise(edges)
