"""Which target runs a program: as asked, or the one that should be done first."""

from __future__ import annotations

from pathlib import Path

from neuro.backends.brian2 import buildcache
from neuro.backends.brian2.blueprint import Blueprint
from neuro.backends.brian2.compiler import compiler
from neuro.backends.brian2.nvcc import DEFAULT_CAPABILITY, NEEDS, gpu_capability
from neuro.backends.brian2.piece import Runner
from neuro.backends.brian2.toolchain import Cpp, Cuda, Toolchain
from neuro.errors import BackendError

#: Time of the NumPy target per object and step, per synaptic event, and per synapse of code that
#: runs for all synapses, in seconds; and the part of all synapses that is assumed to have an event
#: in a step. Rough: it only has to tell runs that are shorter than a build from those that are
#: much longer.
NUMPY_OBJECT, NUMPY_EVENT, NUMPY_SYNAPSE, ACTIVE_SYNAPSES = 15e-6, 30e-9, 10e-9, 0.02

#: A build of the C++ target takes about this long, in seconds, plus some for each object.
BUILD, BUILD_OBJECT = 5.0, 0.3


class Chooser:
    """Makes the runner of a run, when its number of steps is known.

    Parameters
    ----------
    plan : Blueprint
    target : {"auto", "numpy", "cython", "cpp", "cuda"}
    cache : Path
        Folder of compiled code.
    threads : int
        How many the target ``cpp`` may use.
    capability : float, optional
        Compute capability that the target ``cuda`` compiles for; that of the GPU by default.
    """

    def __init__(
        self,
        plan: Blueprint,
        target: str,
        cache: Path,
        threads: int = 1,
        capability: float | None = None,
    ) -> None:
        self._plan, self._target, self._cache, self._threads = plan, target, cache, threads
        self._capability = capability
        self._made: dict[str, Runner] = {}

    def __call__(self, steps: int) -> tuple[str, Runner]:
        """Target and runner for a run of some steps."""
        target = self._best(steps) if self._target == "auto" else self._target
        if target not in self._made:
            self._made[target] = self._make(target)
        return target, self._made[target]

    def write_sources(self, folder: Path) -> None:
        """Write the program that the target compiles (for ``auto``, in C++) into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        tools = self._cuda if self._target == "cuda" else self._cpp
        tools.write(self._plan, folder)

    @property
    def _cpp(self) -> Toolchain:
        return Cpp(self._threads > 1)

    @property
    def _cuda(self) -> Toolchain:
        return Cuda(float(self._capability or gpu_capability() or DEFAULT_CAPABILITY))

    def _best(self, steps: int) -> str:
        """C++ when it is compiled already, or when compiling is the smaller part of waiting."""
        if "cpp" in self._made:
            return "cpp"
        try:
            compiler()
        except BackendError:
            return "numpy"
        if buildcache.is_built(buildcache.program_folder(self._plan, self._cache, self._cpp)):
            return "cpp"
        plan = self._plan
        objects = len(plan.routines) + 2 * len(plan.groups) + len(plan.monitored)
        objects += sum(2 * len(s.pathways) for s in plan.synapses.values())
        counts = {plan.synapses[n].name: c.count for n, c in plan.program.connectivity.items()}
        per_step = objects * NUMPY_OBJECT + sum(counts.values()) * ACTIVE_SYNAPSES * NUMPY_EVENT
        visited = sum(counts[r.owner] / r.every for r in plan.routines if r.owner in counts)
        per_step += visited * NUMPY_SYNAPSE
        return "cpp" if steps * per_step > BUILD + objects * BUILD_OBJECT else "numpy"

    def _make(self, target: str) -> Runner:
        if target in ("cpp", "cuda"):
            from neuro.backends.brian2.process import ProcessRunner

            if target == "cuda" and gpu_capability() is None:
                raise BackendError(f"{NEEDS}; no GPU was found")
            tools = self._cuda if target == "cuda" else self._cpp
            return ProcessRunner(self._plan, self._cache, tools, self._threads)
        from neuro.backends.brian2.sandbox import import_brian2

        import_brian2()
        from neuro.backends.brian2.runtime import RuntimeRunner

        return RuntimeRunner(self._plan, target, self._cache)
