"""The child process: makes the Lava network of one program, and runs it when told to.

Started by :class:`neuro.backends.lava.child.Child` as
``python -m neuro.backends.lava.worker PARENT ORDERS ANSWERS``.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import traceback
from functools import partial
from typing import Any

from neuro.backends.lava.offspring import end_with_parent, let_forks_end_with_this
from neuro.backends.lava.wire import receive_object, send_answer


def main(parent: int, orders: int, answers: int) -> None:
    """Serve orders until they end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    end_with_parent(parent)
    let_forks_end_with_this()
    os.register_at_fork(after_in_child=partial(os.close, orders))
    os.register_at_fork(after_in_child=partial(os.close, answers))
    try:
        _serve(orders, answers)
    except (EOFError, BrokenPipeError):
        pass
    except BaseException as error:
        send_answer(answers, _failure(error))
    # Lava's own clearing up may wait for processes that do not answer; they end with this one.
    sys.stdout.flush()
    os._exit(0)


def _serve(orders: int, answers: int) -> None:
    from neuro.backends.lava.importing import import_lava

    sys.setrecursionlimit(100_000)  # Lava follows connections by recursion
    import_lava()
    from neuro.backends.lava.contents import attach
    from neuro.backends.lava.guard import Guarded
    from neuro.backends.lava.networks import NETWORKS

    message: dict[str, Any] = receive_object(orders)
    shared = attach(message["contents"])
    options = message["options"]
    network = Guarded(NETWORKS[options["mode"]](shared, options))
    send_answer(answers, {"ready": True})

    def parent_lives() -> None:
        hangup = select.POLLHUP
        poll = select.poll()
        poll.register(orders, hangup)
        if any(event & hangup for _, event in poll.poll(0)):
            raise EOFError("the parent is gone")

    while True:
        steps = receive_object(orders)["steps"]
        network.run(steps, parent_lives)
        send_answer(answers, {"processes": [actor.pid for actor in network.actors]})


def _failure(error: BaseException) -> dict[str, Any]:
    trace = getattr(error, "trace", "") or "".join(traceback.format_exception(error))
    return {"error": str(error) or type(error).__name__, "trace": trace}


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:4]))
