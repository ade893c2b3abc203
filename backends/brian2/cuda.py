"""The sources of the target ``cuda``: Brian2CUDA's device writes them, with our main.

Brian2CUDA (Alevi et al. 2022, Front. Neuroinform. 16:883700) makes kernels of the code of groups,
monitors, thresholds and resets. What would change a sum is ours: templates for synapses (each
thread does the spikes of one unit in order, without atomics), lists of spikes in ascending order
for every step that a delay looks back to, and the functions of the equation language. So the
program gives the bits of the other targets; nvcc is told neither to fuse a multiplication with an
addition nor to use fast mathematics.

Importing this module imports Brian2 and Brian2CUDA, but needs neither a GPU nor nvcc.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import brian2

from neuro.backends.brian2.blueprint import Blueprint, Synapses
from neuro.backends.brian2.model import Model, build
from neuro.backends.brian2.nvcc import SOURCE, makefile
from neuro.backends.brian2.printing import OWN
from neuro.backends.brian2.sandbox import sandbox
from neuro.backends.brian2.standalone import HEADER, Main
from neuro.equations.c_functions import C_FUNCTIONS, CASTS

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it imports distutils, and tests that nobody asked for
    from brian2cuda import device as cuda_device
    from brian2cuda.codeobject import CUDAStandaloneCodeObject
    from brian2cuda.cuda_generator import CUDACodeGenerator
    from brian2cuda.device import CUDAStandaloneDevice
    from brian2cuda.utils import gputools

CUDA_HEADER, FUNCTIONS = "neuro_cuda.h", "neuro_functions.h"

#: What the main program uses of a header that the nvcc from PyPI lacks.
_PROFILER = "inline cudaError_t cudaProfilerStop() { return cudaSuccess; }\n"


class Generator(CUDACodeGenerator):  # type: ignore[misc]
    """Brian2CUDA's code without the functions that it adds to every file; ours are in a header."""

    def determine_keywords(self) -> dict[str, Any]:
        """What templates are filled with."""
        return {**super().determine_keywords(), "support_code_lines": []}


class CodeObject(CUDAStandaloneCodeObject):  # type: ignore[misc]
    """CUDA code from Brian2CUDA's templates and ours."""

    generator_class = Generator
    templater = CUDAStandaloneCodeObject.templater.derive(__package__, templates_dir=".")


class Device(CUDAStandaloneDevice):  # type: ignore[misc]
    """A device of our own: that of the user, with whatever he has begun there, stays his."""

    def code_object_class(
        self, codeobj_class: type | None = None, fallback_pref: str | None = None
    ) -> type:
        """Class of all code objects."""
        return CodeObject

    def copy_source_files(self, writer: Any, directory: str) -> None:
        """Copy Brian2CUDA's library of headers, which it looks for beside the templates."""
        library = Path(gputools.__file__).parents[1] / "brianlib"
        shutil.copytree(library, Path(directory) / "brianlib", dirs_exist_ok=True)


