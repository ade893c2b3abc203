"""Set-up, running and ending of simulations."""

from __future__ import annotations

from collections.abc import Mapping
from logging import getLogger
from typing import Any

from pyNN import common
from pyNN.common.control import DEFAULT_MAX_DELAY, DEFAULT_MIN_DELAY, DEFAULT_TIMESTEP
from pyNN.recording import get_io

import neuro as nr
from neuro.pynn import simulator
from neuro.registry import find_backend

logger = getLogger("PyNN")

#: Arguments of ``setup`` that other simulators know; scripts for several simulators pass them all.
FOREIGN = frozenset(
    [
        "allow_offgrid",
        "debug",
        "file",
        "filename",
        "grng_seed",
        "hardwareNeuronSize",
        "label",
        "log",
        "logfile",
        "native_rng_baseseed",
        "quit_on_end",
        "rng_seed",
        "rng_seeds",
        "rng_seeds_seed",
        "recording_precision",
        "spike_precision",
        "t_flush",
        "threads",
        "useSystemSim",
        "use_cvode",
        "rtol",
        "atol",
        "usefastpath",
        "verbosity",
        "num_processes",
        "rank",
    ]
)


def setup(
    timestep: float = DEFAULT_TIMESTEP,
    min_delay: float | str = DEFAULT_MIN_DELAY,
    max_delay: float | str = DEFAULT_MAX_DELAY,
    *,
    backend: str = "reference",
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    integrator: str = "auto",
    **extra_params: Any,
) -> int:
    """Begin anew: everything that was described is forgotten.

    Parameters
    ----------
    timestep : float, ms
    min_delay, max_delay : float, ms, or "auto"
        Delays outside of these are refused.
    backend : str
        One of :func:`neuro.backends`.
    options : dict, optional
        Of the backend, as for :func:`neuro.compile`: ``{"target": "cpp"}``; also ``precision``.
    seed : int
        Of Poisson sources and noisy currents. (Connectors and distributions have generators of
        their own.)
    integrator : {"auto", "Euler"}
        How models that are not linear are integrated: linear parts exactly and v by exponential
        Euler where possible, or everything by the Euler method, as PyNN's Brian2 does. Linear
        models are integrated exactly in any case.
    **extra_params
        Arguments of other simulators (``threads``, ``rng_seeds``, ...) change nothing here.

    Returns
    -------
    int
        The rank of this process, 0.

    Raises
    ------
    DescriptionError, BackendError
        Values that cannot be; an argument that no simulator of PyNN knows.
    """
    unknown = sorted(set(extra_params) - FOREIGN)
    if unknown:
        raise nr.DescriptionError(
            f"setup: unknown argument {unknown[0]!r}; options of the backend are given as"
            f" options={{{unknown[0]!r}: {extra_params[unknown[0]]!r}}}"
        )
    for key in extra_params:
        logger.debug("setup: %s is for other simulators and changes nothing here", key)
    if not timestep > 0:
        raise nr.DescriptionError(f"timestep of setup is {timestep!r} ms; it must be above 0")
    for key, value in (("min_delay", min_delay), ("max_delay", max_delay)):
        if isinstance(value, str) and value != "auto":
            raise nr.DescriptionError(f"{key} of setup is {value!r}; give ms, or 'auto'")
    common.setup(timestep, min_delay, max_delay=max_delay, **extra_params)
    if integrator not in ("auto", "Euler"):
        raise nr.DescriptionError(
            f"integrator of setup is {integrator!r}; choose 'auto' or 'Euler'"
        )
    given = dict(options or {})
    if given.get("precision") == "loihi":
        raise nr.DescriptionError(
            "precision 'loihi' of setup: PyNN's units have no form in whole numbers; describe the"
            " network with neuro.Network instead"
        )
    if "batch" in given:
        raise nr.DescriptionError("batch of setup: PyNN knows one run at a time; leave it out")
    find_backend(backend)
    simulator.state.clear()
    simulator.state.configure(
        timestep,
        min_delay,
        max_delay,
        backend=backend,
        options=given,
        seed=seed,
        integrator=integrator,
    )
    return 0


def end(compatible_output: bool = True) -> None:
    """Write what ``record(..., to_file=...)`` asked for, and release the backend."""
    for population, variables, filename in simulator.state.write_on_end:
        population.write_data(get_io(filename), variables)
    simulator.state.write_on_end = []
    simulator.state.end()


run, run_until = common.build_run(simulator)
run_for = run
reset = common.build_reset(simulator)
initialize = common.initialize
(
    get_current_time,
    get_time_step,
    get_min_delay,
    get_max_delay,
    num_processes,
    rank,
) = common.build_state_queries(simulator)
