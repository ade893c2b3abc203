"""Brian2's global state, borrowed and given back.

Brian2 keeps its preferences, its active device and its log in the process. A user may have his
own simulation there; what he set must be as it was after each of our calls.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from neuro.backends.brian2.compiler import COMPILE_FLAGS


def import_brian2() -> Any:
    """Import Brian2; when we are the first to do so, without its log and script files."""
    known = "brian2" in sys.modules
    hook = sys.excepthook
    import brian2

    if not known:
        sys.excepthook = hook  # Brian2's own asks users to report every error to Brian2
        _drop_log_files()
    return brian2


def _drop_log_files() -> None:
    from brian2.utils.logger import BrianLogger

    handler = BrianLogger.file_handler
    if handler is not None:
        logging.getLogger("brian2").removeHandler(handler)
        handler.close()
        BrianLogger.file_handler = None
    for attribute in ("tmp_log", "tmp_script"):
        if path := getattr(BrianLogger, attribute, None):
            with suppress(OSError):
                os.remove(path)
            setattr(BrianLogger, attribute, None)


@contextmanager
def sandbox(device: Any, precision: str, preferences: Mapping[str, Any]) -> Iterator[None]:
    """Run Brian2 on our device, with our preferences, quietly.

    Parameters
    ----------
    device : brian2.devices.device.Device
        The device to work on.
    precision : str
        ``"float64"`` or ``"float32"``.
    preferences : mapping
        More preferences, by full name.
    """
    from brian2.core.preferences import prefs

    # not a plain import: the package has an object of the same name
    devices: Any = importlib.import_module("brian2.devices.device")

    ours = {
        "core.default_float_dtype": np.dtype(precision).type,
        "logging.std_redirection_to_file": False,
        "core.stop_on_keyboard_interrupt": False,  # Ctrl-C raises, as everywhere else
        "codegen.loop_invariant_optimisations": False,  # these reorder sums
        "codegen.cpp.extra_compile_args": list(COMPILE_FLAGS),
        "codegen.cpp.headers": [],
        "codegen.cpp.define_macros": [],
        "devices.cpp_standalone.openmp_threads": 0,
        **preferences,
    }
    ours = {name: value for name, value in ours.items() if name in prefs}  # Brian2 2.8 lacks one
    saved = {name: prefs[name] for name in ours}
    active = devices.active_device
    logger = logging.getLogger("brian2")
    level = logger.level
    try:
        logger.setLevel(logging.ERROR)
        for name, value in ours.items():
            prefs[name] = value
        devices.active_device = device
        yield
    finally:
        devices.active_device = active
        for name, value in saved.items():
            prefs[name] = value
        logger.setLevel(level)