def write_sources(plan: Blueprint, folder: Path, compute_capability: float) -> list[str]:
    """Write the CUDA project of a program into a folder; name of the file to compile.

    Parameters
    ----------
    plan : Blueprint
    folder : Path
    compute_capability : float
        Of the GPU for which the project's makefile compiles, for example 8.0.
    """
    device = Device()
    device.activate(build_on_run=False)
    preferences = {
        "codegen.target": "auto",
        "devices.cuda_standalone.use_atomics": False,
        "devices.cuda_standalone.cuda_backend.compute_capability": compute_capability,
    }
    precision = plan.program.dtype.name
    with (
        sandbox(device, precision, preferences),
        _selection(compute_capability),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", ResourceWarning)  # it does not close what it writes
        device.headers += [f'"{name}"' for name in (CUDA_HEADER, FUNCTIONS)]
        model = build(plan, connect=False)
        for name, function in model.namespace.items():  # their text is in a header
            function.implementations.add_implementation("cuda", code="", name=name)
        for synapses in plan.synapses.values():
            _measure(plan, synapses, model)
        main = _Main(plan, model, device)
        device.insert_code("main", main.load())
        model.network.run(0 * brian2.second, namespace=dict(model.namespace))
        _insert_before_run(device, main.run())
        device.build(
            directory=str(folder), compile=False, run=False, with_output=False, direct_call=False
        )
    here = Path(__file__).parent
    for name in (HEADER, CUDA_HEADER):
        shutil.copy(here / name, folder / name)
    for name in ("curand.h", "curand_kernel.h"):
        shutil.copy(here / "curand.h", folder / name)
    (folder / "cuda_profiler_api.h").write_text(_PROFILER)
    (folder / FUNCTIONS).write_text(functions_text(precision))
    (folder / SOURCE).write_text(_all_in_one(sorted(device.writer.source_files)))
    (folder / "makefile").write_text(makefile(compute_capability))
    return [SOURCE]


def _all_in_one(sources: Sequence[str]) -> str:
    """One file that includes all others, whose helpers that have the same names get others."""
    helpers = ("_host_rand", "_host_randn", "_host_poisson")
    lines = ["// All of the program: nvcc spends most of its time on the headers of each file."]
    # those that use a namespace at the top come last
    for number, source in enumerate(sorted(sources, key=lambda s: ("/" not in s, s))):
        if "/" in source:
            for helper in helpers:
                lines += [f"#undef {helper}", f"#define {helper} {helper}_{number}"]
        lines.append(f'#include "{source}"')
    return "\n".join(lines) + "\n"


def functions_text(precision: str) -> str:
    """The functions of the equation language as a header for kernels."""
    texts = [C_FUNCTIONS[symbol].text(name, precision) for symbol, name in OWN.items()]
    texts += [c.text(name, precision) for name, c in CASTS.items()]
    includes = "\n".join(f"#include <{h}>" for h in ("math.h", "stdint.h", "string.h"))
    text = "\n".join(texts).replace("static inline", "static __host__ __device__ inline")
    return f"#ifndef NEURO_FUNCTIONS_H\n#define NEURO_FUNCTIONS_H\n{includes}\n{text}\n#endif\n"


def _insert_before_run(device: Device, code: str) -> None:
    """Code before Brian2's own run that names code objects, which only now have their names."""
    _, lines = next(args for kind, args in device.main_queue if kind == "run_network")
    lines.insert(lines.index("set_from_command_line(args);"), code)


@contextmanager
def _selection(compute_capability: float) -> Iterator[None]:
    """Keep Brian2CUDA from looking for a GPU and nvcc, and give back what it had found.

    Nor does it shorten constants of float32 programs: the pattern for them takes names that end
    in digits for numbers, and ours are of the right type.
    """
    found = dict(gputools._cuda_installation), dict(gputools._gpu_selection)
    shorten = cuda_device.replace_floating_point_literals
    support = CUDACodeGenerator.universal_support_code
    gputools.restore_cuda_installation(
        {"cuda_path": "/usr/local/cuda", "nvcc_path": "nvcc", "runtime_version": 12.0}
    )
    gputools.restore_gpu_selection(
        {
            "available_gpus": None,
            "selected_gpu_id": 0,
            "selected_gpu_compute_capability": compute_capability,
        }
    )
    cuda_device.replace_floating_point_literals = str
    try:
        yield
    finally:
        cuda_device.replace_floating_point_literals = shorten
        CUDACodeGenerator.universal_support_code = support  # it depends on the version above
        gputools.restore_cuda_installation(found[0])
        gputools.restore_gpu_selection(found[1])


def _measure(plan: Blueprint, synapses: Synapses, model: Model) -> None:
    """Tell the template of each pathway its delay in steps and the units of both sides."""
    sizes = {
        "pre": plan.group(synapses.source).size,
        "post": plan.group(synapses.target).size,
    }
    for pathway in synapses.pathways:
        other = "post" if pathway.side == "pre" else "pre"
        model.pathway(synapses.name, pathway.name).template_kwds.update(
            delay=pathway.delay, units=sizes[pathway.side], others=sizes[other]
        )


class _Main(Main):
    """Our lines of ``main`` where values live on the GPU as well."""

    # without the destructors of what lies on the GPU, which is gone by then
    _leave = "std::fflush(NULL);\nstd::_Exit(0);"

    def _loaded(self, array: str, values: str, count: str) -> list[str]:
        if values == array:
            return [f"neuro::upload(dev{array}, {array}, {count});"]
        return [f"dev{array} = {array};"]

    def _spiked(self, population: str) -> str:
        group, places = self._plan.group(population), self._places(population)
        space, recent = self._array(group.name, "_spikespace"), self._recent(population)
        make = f"dev{space}, {places}, {group.size}, {recent}, current_idx{space}"
        return f"const int {places} = {self._count(population)};\nneuro::make_lists({make});"

    def _emits(self, population: str) -> list[str]:
        group = self._plan.group(population).name
        lines = []
        for name, values in (("_timebins", "steps"), ("neuron_index", "units")):
            array = self._array(group, name)
            lines += [f"{array} = events.{values};", f"dev{array} = {array};"]
        return lines

    def _queued(self) -> list[str]:
        """Start sources at their first spike; sort the spikes of each step when they are there."""
        lines = []
        for population in self._plan.program.sources:
            group = self._plan.group(population)
            space, last = (self._array(group.name, n) for n in ("_spikespace", "_lastindex"))
            # in each step they go on by the spikes of the step before
            if population in self._plan.program.max_delays:
                lines.append(f"previous_idx{space} = {self._places(population)} - 1;")
                lines.append(f"{last}[0] = -neuro::last_count({self._recent(population)});")
                lines.append(f"neuro::upload(dev{last}, {last}, 1);")
        for group in self._plan.groups.values():
            owner = self._model.owners[group.name]
            maker = owner if group.source else owner.thresholder["spike"]
            space = self._array(group.name, "_spikespace")
            sort = f"[] {{ neuro::sort_spikes<{group.size}>(dev{space}[current_idx{space}]); }}"
            made = f"_run_{maker.codeobj.name}"
            lines.append(f"neuro::after({self._model.network.name}, {made}, {sort});")
        return lines

    def _changed(self, array: str, values: str, count: str) -> list[str]:
        if values == array:
            return [f"neuro::download({array}, dev{array}, {count});"]
        return [f"{array} = dev{array};"]

    def _monitored(self, array: str) -> list[str]:
        return [f"{array} = dev{array};"]

    def _traced(self, matrix: str, columns: int) -> str:
        return f"neuro::write_trace(output, {matrix}, neuro_steps, {columns});"

    def _connections(self, synapses: Synapses) -> list[str]:
        lines = super()._connections(synapses)
        if len(lines) > 1:
            for side in ("pre", "post"):
                array = self._array(synapses.name, f"_synaptic_{side}")
                lines.append(f"dev{array} = {array};")
        return lines

    def _places(self, population: str) -> str:
        return f"places_{self._plan.group(population).name}"

    def _count(self, population: str) -> str:
        """How many lists of spikes are kept: of this step and of those that delays look back to."""
        found = ["0"]
        for synapses in self._plan.synapses.values():
            for pathway in synapses.pathways:
                side = synapses.source if pathway.side == "pre" else synapses.target
                if side == population and pathway.delays:
                    found.append(f"neuro::longest({self._array(synapses.name, pathway.delays)})")
                elif side == population:
                    found.append(str(pathway.delay))
        return f"1 + std::max({{{', '.join(found)}}})"
