"""Runs networks with Lava's own models: ``python lava_models.py CASES.npz RESULTS.npz``.

A program of its own, because Lava forks, claims the start method of multiprocessing, and looks for
process models in the files around those it is given. It prints "absent" where Lava is missing.

Case i has arrays ``i_given`` [steps, inputs], ``i_into`` and ``i_back`` [pre, post] (as the user
gives them, not yet representable), ``i_exponents``, ``i_bits``, ``i_signs`` (two each), ``i_p``
(du, dv, vth, bias_mant, bias_exp, of shape [5, units]) and ``i_runtime``.
"""

import dataclasses
import sys

import numpy as np

PARAMETERS = ("du", "dv", "vth", "bias_mant", "bias_exp")


def import_lava():
    """Lava on Python 3.11 and later: its one mutable default needs a hash."""
    original = dataclasses.dataclass
    dataclasses.dataclass = lambda cls=None, **k: original(cls, **{"unsafe_hash": True, **k})
    try:
        import lava.magma.compiler.var_model  # noqa: F401
    finally:
        dataclasses.dataclass = original


class Port:
    """What a model sends, kept; or what it is to receive."""

    def __init__(self, value=None):
        self.value = value

    def recv(self):
        return self.value

    def send(self, value):
        self.value = value


def dense(weights, exponent, bits, sign_mode):
    from lava.proc.dense.models import PyDenseModelBitAcc
    from lava.utils.weightutils import SignMode

    model = PyDenseModelBitAcc(
        {"weight_exp": exponent, "num_weight_bits": bits, "sign_mode": SignMode(sign_mode)}
    )
    model.weights = weights.T.astype(np.int32)
    model.a_buff = np.zeros(weights.shape[1], np.int32)
    model.num_message_bits = np.array([0])
    model.s_in, model.a_out = Port(), Port()
    return model


def lif(p):
    from lava.proc.lif.models import PyLifModelBitAcc

    model = PyLifModelBitAcc({})
    n = p.shape[1]
    model.u, model.v = np.zeros(n, np.int32), np.zeros(n, np.int32)
    for key, value in zip(PARAMETERS, p, strict=True):
        setattr(model, key, value.astype(np.int16 if key.startswith("bias") else np.int32))
    model.a_in, model.s_out = Port(), Port(np.zeros(n, bool))
    return model


def in_process(given, into, back, p):
    """The models' own step functions, called in the order of Lava's time step."""
    first, second, cells = dense(*into), dense(*back), lif(p)
    rows = []
    for spikes in given:
        # A connection sends what it made of the spikes of the step before, then reads new ones.
        # That of the loop reads what the cells send in this step, so it runs after them.
        first.s_in.value = spikes
        first.run_spk()
        cells.a_in.value = np.zeros(p.shape[1], np.int16) + first.a_out.value + second.a_buff
        cells.run_spk()
        second.s_in.value = cells.s_out.value
        second.run_spk()
        rows.append((cells.s_out.value.astype(np.int64), cells.u.copy(), cells.v.copy()))
    return tuple(np.array(r) for r in zip(*rows, strict=True))


def with_runtime(given, into, back, p):
    """Lava's processes, run by Lava: spikes of every step, u and v of the last."""
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.dense.process import Dense
    from lava.proc.io.sink import RingBuffer as Sink
    from lava.proc.io.source import RingBuffer as Source
    from lava.proc.lif.process import LIF
    from lava.utils.weightutils import SignMode

    steps, n = len(given), p.shape[1]
    values = dict(zip(PARAMETERS, p, strict=True))
    one = {k: int(values[k][0]) for k in ("du", "dv", "vth")}
    cells = LIF(shape=(n,), **one, bias_mant=values["bias_mant"], bias_exp=values["bias_exp"])
    source, sink = Source(data=given.T.astype(int)), Sink(shape=(n,), buffer=steps)
    made = [
        Dense(weights=w.T, weight_exp=e, num_weight_bits=bits, sign_mode=SignMode(mode))
        for w, e, bits, mode in (into, back)
    ]
    source.s_out.connect(made[0].s_in)
    cells.s_out.connect(made[1].s_in)
    for connection in made:
        connection.a_out.connect(cells.a_in)
    cells.s_out.connect(sink.a_in)
    try:
        cells.run(condition=RunSteps(steps), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
        return sink.data.get().T.astype(np.int64), cells.u.get(), cells.v.get()
    finally:
        cells.stop()


def main(cases, results):
    try:
        import_lava()
    except ImportError as error:
        print(f"absent: {error}")
        return
    given = np.load(cases)
    found = {}
    for i in range(int(given["count"])):
        case = {key: given[f"{i}_{key}"] for key in ("given", "into", "back", "p", "runtime")}
        formats = np.array([given[f"{i}_{k}"] for k in ("exponents", "bits", "signs")]).T.tolist()
        into, back = ((case[k], *f) for k, f in zip(("into", "back"), formats, strict=True))
        run = with_runtime if case["runtime"] else in_process
        values = run(case["given"], into, back, case["p"])
        found |= {f"{i}_{k}": v for k, v in zip(("spikes", "u", "v"), values, strict=True)}
    np.savez(results, **found)
    print("done")


if __name__ == "__main__":
    main(*sys.argv[1:])
