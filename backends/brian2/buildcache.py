"""The cache of compiled programs: one folder a structure, shared by processes and networks.

A folder is built under another name and renamed when it is complete, so a build that was cut off
is never taken for a good one, and of two processes that build the same program the last one wins
with an equal result. A hit needs no import of Brian2.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path

import numpy as np

from neuro._version import __version__
from neuro.backends.brian2.blueprint import Blueprint
from neuro.backends.brian2.toolchain import SERIAL, Toolchain
from neuro.equations import c_functions
from neuro.equations.elementary import RECIPES
from neuro.errors import BackendError
from neuro.scratch import scratch_folder

MANIFEST = "manifest.json"


def program_folder(plan: Blueprint, cache: Path, tools: Toolchain = SERIAL) -> Path:
    """Folder of the compiled program of a blueprint, whether it exists or not."""
    return _folder(cache, tools, _manifest(plan, tools))


def is_built(folder: Path) -> bool:
    """Whether a folder holds a compiled program."""
    return (folder / MANIFEST).is_file() and os.access(folder / "main", os.X_OK)


def build(plan: Blueprint, cache: Path, tools: Toolchain = SERIAL) -> Path:
    """Folder with the compiled program of a blueprint; compiles it if it is not in the cache.

    Raises
    ------
    BackendError
        No compiler, an error of the compiler, or a cache folder that cannot be written.
    """
    manifest = _manifest(plan, tools)
    target = _folder(cache, tools, manifest)
    if is_built(target):
        return target
    with _workplace(target, cache, tools) as work:
        _build(plan, work, tools)
        (work / MANIFEST).write_text(json.dumps(manifest, indent=2))
        _move(work, target)
    return target


@contextmanager
def _workplace(target: Path, cache: Path, tools: Toolchain) -> Iterator[Path]:
    """A folder beside the one that is to be."""
    with ExitStack() as stack:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            work = stack.enter_context(scratch_folder("building-", target.parent))
        except OSError as error:
            raise BackendError(
                f"brian2 ({tools.target}): cannot write to the cache {str(cache)!r}"
                f" ({error.strerror}); set NEURO_CACHE or the option cache_dir to a folder that"
                " you can write to"
            ) from error
        yield work


def _build(plan: Blueprint, work: Path, tools: Toolchain) -> None:
    sources = work / "sources"
    sources.mkdir()
    program = tools.compile(sources, tools.write(plan, sources))
    shutil.move(program, work / "main")
    shutil.move(sources / "static_arrays", work / "static_arrays")
    for pattern in ("*.o", "*.gch"):  # the text stays, for whoever wants to read it
        for path in sources.rglob(pattern):
            path.unlink()


def _move(work: Path, target: Path) -> None:
    """Give a finished build its name; what stands there is complete, or a leftover to replace."""
    for _ in range(3):
        try:
            work.rename(target)
            return
        except OSError:
            if is_built(target):
                return  # another process was faster
            shutil.rmtree(target, ignore_errors=True)
    raise BackendError(f"brian2: cannot replace {str(target)!r}; remove it and try again")


def _folder(cache: Path, tools: Toolchain, manifest: dict[str, str]) -> Path:
    key = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()[:32]
    return cache / f"brian2-{tools.target}" / key


def _manifest(plan: Blueprint, tools: Toolchain) -> dict[str, str]:
    """Everything that the compiled program depends on."""
    here = Path(__file__).parent
    code = hashlib.sha256()
    for path in sorted(p for p in here.iterdir() if p.suffix in (".py", ".h", ".cpp", ".cu")):
        code.update(path.read_bytes())
    code.update(Path(c_functions.__file__).read_bytes())
    code.update(repr(RECIPES).encode())  # printed into the C text
    # Indices of traces are compiled in; "all" depends on the number of synapses.
    traces = hashlib.sha256()
    for trace in plan.traces:
        traces.update(np.ascontiguousarray(trace.units).tobytes())
    return {
        "program": plan.program.fingerprint(),
        "traces": traces.hexdigest(),
        "neuro": __version__,
        "backend": code.hexdigest(),
        "brian2": version("brian2"),
        "numpy": version("numpy"),
        **tools.depends(),
    }
