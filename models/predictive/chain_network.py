r"""A chain of areas that predict each other: spiking hierarchical predictive coding.

Area 0 shows the image as spikes, the last area names the class. Each area but the last has error
units; they compare the area's spikes with what the area above predicts, and what they emit (signed
numbers) drives the area above and restrains their own:

.. math::
    u_l &\leftarrow a\,u_l + (1-a)\,(s_l - W_l s_{l+1}) \\
    v_{l+1} &\leftarrow \max(b\,v_{l+1} + g\,F_l u_l - k\,u_{l+1} + \mu,\ -1),\quad
        s = [v \ge 1],\quad v \leftarrow v - s \\
    e &\leftarrow a_s e + (1-a_s)\,u,\quad z \leftarrow a_s z + (1-a_s)\,s

and once a sample, at its end, with everything that a synapse can see and a common learning rate
(Rao & Ballard 1999, Nat. Neurosci. 2:79; local products and decay instead of shared weights):

.. math::
    \Delta W_l = \eta\,(e_l z_{l+1} - \lambda W_l),\qquad
    \Delta F_l = \eta\,(e_l z_{l+1} - \lambda F_l)

The areas are shared by all classes, so a new task changes the weights that earlier ones need: this
network forgets. It stands beside the columnar form to show what columns are good for.

With a regulariser, :math:`\eta` becomes :math:`\eta\,(1 - \Omega_j)` in all synapses of latent
unit j, both from and to it, where :math:`\Omega_j` is its importance
(:mod:`neuro.learning.spike_intervals`); in the synapses of class units, which labels make spike, j
is the latent unit at the other end, through its error unit. The unit counts its own intervals
and holds the factor, so a synapse still reads nothing but its two neurons.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import neuro as nr
from neuro.errors import DescriptionError
from neuro.learning.chain_settings import ChainSettings
from neuro.models.predictive.interval_counting import FACTOR, counting
from neuro.models.predictive.network import DT
from neuro.random import stream

Array = NDArray[np.floating[Any]]


def read_sizes(area_sizes: Sequence[int]) -> tuple[int, ...]:
    """Units of each area, checked.

    Raises
    ------
    DescriptionError
        Fewer than two areas, or an area without units.
    """
    sizes = tuple(area_sizes)
    if len(sizes) < 2:
        raise DescriptionError(
            f"area_sizes {sizes} has {len(sizes)} area(s); a chain has at least 2: image, classes"
        )
    for area, size in enumerate(sizes):
        if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
            raise DescriptionError(
                f"area_sizes: area {area} has {size!r} units; expected a whole number >= 1"
            )
    return tuple(int(size) for size in sizes)


def initial_weights(sizes: Sequence[int], scale: float, seed: int) -> dict[str, Array]:
    """Small random weights ``[pre, post]`` of every projection that learns."""
    weights: dict[str, Array] = {}
    for area, (below, above) in enumerate(itertools.pairwise(sizes)):
        for name, shape in ((f"W{area}", (above, below)), (f"F{area}", (below, above))):
            weights[name] = scale * stream(seed, f"chain {name}").standard_normal(shape)
    return weights


def chain_network(
    area_sizes: Sequence[int],
    settings: ChainSettings,
    weights: Mapping[str, Array],
    *,
    plastic: bool = True,
) -> nr.Network:
    """The chain as a network.

    Populations are ``A0`` … (areas), ``E0`` … (error units of all areas but the last) and
    ``learning`` (one unit whose ``rate`` is η, the third factor of all rules). Projections that
    learn are ``W0`` … (feedback, from area l + 1 to error units l) and ``F0`` … (feed-forward,
    back).

    Parameters
    ----------
    area_sizes : sequence of int
        Units of each area, the image first; at least two areas.
    settings : ChainSettings
    weights : mapping of str to ndarray
        As :func:`initial_weights` makes them.
    plastic : bool
        Whether weights change; with ``rate`` 0 they do not either, but cost as much.
    """
    sizes, d = read_sizes(area_sizes), settings
    top = len(sizes) - 1
    net = nr.Network("predictive chain")
    learning = net.population("learning", nr.NeuronModel("rate : 1", name="learning rate"), 1)
    areas = [net.population("A0", _encoder(), sizes[0])]
    protected = d.regulariser != "none"
    latent = counting(_latent(d)) if protected else _latent(d)
    areas += [net.population(f"A{i}", latent, sizes[i]) for i in range(1, top)]
    areas.append(net.population(f"A{top}", _classes(d), sizes[top]))
    errors = [
        net.population(f"E{i}", _error(d, protected and i == top - 1), sizes[i])
        for i in range(top)
    ]
    for i, unit in enumerate(errors):
        below, above = areas[i], areas[i + 1]
        net.connect(below, unit, nr.one_to_one(1.0), port="actual", name=f"A{i}_E{i}")
        for kind, pre, post, port, gain in (
            ("W", above, unit, "predicted", 1.0),
            ("F", unit, above, "below", d.upper_gain if i else d.error_gain),
        ):
            rule: dict[str, Any] = {"plasticity": _rule(kind, d, classes=i == top - 1)}
            rule["factors"] = {"rate": (learning, "rate")}
            net.connect(
                pre,
                post,
                weights[f"{kind}{i}"],
                port=port,
                gain=gain,
                name=f"{kind}{i}",
                **(rule if plastic else {}),
            )
        if i:
            own = nr.one_to_one(1.0)
            net.connect(unit, below, own, port="own", gain=-d.own_gain, name=f"E{i}_A{i}")
    if d.inhibition:
        rivals = np.ones((sizes[top], sizes[top])) - np.eye(sizes[top])
        net.connect(
            areas[top], areas[top], rivals, port="rivals", gain=-d.inhibition, name="rivals"
        )
    return net


def _encoder() -> nr.NeuronModel:
    """Counts brightness up to one: :class:`~neuro.learning.encoding.Encoding` as units."""
    return nr.NeuronModel(
        "rate : 1\nphase : 1\nspikes : 1",
        after="phase += rate",
        threshold="phase >= 1",
        reset="phase -= 1; spikes += 1",
        name="encoder",
    )


def _latent(d: ChainSettings) -> nr.NeuronModel:
    return nr.NeuronModel(
        "v : 1\nz : 1\nspikes : 1",
        parameters={"decay": d.latent_decay, "keep": d.trace_decay, "tonic": d.tonic},
        inputs={"below": "1", "own": "1"},
        after="v = max(decay * v + below + own + tonic, -1); z = keep * z",
        threshold="v >= 1",
        reset="v -= 1; z += 1 - keep; spikes += 1",
        name="latent unit",
    )


def _classes(d: ChainSettings) -> nr.NeuronModel:
    """Class units: a label, where there is one (not below 0), takes the place of all input."""
    return nr.NeuronModel(
        "v : 1\nz : 1\nspikes : 1\nlabel : 1",
        parameters={"decay": d.latent_decay, "keep": d.trace_decay},
        inputs={"below": "1", "rivals": "1"},
        after="v = where(label >= 0, v + label, max(decay * v + below + rivals, -1));"
        " z = keep * z",
        threshold="v >= 1",
        reset="v -= 1; z += 1 - keep; spikes += 1",
        initial={"label": -1.0},
        name="class unit",
    )


def _error(d: ChainSettings, factor: bool) -> nr.NeuronModel:
    """Error units; some hold the factor of the unit whose error theirs is."""
    return nr.NeuronModel(
        "u : 1\ne : 1\nspikes : 1" + (f"\n{FACTOR} : 1" if factor else ""),
        parameters={"decay": d.error_decay, "keep": d.trace_decay, "silent": d.silent},
        inputs={"actual": "1", "predicted": "1"},
        after="u = decay * u + (1 - decay) * (actual - predicted);"
        " e = keep * e + (1 - keep) * u",
        threshold="abs(u) > silent",
        reset="spikes += 1",
        emits="u",
        initial={FACTOR: 1.0} if factor else {},
        name="error unit",
    )


def _rule(kind: str, d: ChainSettings, *, classes: bool) -> nr.PlasticityRule:
    """Error times activity, with decay; feedback and feed-forward weights see it swapped."""
    error, unit = ("post", "pre") if kind == "W" else ("pre", "post")
    product = f"e_{error} * z_{unit}"
    rate = "rate"
    if d.regulariser != "none":
        rate = f"rate * {FACTOR}_{error if classes else unit}"
    return nr.PlasticityRule(
        on_step=f"w += {rate} * (scale * {product} - weight_decay * w)",
        every=d.presentation * DT,
        parameters={"scale": 1.0 / d.trace_norm**2, "weight_decay": d.weight_decay},
        factors=("rate",),
        name="error times activity",
    )
