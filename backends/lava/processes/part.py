"""A process that runs one slice of a program, with a port for every message."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPortVectorDense, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from numpy.typing import NDArray

#: Shape and dtype of what goes through a port.
Format = tuple[tuple[int, ...], "np.dtype[Any]"]


class Part(AbstractProcess):
    """A source, a population or a projection.

    Parameters
    ----------
    name : str
    make : callable
        Makes, in the process that runs it, what does the work: an object with
        ``step(receive, send)``.
    receives, sends : dict
        Format of every message by its title.
    """

    def __init__(
        self,
        *,
        name: str,
        make: Any,
        receives: dict[str, Format],
        sends: dict[str, Format],
    ) -> None:
        super().__init__(name=name, make=make)
        for title, (shape, _) in receives.items():
            setattr(self, in_port(title), InPort(shape=shape))
        for title, (shape, _) in sends.items():
            setattr(self, out_port(title), OutPort(shape=shape))


class PyPartModel(PyLoihiProcessModel):
    """One time step of the slice per time step of Lava."""

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._name = proc_params["name"]
        self._work = proc_params["make"]()

    def run_spk(self) -> None:
        """One time step."""
        try:
            self._work.step(self._receive, self._send)
        except Exception as error:
            error.add_note(f"in the Lava process {self._name!r}")
            raise

    def _receive(self, title: str) -> NDArray[Any]:
        values: NDArray[Any] = getattr(self, in_port(title)).recv()
        return values

    def _send(self, title: str, values: NDArray[Any]) -> None:
        getattr(self, out_port(title)).send(values)


class ExactInPort(PyInPortVectorDense):
    """A port with one sender, whose values pass as they are.

    Lava's own adds them to zero, which loses the sign of -0.
    """

    def recv(self) -> NDArray[Any]:
        """The next message."""
        (channel,) = self.csp_ports
        values: NDArray[Any] = channel.recv()
        return values


def model_of(
    name: str, receives: dict[str, Format], sends: dict[str, Format]
) -> type[PyPartModel]:
    """The model of one :class:`Part`: Lava wants the formats of ports as class attributes."""
    ports: dict[str, Any] = {
        in_port(title): LavaPyType(ExactInPort, dtype.type)
        for title, (_, dtype) in receives.items()
    }
    ports |= {
        out_port(title): LavaPyType(PyOutPort.VEC_DENSE, dtype.type)
        for title, (_, dtype) in sends.items()
    }
    described = {
        "__doc__": f"Model of {name}.",
        "implements_process": Part,
        "implements_protocol": LoihiProtocol,
        "required_resources": [CPU],
    }
    return type(f"Py{name}", (PyPartModel,), described | ports)


def in_port(title: str) -> str:
    """Name of the port that receives messages with a title."""
    return f"in {title}"


def out_port(title: str) -> str:
    """Name of the port that sends them."""
    return f"out {title}"
