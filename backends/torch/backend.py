"""The entry of the group ``neuro.backends``: options, availability, and what they exclude."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from neuro.engine import Variant
from neuro.errors import CompileError
from neuro.program import Program

if TYPE_CHECKING:
    from neuro.backends.torch.plan import Plan

CHOICES = {
    "device": ("auto", "cpu", "cuda"),
    "delivery": ("auto", "dense", "sparse"),
    "capture": ("auto", "none", "graph"),
}
OPTIONS = ("batch", "ordered", *CHOICES)


class TorchBackend:
    """Runs programs as tensor code of PyTorch, on a CPU or an NVIDIA GPU.

    Options of :meth:`compile`:

    ``batch``
        Number of items that run at once, each with a replica of the sources. Arrays that some
        step writes then have one value per item, so plastic weights take 4 or 8 bytes a synapse
        and item; static weights exist once.
    ``device``
        ``"cpu"``, ``"cuda"``, or ``"auto"``: a GPU if there is one.
    ``delivery``
        ``"sparse"`` lists the units that spiked and visits only what they reach; ``"dense"``
        visits everything, which a GPU prefers to waiting for a list. ``"auto"``: sparse on a CPU.
    ``ordered``
        Whether sums are made in the stated order, so that spikes are those of every other backend
        whatever the weights; True by default. Without it, a matrix product is taken where it is
        quicker.
    ``capture``
        ``"graph"``: chunks of steps become CUDA graphs; ``"auto"``: on a GPU.

    The number of threads is that of torch: ``torch.set_num_threads``. Where other programs keep
    cores busy, fewer are faster, because every sum over weights waits for the last of them.
    """

    name = "torch"

    def available(self) -> bool | str:
        """``True``, or what is missing."""
        if importlib.util.find_spec("torch") is None:
            return "PyTorch is not installed; run: pip install torch"
        return True

    def ways(self) -> Mapping[str, bool | str]:
        """A GPU."""
        import torch

        if torch.cuda.is_available():
            return {"device='cuda'": True}
        built = torch.version.cuda is not None
        reason = (
            "torch sees no NVIDIA GPU"
            if built
            else "this torch is built without CUDA; for a machine with a GPU choose another at "
            "https://pytorch.org/get-started"
        )
        return {"device='cuda'": reason}

    def lacks(self, **options: Any) -> Mapping[str, str]:
        """Nothing, unless the order of sums was given up."""
        if options.get("ordered", True):
            return {}
        return {
            "ordered sums": "ordered=False allows matrix products, which add in an order of their"
            " own; leave it out"
        }

    def variants(self) -> Sequence[Variant]:
        """Sums in the stated order, as a GPU makes them too, and in whatever order is quickest."""
        masked = {"device": "cpu", "delivery": "dense"}
        return (
            Variant("torch", {"device": "cpu"}),
            Variant("torch, as on a GPU", masked, quick=False),
            Variant("torch, unordered", {"device": "cpu", "ordered": False}, quick=False),
        )

    def compile(self, program: Program, **options: Any) -> Any:
        """Make an engine.

        Raises
        ------
        CompileError
            Unknown options or values, options that exclude each other, or no GPU where one is
            asked for.
        """
        plan = settle(options)
        from neuro.backends.torch.engine import TorchEngine

        return TorchEngine(program, plan)


def settle(options: Mapping[str, Any]) -> Plan:
    """Check options and fill in what is left to us."""
    for name, value in options.items():
        if name not in OPTIONS:
            raise CompileError(f"backend 'torch' has no option {name!r}; it has {OPTIONS}")
        if name in CHOICES and value not in CHOICES[name]:
            raise CompileError(f"{name} {value!r} of backend 'torch' is not one of {CHOICES[name]}")
    batch, ordered = options.get("batch"), options.get("ordered", True)
    if batch is not None and (isinstance(batch, bool) or not isinstance(batch, int) or batch < 1):
        raise CompileError(f"batch of backend 'torch' is {batch!r}; give a whole number >= 1")
    if not isinstance(ordered, bool):
        raise CompileError(f"ordered of backend 'torch' is {ordered!r}; give True or False")
    chosen = {name: options.get(name, "auto") for name in CHOICES}

    import torch

    from neuro.backends.torch.plan import Plan

    found = torch.cuda.is_available()
    if chosen["device"] == "cuda" and not found:
        raise CompileError("device 'cuda': torch sees no NVIDIA GPU here; use device='cpu'")
    on_gpu = found and chosen["device"] != "cpu"
    if on_gpu and chosen["delivery"] == "sparse":
        raise CompileError(
            "delivery 'sparse' lists spikes, for which a GPU would wait in every step; use"
            " delivery='dense' or device='cpu'"
        )
    if not on_gpu and chosen["capture"] == "graph":
        raise CompileError("capture 'graph' needs a GPU; use capture='none' on a CPU")
    return Plan(
        batch=batch,
        device=torch.device("cuda" if on_gpu else "cpu"),
        listed=not on_gpu and chosen["delivery"] != "dense",
        ordered=ordered,
        graphs=on_gpu and chosen["capture"] != "none",
    )
