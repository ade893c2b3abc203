"""Runs that are written to a folder piece by piece: longer than memory, resumed when killed.

A folder holds ``run.json`` (what was recorded, and from what it began); pieces
``steps-<start>-<stop>.h5`` that follow one another without gap; and checkpoints
``checkpoint-<step>.h5`` (files of :func:`neuro.save`): that of the start, and that of the end of
the last piece. Each file is complete when it gets its name. HDF5 files do not survive a process
that dies while they are open, hence a file of its own for every piece.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from neuro.atomic import replacing
from neuro.connectivity import IntArray
from neuro.engine import Recorded, State
from neuro.errors import DescriptionError
from neuro.exchange import load, save
from neuro.fingerprint import digest
from neuro.program import Program
from neuro.recording import Recording
from neuro.tracks import SPIKES, Heading, Track, joined_spikes, size, tracks

FORMAT, VERSION = "neuro run", 1

#: Bytes of recorded data (as engines return them) that a piece may hold; or those of the state,
#: when they are more, so that checkpoints never take more room in time than data.
PIECE_BYTES = 1 << 26

#: Steps of the first piece, whose speed nobody knows yet; and how much longer the next may be.
FIRST, GROWTH = 64, 4

_HEADER, _LOCK = "run.json", ".lock"
_PIECE = re.compile(r"steps-(\d{12})-(\d{12})\.h5\Z")
_CHECKPOINT = re.compile(r"checkpoint-\d{12}\.h5\Z")
_UNFINISHED = re.compile(r"\.(run\.json|(steps-\d{12}|checkpoint)-\d{12}\.h5)\.\w+\Z")
#: What a folder may hold before its header is there.
_OWN = re.compile(rf"{re.escape(_LOCK)}\Z|{_UNFINISHED.pattern}")


class Pace:
    """How many steps to run before the next piece is put away: bounded by memory and by time.

    Parameters
    ----------
    program : Program
    seconds : float
        A piece should take at most half of this time.
    """

    def __init__(self, program: Program, seconds: float = np.inf) -> None:
        state = sum(a.initial.nbytes for a in program.arrays.values() if not a.constant)
        self._limit, self._seconds = max(PIECE_BYTES, state), seconds
        # At worst every unit spikes in every step: a step and a unit of 8 bytes each.
        width = sum(t.width * (16 if t.variable == SPIKES else np.dtype(t.dtype).itemsize)
                    for t in tracks(program))  # fmt: skip
        self._length = max(1, min(FIRST, self._limit // max(width, 1)))

    def length(self, left: int) -> int:
        """Steps of the next piece, when so many are left in all."""
        return min(left, self._length)

    def took(self, steps: int, seconds: float, recorded: Recorded) -> None:
        """Learn from the last piece."""
        by_memory = self._limit * steps / max(size(recorded), 1)
        by_time = 0.5 * self._seconds * steps / max(seconds, 1e-9)
        self._length = max(1, int(min(GROWTH * self._length, by_memory, by_time)))


class RunFolder:
    """The folder of one streamed run, locked against a second writer.

    Parameters
    ----------
    path : Path
        Made when missing. A folder of the same run is continued, any other refused.
    program : Program
    start : State
        Where the run begins.
    stop : int
        Step at which it ends.
    batch : int, optional
        Number of items that run at once.

    Raises
    ------
    DescriptionError
        The folder holds something else, the run of another program or from another state, more
        steps than asked for; or another process is writing to it.
    """

    def __init__(
        self, path: Path, program: Program, start: State, stop: int, batch: int | None = None
    ) -> None:
        self._path, self._start = path, start.step
        try:
            path.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise DescriptionError(f"run to {path}: that is a file; name a folder") from None
        if not (path / _HEADER).exists() and not all(map(_OWN.match, os.listdir(path))):
            raise DescriptionError(
                f"run to {path}: the folder is not empty and holds no run; name a new folder"
            )
        self._lock = os.open(path / _LOCK, os.O_CREAT | os.O_RDWR, 0o666)
        try:
            self._enter(program, start, stop, batch)
        except BaseException:
            os.close(self._lock)
            raise

    def _enter(self, program: Program, start: State, stop: int, batch: int | None) -> None:
        path = self._path
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DescriptionError(
                f"run to {path}: another process is writing there; wait for it or choose another"
                " folder"
            ) from None
        header = {
            "format": FORMAT,
            "version": VERSION,
            "structure": program.fingerprint(),
            "content": self._content(program),
            "state": _state_digest(program, start),
            "name": program.name,
            "dt": program.dt,
            "start": start.step,
            "stop": stop,
            "batch": batch,
            "tracks": [_track_to_json(track) for track in tracks(program)],
        }
        if (path / _HEADER).exists():
            self._check(_read_header(path), header)
        #: Where the next piece begins.
        self.stop = _end(_pieces(path, start.step), start.step)
        self._tidy()
        with replacing(path / _HEADER) as temporary:
            temporary.write_text(json.dumps(header, indent=1))
        if not self._checkpoint(start.step).exists():
            save(start, self._checkpoint(start.step))

    def _content(self, program: Program) -> str:
        try:
            return program.content_fingerprint()
        except TypeError as error:
            raise DescriptionError(
                f"run to {self._path}: {program.name!r} could not be recognised when the run is"
                f" resumed ({error}); use sources whose attributes are numbers, text and arrays"
            ) from error

    def _tidy(self) -> None:
        """Remove what a process that was killed while it wrote left behind."""
        needed = {self._checkpoint(self._start), self._checkpoint(self.stop)}
        for path in self._path.iterdir():
            if _UNFINISHED.match(path.name) or (
                _CHECKPOINT.match(path.name) and path not in needed
            ):
                path.unlink()

    def _check(self, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
        where = f"run to {self._path}: the folder holds a run"
        if found["start"] != expected["start"]:
            raise DescriptionError(
                f"{where} that began at step {found['start']}, this simulation stands at step"
                f" {expected['start']}; resume it with a newly compiled simulation, or name another"
                " folder"
            )
        for key, what in (
            ("structure", "of another network, time step or precision"),
            ("content", "of a network with other weights, parameters, seed, input or recordings"),
            ("batch", "of another number of items"),
            ("state", "that began from another state (other weights were set before it)"),
        ):
            if found[key] != expected[key]:
                raise DescriptionError(f"{where} {what}; name another folder")
        done = _end(_pieces(self._path, found["start"]), found["start"])
        if done > expected["stop"]:
            raise DescriptionError(
                f"{where} of {done - found['start']} steps, more than the"
                f" {expected['stop'] - found['start']} asked for; read it with open_recording"
            )

    def checkpoint(self) -> State:
        """The state in which the next piece begins."""
        state: State = load(self._checkpoint(self.stop))
        return state

    def beginning(self) -> State:
        """The state in which the run began."""
        state: State = load(self._checkpoint(self._start))
        return state

    def append(self, recorded: Recorded, state: State) -> None:
        """Add what the steps up to a state recorded, and that state."""
        save(state, self._checkpoint(state.step))
        # Only now that its end can be continued the piece counts.
        path = self._path / f"steps-{self.stop:012d}-{state.step:012d}.h5"
        with replacing(path) as temporary:
            _write_piece(temporary, recorded)
        if self.stop != self._start:
            self._checkpoint(self.stop).unlink()
        self.stop = state.step

    def _checkpoint(self, step: int) -> Path:
        return self._path / f"checkpoint-{step:012d}.h5"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._lock)  # which also unlocks


def open_recording(path: str | Path) -> Recording:
    """Read a folder that :meth:`neuro.Simulation.run` wrote with ``to=``.

    Data are read when they are asked for. A run that was cut off, or still goes on, is read up
    to its last checkpoint.

    Raises
    ------
    DescriptionError
        When the folder holds no run, a damaged one, or one of a newer version.
    """
    folder = Path(path)
    if not (folder / _HEADER).is_file():
        raise DescriptionError(f"open_recording: {path} is not the folder of a run; check the path")
    header = _read_header(folder)
    try:
        start = int(header["start"])
        found = tuple(_track_from_json(track) for track in header["tracks"])
        name, dt, planned = str(header["name"]), float(header["dt"]), int(header["stop"])
        batch = None if header["batch"] is None else int(header["batch"])
    except (KeyError, TypeError, ValueError) as error:
        raise DescriptionError(f"open_recording: {folder / _HEADER} is damaged: {error}") from error
    pieces = _pieces(folder, start)
    heading = Heading(name, dt, start, _end(pieces, start), found, batch, planned)
    return Recording(heading, Pieces(heading, pieces))


class Pieces:
    """The data of a recording, in the pieces of a folder."""

    def __init__(self, heading: Heading, pieces: Sequence[tuple[int, int, Path]]) -> None:
        self._heading, self._pieces = heading, pieces

    def windows(self) -> Sequence[tuple[int, int]]:
        """One per piece."""
        return [(start, stop) for start, stop, _ in self._pieces]

    def spikes(self, population: str, start: int, stop: int) -> tuple[IntArray, ...]:
        """Spikes of a stretch."""
        columns = 2 if self._heading.batch is None else 3
        parts: list[tuple[IntArray, ...]] = [(np.zeros(0, np.int64),) * columns]
        for first, last, file in self._within(start, stop):
            group = file["spikes"][population]
            steps = group["steps"][()]
            found = (steps, *(group[name][()] for name in ("units", "items")[: columns - 1]))
            if first < start or last > stop:
                inside = (steps >= start) & (steps < stop)
                found = tuple(column[inside] for column in found)
            parts.append(found)
        return joined_spikes(parts)

    def count(self, population: str) -> int:
        """Number of all spikes."""
        total = 0
        for _, _, path in self._pieces:
            with _opened(path) as file:
                total += len(file["spikes"][population]["steps"])
        return total

    def trace(self, index: int, start: int, stop: int) -> NDArray[Any]:
        """Kept rows of a stretch."""
        track = self._heading.tracks[index]
        items = () if self._heading.batch is None else (self._heading.batch,)
        parts = [np.zeros((*items, 0, track.width), track.dtype)]
        for first, last, file in self._within(start, stop):
            rows = track.rows(max(first, start), min(last, stop), first)
            parts.append(file["traces"][str(index)][..., rows, :])
        return np.concatenate(parts, axis=-2)

    def _within(self, start: int, stop: int) -> Iterator[tuple[int, int, Any]]:
        """The pieces that a window touches, opened one after the other."""
        for first, last, path in self._pieces:
            if first < stop and last > start:
                with _opened(path) as file:
                    yield first, last, file


def _write_piece(path: Path, recorded: Recorded) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        for population, found in recorded.spikes.items():
            group = file.create_group(f"spikes/{population}")
            for name, column in zip(("steps", "units", "items"), found, strict=False):
                # Steps are sorted, units small: what is packed is a small part.
                packed = {"compression": 1, "shuffle": True} if len(column) else {}
                group.create_dataset(name, data=column, **packed)
        for index, rows in recorded.traces.items():
            file[f"traces/{index}"] = rows


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, KeyError) as error:
        raise DescriptionError(f"{path} is missing or damaged: {error}") from error


def _pieces(folder: Path, start: int) -> list[tuple[int, int, Path]]:
    """The pieces of a folder as (start, stop, path), checked to follow one another."""
    found = sorted(
        (int(match[1]), int(match[2]), path)
        for path in folder.iterdir()
        if (match := _PIECE.match(path.name))
    )
    for first, last, path in found:
        if first != start:
            raise DescriptionError(
                f"{folder} is damaged: steps {start} to {first} are missing before {path.name}"
            )
        start = last
    return found


def _end(pieces: Sequence[tuple[int, int, Path]], start: int) -> int:
    return pieces[-1][1] if pieces else start


def _read_header(folder: Path) -> dict[str, Any]:
    path = folder / _HEADER
    try:
        header: dict[str, Any] = json.loads(path.read_text())
        known, version = header["format"] == FORMAT, int(header["version"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DescriptionError(f"{path} is not the header of a run: {error}") from error
    if not known:
        raise DescriptionError(f"{path} is not the header of a run")
    if version > VERSION:
        raise DescriptionError(
            f"{path} has format version {version}, this neuro reads up to {VERSION}; update neuro"
        )
    return header


def _track_to_json(track: Track) -> dict[str, Any]:
    units = None if track.units is None else track.units.tolist()
    return {**vars(track), "units": units}


def _track_from_json(content: Mapping[str, Any]) -> Track:
    units = content["units"]
    return Track(**{**content, "units": None if units is None else np.array(units, np.int64)})


def _state_digest(program: Program, state: State) -> str:
    """Digest of a state that does not depend on which constant arrays it happens to list."""
    arrays = {n: state.arrays.get(n, a.initial) for n, a in program.arrays.items()}
    none = np.zeros(0, np.int64)
    recent = [(p, *state.recent.get(p, (none, none))) for p in program.max_delays]
    return digest(state.step, arrays, recent)
