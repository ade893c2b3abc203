"""Recordings in the formats of other libraries, each imported when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neuro.errors import DescriptionError

if TYPE_CHECKING:
    import neo
    import pandas as pd
    import xarray as xr

    from neuro.recording import Recording
    from neuro.tracks import Track


def _library(name: str, method: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{method} needs {name}, which cannot be imported ({error}); run:"
            f" pip install {name} (or: pip install 'neuro[analysis]')"
        ) from error


def to_pandas(recording: Recording, track: Track, item: int | None) -> pd.DataFrame:
    """A table of spikes, or of a trace; see :meth:`neuro.Recording.to_pandas`."""
    pandas = _library("pandas", "to_pandas")
    if track.variable == "spikes":
        if recording.batch is None or item is not None:
            steps, units = recording.spikes(track.owner, item=item)
            columns = {"unit": units}
        else:
            steps, units, items = recording.batch_spikes(track.owner)
            columns = {"unit": units, "item": items}
        return pandas.DataFrame({"time": steps * recording.dt, "step": steps, **columns})
    if recording.batch is not None and item is None:
        raise DescriptionError(
            f"to_pandas: a trace of {recording.batch} items is no table; choose one with item=,"
            " or use to_xarray"
        )
    steps = recording.trace_steps(track.owner, track.variable)
    return pandas.DataFrame(
        recording.trace(track.owner, track.variable, item=item),
        index=pandas.Index(steps * recording.dt, name="time"),
        columns=pandas.Index(track.indices, name=track.axis),
    )


def to_xarray(recording: Recording, track: Track, item: int | None) -> xr.DataArray:
    """A trace with named axes; see :meth:`neuro.Recording.to_xarray`."""
    xarray = _library("xarray", "to_xarray")
    values = recording.trace(track.owner, track.variable, item=item)
    steps = recording.trace_steps(track.owner, track.variable)
    coordinates: dict[str, Any] = {
        "time": ("time", steps * recording.dt, {"units": "second"}),
        "step": ("time", steps),
        track.axis: track.indices,
    }
    axes = ["time", track.axis]
    if values.ndim == 3:
        axes.insert(0, "item")
        coordinates["item"] = np.arange(len(values))
    attributes = {"units": track.unit or "1", "network": recording.name}
    made: xr.DataArray = xarray.DataArray(
        values, coordinates, axes, name=track.name, attrs=attributes
    )
    return made


def to_neo(recording: Recording, tracks: Sequence[Track], item: int | None) -> neo.Block:
    """Everything recorded as one block; see :meth:`neuro.Recording.to_neo`."""
    library = _library("neo", "to_neo")
    quantities = _library("quantities", "to_neo")
    second = quantities.second
    block: neo.Block = library.Block(name=recording.name, dt=recording.dt)
    segment = library.Segment(name=f"steps {recording.start} to {recording.stop}")
    block.segments.append(segment)
    dt, start, stop = recording.dt, recording.start, recording.stop
    for track in tracks:
        if track.variable == "spikes":
            steps, units = recording.spikes(track.owner, item=item)
            for unit, train in zip(track.indices, _trains(steps, units, track), strict=True):
                spikes = library.SpikeTrain(
                    train * dt * second,
                    t_start=start * dt * second,
                    t_stop=stop * dt * second,
                    sampling_rate=1 / dt * quantities.hertz,
                    name=f"{track.owner}[{unit}]",
                    population=track.owner,
                    unit=int(unit),
                )
                segment.spiketrains.append(spikes)
            continue
        first = start + -(start + 1) % track.every  # also where no row was kept
        signal = library.AnalogSignal(
            recording.trace(track.owner, track.variable, item=item),
            units=quantities.Quantity(1.0, track.unit if track.unit not in ("", "1") else ""),
            t_start=first * dt * second,
            sampling_period=track.every * dt * second,
            name=track.name,
            array_annotations={track.axis: track.indices},
        )
        segment.analogsignals.append(signal)
    return block


def _trains(
    steps: NDArray[np.int64], units: NDArray[np.int64], track: Track
) -> list[NDArray[np.int64]]:
    """Steps of the spikes of each recorded unit."""
    columns = track.columns(units)
    order = np.argsort(columns, kind="stable")
    edges = np.searchsorted(columns[order], np.arange(1, track.width))
    return np.split(steps[order], edges)
