"""A network as a torch module that learns by surrogate gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from neuro.connectivity import Convolution, Dense
from neuro.connectors import convolution, from_array, from_sparse
from neuro.description import Parameter
from neuro.errors import CompileError, DescriptionError
from neuro.exchange.torch_expressions import Compute, condition, fast_sigmoid, number
from neuro.network import Network
from neuro.program import Arrive, Plasticity, Program, Reset, Threshold, Update, array_of

Values = dict[str, Tensor]

DTYPES = {"float32": torch.float32, "float64": torch.float64}


class SpikingModule(nn.Module):
    """A network whose weights are parameters. Made by :func:`to_torch`.

    It runs the program that every backend runs, in operations that autograd follows. Spikes are 0
    or 1; backwards, a threshold has the derivative of a surrogate.

    Attributes
    ----------
    network : Network
    """

    def __init__(
        self, network: Network, program: Program, slope: float, detach_reset: bool
    ) -> None:
        super().__init__()
        self.network, self._program = network, program
        self._dtype = DTYPES[program.precision]
        self._detach = detach_reset
        derivative = fast_sigmoid(slope)
        self._weight_names: list[str] = []
        self._state: list[str] = []
        for name, array in program.arrays.items():
            value = torch.tensor(np.asarray(array.initial), dtype=self._dtype)
            if array.owner in program.connectivity and array.variable == "w":
                self.register_parameter(f"weight_{array.owner}", nn.Parameter(value))
                self._weight_names.append(array.owner)
            else:
                self.register_buffer(_key(name), value, persistent=False)
            if not array.constant and array.domain in program.sizes:
                self._state.append(name)
        self._steps: list[Callable[[Values, _Spikes], None]] = []
        for step in program.steps:
            self._steps.append(self._compiled(step, derivative))

    @property
    def weights(self) -> dict[str, nn.Parameter]:
        """By name of the projection: dense ``[pre, post]``, sparse one number a synapse, kernels
        ``[out, in / groups, rows, columns]``.
        """
        return {name: getattr(self, f"weight_{name}") for name in self._weight_names}

    @property
    def program(self) -> Program:
        """What it runs."""
        return self._program

    def set_weights(self, projection: str, weights: Any) -> None:
        """Replace the weights of a projection, in the shape that :attr:`weights` has."""
        value = torch.as_tensor(np.asarray(weights), dtype=self._dtype)
        with torch.no_grad():
            self.weights[projection].copy_(value)

    # --- running ---

    def forward(
        self,
        inputs: Tensor | Mapping[str, Tensor],
        state: Mapping[str, Tensor] | None = None,
        *,
        record: tuple[str, ...] = (),
    ) -> tuple[Any, dict[str, Tensor]]:
        """Run.

        Parameters
        ----------
        inputs : Tensor, shape [steps, batch, units], or mapping of such
            What the first source, or each that is named, sends in each step: 0 and 1 for spikes,
            but any number will do. Sources that are not named send what they do in the network.
        state : mapping, optional
            What an earlier call returned; the network as described by default.
        record : tuple of str
            Arrays to be returned besides, such as ``"exc.v"``.

        Returns
        -------
        outputs : Tensor, shape [steps, batch, units], or dict of such
            What each of the network's outputs sends: spikes, of graded units their numbers. By
            name where there are several outputs or recorded arrays.
        state : dict

        Raises
        ------
        DescriptionError
            If inputs do not fit the sources.
        """
        given = self._inputs(inputs)
        steps, batch = next(iter(given.values())).shape[:2]
        begin = 0 if state is None else int(state["step"])
        given |= self._own(given, begin, steps, batch)
        spikes = _Spikes(self._program, state, given, batch)
        values: Values = {f"{name}.w": weight for name, weight in self.weights.items()}
        for name in self._program.arrays.keys() - values.keys():
            values[name] = getattr(self, _key(name))
        for name in self._state:
            values[name] = self._first(name, batch) if state is None else state[name]
        outputs: dict[str, list[Tensor]] = {name: [] for name in (*self.network.outputs, *record)}
        for step in range(steps):
            spikes.begin(step)
            for run in self._steps:
                run(values, spikes)
            for name, kept in outputs.items():
                kept.append(values[name] if name in values else self._sent(name, values, spikes))
            spikes.end()
        found = {name: torch.stack(kept) for name, kept in outputs.items()}
        after = {name: values[name] for name in self._state} | spikes.state()
        after["step"] = torch.tensor(begin + steps)
        return (next(iter(found.values())) if len(found) == 1 else found), after

    def to_network(self) -> Network:
        """The network with the weights as they are now; compile it to any backend."""
        made = deepcopy(self.network)
        for name, weight in self.weights.items():
            value = weight.detach().cpu().numpy().astype(np.float64)
            form = self._program.connectivity[name]
            made.projections[name].connector = _connector(form, value)
        return made

    # --- parts ---

    def _first(self, name: str, batch: int) -> Tensor:
        """State of an array before the first step; items have random numbers of their own."""
        array = self._program.arrays[name]
        buffer: Tensor = getattr(self, _key(name))
        if array.items is None:
            return buffer.expand(batch, *buffer.shape)
        replicas = np.stack([array.replica(item) for item in range(batch)])
        return torch.as_tensor(replicas).to(buffer)

    def _sent(self, name: str, values: Values, spikes: _Spikes) -> Tensor:
        """What a population sends in this step."""
        population = self.network.populations[name]
        if getattr(population.model, "emits", ""):
            line = values.get(f"{name}.payload_1")
            if line is None:  # nobody listens, so nothing is kept: its recorded variable
                variable = next(r.variable for r in self.network.recorders if r.owner == name)
                return values[f"{name}.{variable}"]
            return spikes.now[name] * line
        return spikes.now[name]

    def _inputs(self, inputs: Tensor | Mapping[str, Tensor]) -> dict[str, Tensor]:
        sources = list(self._program.sources)
        given = dict(inputs) if isinstance(inputs, Mapping) else {}
        if isinstance(inputs, Tensor):
            if not sources:
                raise DescriptionError("to_torch: the network has no source that could be given")
            given = {sources[0]: inputs}
        if not given or not set(given) <= set(sources):
            raise DescriptionError(
                f"to_torch: inputs for {', '.join(given) or 'nothing'}; the sources are"
                f" {', '.join(sources) or 'none'}"
            )
        shapes = {name: tuple(tensor.shape) for name, tensor in given.items()}
        lengths = {shape[:2] for shape in shapes.values()}
        for name, shape in shapes.items():
            size = self._program.sizes[name]
            if len(shape) != 3 or shape[2] != size or len(lengths) != 1:
                raise DescriptionError(
                    f"to_torch: input {name!r} has the shape {shape}; expected [steps, batch,"
                    f" {size}], steps and batch the same for all"
                )
        return {name: tensor.to(self._dtype) for name, tensor in given.items()}

    def _own(
        self, given: Mapping[str, Tensor], begin: int, steps: int, batch: int
    ) -> dict[str, Tensor]:
        """Spikes of the sources that are not given."""
        found = {}
        like = next(iter(given.values()))
        for name in self._program.sources.keys() - given.keys():
            found[name] = like.new_zeros(steps, batch, self._program.sizes[name])
            for item in range(batch):
                source = self._program.sources[name].replica(item)
                when, units = source.events(begin, begin + steps)
                found[name][when - begin, item, units] = 1.0
        return found

    def _compiled(self, step: Any, derivative: Any) -> Callable[[Values, _Spikes], None]:
        match step:
            case Arrive():
                return self._arrive(step)
            case Update():
                assigns = [(a.target, number(a.expression, self._dtype)) for a in step.assigns]

                def update(values: Values, spikes: _Spikes) -> None:
                    here = dict(values)
                    for target, compute in assigns:
                        here[target] = compute(here)
                        if not target.startswith("_"):
                            values[target] = self._spread(target, here[target], spikes.batch)

                return update
            case Threshold():
                holds = condition(step.condition, self._dtype, derivative)

                def threshold(values: Values, spikes: _Spikes) -> None:
                    size = self._program.sizes[step.population]
                    spikes.now[step.population] = holds(values).expand(spikes.batch, size)

                return threshold
            case Reset():
                return self._reset(
                    step.population,
                    [(a.target, number(a.expression, self._dtype)) for a in step.assigns],
                )
        raise AssertionError(f"unknown step {step!r}")

    def _spread(self, target: str, value: Tensor, batch: int) -> Tensor:
        size = self._program.sizes[self._program.arrays[target].domain]
        return value.expand(batch, size)

    def _reset(
        self, population: str, assigns: list[tuple[str, Compute]]
    ) -> Callable[[Values, _Spikes], None]:
        def reset(values: Values, spikes: _Spikes) -> None:
            here = dict(values)
            spiked = spikes.now[population]
            for target, compute in assigns:
                here[target] = compute(here)
                old = values[target]
                new = torch.where(spiked > 0, here[target].expand_as(old), old)
                if not self._detach:  # adds nothing but the derivative by the spike
                    new = new + (spiked - spiked.detach()) * (here[target] - old).detach()
                values[target] = here[target] = new

        return reset

    def _arrive(self, step: Arrive) -> Callable[[Values, _Spikes], None]:
        form = self._program.connectivity[step.synapses]
        factors = [array_of(f) for f in step.factors]
        if any(self._program.arrays[f].domain not in self._program.sizes for f in factors):
            raise CompileError(
                f"to_torch: projection {step.projection!r} has short-term plasticity, which has no"
                " gradient here; leave it out"
            )
        if step.delays is not None:
            raise CompileError(
                f"to_torch: projection {step.projection!r} has a delay for every synapse; give one"
                " delay"
            )
        if isinstance(form, Convolution):
            apply = _convolved(form)
        elif isinstance(form, Dense):
            apply = _dense_transposed if step.transposed else torch.matmul
        else:
            apply = _sparse(form, step.transposed)
        size = self._program.sizes[step.target]

        def arrive(values: Values, spikes: _Spikes) -> None:
            sent = spikes.ago(step.source, step.delay)
            for factor in factors:
                sent = sent * values[factor]
            values[step.into] = apply(sent, values[step.weights]).reshape(spikes.batch, size)

        return arrive


def _key(array: str) -> str:
    """Name of the buffer of an array."""
    return array.replace(".", "__")


class _Spikes:
    """What populations sent in this step and in as many before as delays need."""

    def __init__(
        self,
        program: Program,
        state: Mapping[str, Tensor] | None,
        given: Mapping[str, Tensor],
        batch: int,
    ) -> None:
        self.batch, self._given = batch, given
        self.now: dict[str, Tensor] = {}
        like = next(iter(given.values()))
        self._past: dict[str, list[Tensor]] = {}
        for name, delay in program.max_delays.items():
            silent = like.new_zeros(batch, program.sizes[name])
            earlier = None if state is None else state[f"spikes of {name}"]
            self._past[name] = [silent] * delay if earlier is None else list(earlier.unbind())

    def begin(self, step: int) -> None:
        """The sources send."""
        self.now = {name: tensor[step] for name, tensor in self._given.items()}

    def ago(self, name: str, steps: int) -> Tensor:
        """What a population sent so many steps ago."""
        return self._past[name][steps - 1]

    def end(self) -> None:
        """The step is over."""
        for name, past in self._past.items():
            past.insert(0, self.now[name])
            past.pop()

    def state(self) -> dict[str, Tensor]:
        """For the next call."""
        return {f"spikes of {name}": torch.stack(past) for name, past in self._past.items()}


def _dense_transposed(sent: Tensor, weights: Tensor) -> Tensor:
    return sent @ weights.T


def _sparse(form: Any, transposed: bool) -> Callable[[Tensor, Tensor], Tensor]:
    rows, targets = torch.as_tensor(form.rows), torch.as_tensor(form.targets)
    size = form.n_post
    if transposed:
        rows, targets, size = targets, rows, form.n_pre

    def apply(sent: Tensor, weights: Tensor) -> Tensor:
        arriving = sent[:, rows.to(sent.device)] * weights
        found = sent.new_zeros(len(sent), size)
        return found.index_add(1, targets.to(sent.device), arriving)

    return apply


def _convolved(form: Convolution) -> Callable[[Tensor, Tensor], Tensor]:
    def apply(sent: Tensor, kernel: Tensor) -> Tensor:
        image = sent.reshape(len(sent), *form.in_shape)
        return functional.conv2d(
            image, kernel, None, form.stride, form.padding, form.dilation, form.groups
        )

    return apply


def _connector(form: Any, weights: np.ndarray[Any, Any]) -> Any:
    """A connector of given synapses with other weights."""
    if isinstance(form, Dense):
        return from_array(weights)
    if isinstance(form, Convolution):
        return convolution(
            weights, stride=form.stride, padding=form.padding, dilation=form.dilation,
            groups=form.groups,
        )  # fmt: skip
    import scipy.sparse

    return from_sparse(
        scipy.sparse.csr_array(
            (weights, form.targets, form.row_start), shape=(form.n_pre, form.n_post)
        )
    )


def to_torch(
    net: Network,
    dt: Any,
    *,
    precision: str = "float32",
    slope: float = 25.0,
    detach_reset: bool = True,
) -> SpikingModule:
    """Make a torch module of a network, to be trained with surrogate gradients.

    Parameters
    ----------
    net : Network
        Without plasticity rules. What its sources send is given in each call.
    dt : float, second
        Time step.
    precision : {"float32", "float64"}
    slope : float
        Of the surrogate derivative ``1 / (1 + slope |v - v_threshold|)^2``, in the units of what a
        threshold compares.
    detach_reset : bool
        Whether gradients do not pass through what a spike resets, as most libraries have it.

    Returns
    -------
    SpikingModule
        ``module(inputs)`` gives ``(outputs, state)``; ``module.to_network()`` is the network with
        the weights that were learned.

    Raises
    ------
    CompileError
        If the network learns by rules, or has synapses that have no gradient here.

    Notes
    -----
    Source of surrogate gradients: Neftci, Mostafa & Zenke 2019, *IEEE Signal Processing Magazine*
    36:51. Without gradients ``compile(net, "torch", batch=…)`` is faster.
    """
    if precision not in DTYPES:
        raise DescriptionError(f"to_torch: precision {precision!r}; choose {', '.join(DTYPES)}")
    steepness = Parameter(minimum=0.0, exclusive=True).read(slope, "slope of to_torch")
    from neuro.lowering import lower

    program = lower(net, dt, precision)
    for step in program.steps:
        if isinstance(step, Plasticity):
            raise CompileError(
                f"to_torch: projection {step.projection!r} has a plasticity rule; modules learn by"
                " gradients: leave it out"
            )
    return SpikingModule(net, program, float(steepness), detach_reset)
