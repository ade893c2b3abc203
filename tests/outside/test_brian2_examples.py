"""CUBA and COBAHH (Brette et al. 2007, benchmarks 2 and 3) as their authors' simulator runs them.

Brian2's versions of the examples are written here by hand and run on NumPy. Connectivity and
starting values are drawn once for each seed and given to both simulators. Several seeds run at a
time, as separate blocks of one population: the overhead of a step is then paid once.

Two comparisons. *Spike by spike*: a model that takes up arrivals before it integrates does what
Brian2 does (where a spike has no delay and acts from the next step on), so all spikes are equal
until rounding shows. *Rates*: with the library's own models, which act one step (0.1 ms) later, the
mean rate is the same within the spread from seed to seed.
"""

import numpy as np
import pytest
import scipy.sparse

import neuro as nr

brian2 = pytest.importorskip("brian2")

DT = 1e-4


@pytest.fixture(autouse=True)
def numpy_target():
    saved = brian2.prefs["codegen.target"]
    brian2.prefs["codegen.target"] = "numpy"
    yield
    brian2.prefs["codegen.target"] = saved


def blocks(seeds, n, p):
    """Connections within each block, as (pre, post), excitatory and inhibitory (1 in 5)."""
    pre, post = [], []
    for b, seed in enumerate(seeds):
        i, j = np.nonzero(np.random.default_rng(seed).random((n, n)) < p)
        pre.append(i + b * n)
        post.append(j + b * n)
    pre, post = np.concatenate(pre), np.concatenate(post)
    excitatory = pre % n < 0.8 * n
    return (pre[excitatory], post[excitatory]), (pre[~excitatory], post[~excitatory])


def drawn(seeds, n, draw):
    """One value per unit, from the seed of its block."""
    return np.concatenate([draw(np.random.default_rng(1000 + s), n) for s in seeds])


def run_brian2(equations, namespace, groups, start, exc, inh, duration, **options):
    """Spike steps and units of a hand-written Brian2 program."""
    group = brian2.NeuronGroup(
        groups, equations, namespace=namespace, dt=DT * brian2.second, **options
    )
    for name, (value, unit) in start.items():
        setattr(group, name, value * unit)
    synapses = []
    for (i, j), on_pre in ((exc, "ge += we"), (inh, "gi += wi")):
        made = brian2.Synapses(group, group, on_pre=on_pre, namespace=namespace)
        made.connect(i=i, j=j)
        synapses.append(made)
    monitor = brian2.SpikeMonitor(group)
    net = brian2.Network(group, *synapses, monitor)
    net.run(duration * brian2.second, namespace={})
    return np.rint(np.asarray(monitor.t) / DT).astype(int), np.asarray(monitor.i)


def run_neuro(model, size, exc, inh, weights, duration):
    """Spike steps and units."""
    net = nr.Network("example")
    units = net.population("units", model, size)
    for port, (i, j), w in (("exc", exc, weights[0]), ("inh", inh, weights[1])):
        matrix = scipy.sparse.coo_array((np.full(len(i), w), (i, j)), (size, size))
        net.connect(units, units, matrix, port=port, name=port)
    net.record(units)
    with nr.compile(net, dt=DT) as sim:
        return sim.run(duration, progress=False).spikes(units)


def rates(spikes, n, seeds, duration):
    """Mean rate of each block."""
    return np.bincount(spikes[1] // n, minlength=seeds) / n / duration


def same_rate(one, two):
    """Means agree within the standard error that the spread of the seeds gives them."""
    assert len(one) == len(two) >= 5
    error = np.sqrt(one.var(ddof=1) / len(one) + two.var(ddof=1) / len(two))
    print(f"{one.mean():.2f} and {two.mean():.2f} Hz, standard error of the difference {error:.2f}")
    assert abs(one.mean() - two.mean()) <= 2 * error
    assert error < 0.15 * one.mean()  # else the comparison would say nothing


# --- CUBA --------------------------------------------------------------------------------------

CUBA = """
dv/dt = (ge + gi - (v - El)) / taum : volt (unless refractory)
dge/dt = -ge / taue : volt
dgi/dt = -gi / taui : volt
"""


def cuba_brian2(seeds, n, p, duration):
    ms, mV = brian2.ms, brian2.mV
    exc, inh = blocks(seeds, n, p)
    names = {"taum": 20 * ms, "taue": 5 * ms, "taui": 10 * ms, "Vt": -50 * mV, "Vr": -60 * mV,
             "El": -49 * mV, "we": 60 * 0.27 / 10 * mV, "wi": -20 * 4.5 / 10 * mV}  # fmt: skip
    return run_brian2(
        CUBA,
        names,
        len(seeds) * n,
        {"v": (cuba_start(seeds, n), brian2.volt)},
        exc,
        inh,
        duration,
        threshold="v > Vt",
        reset="v = Vr",
        refractory=5 * ms,
        method="exact",
    )


def cuba_start(seeds, n):
    return drawn(seeds, n, lambda rng, n: rng.uniform(-60e-3, -50e-3, n))


def cuba_library(seeds, n):
    return nr.LIF(
        20e-3,
        v_threshold=-50e-3,
        v_reset=-60e-3,
        v_rest=-49e-3,
        t_ref=5e-3,
        v_init=cuba_start(seeds, n),
        synapses={"exc": nr.Exponential(5e-3), "inh": nr.Exponential(10e-3)},
        comparison=">",
    )


def cuba_as_brian2(seeds, n):
    """Arrivals act in the step in which they arrive."""
    return nr.NeuronModel(
        "dv/dt = (v_rest - v + g_e + g_i) / tau_m : volt\n"
        "dg_e/dt = -g_e / tau_e : volt\n"
        "dg_i/dt = -g_i / tau_i : volt",
        parameters={
            "tau_m": (20e-3, "second"),
            "tau_e": (5e-3, "second"),
            "tau_i": (10e-3, "second"),
            "v_rest": (-49e-3, "volt"),
            "t_ref": (5e-3, "second"),
        },
        inputs={"exc": "volt", "inh": "volt"},
        before="g_e += exc; g_i += inh",
        threshold="v > -0.05",
        reset="v = -0.06",
        refractory="t_ref",
        held=("v",),
        initial={"v": cuba_start(seeds, n)},
    )


CUBA_WEIGHTS = (60 * 0.27 / 10 * 1e-3, -20 * 4.5 / 10 * 1e-3)


def equal_spikes(one, two, duration, at_least):
    """All spikes of the first part of both runs."""
    n = round(duration / DT)
    early = [[s[spikes[0] < n] for s in spikes] for spikes in (one, two)]
    pairs = [sorted(zip(*s, strict=True)) for s in early]
    assert len(pairs[0]) > at_least
    assert pairs[0] == pairs[1]


def test_cuba_spike_by_spike():
    seeds, n, p = [0, 1], 400, 0.2
    exc, inh = blocks(seeds, n, p)
    theirs = cuba_brian2(seeds, n, p, 0.1)
    ours = run_neuro(cuba_as_brian2(seeds, n), 800, exc, inh, CUBA_WEIGHTS, 0.1)
    equal_spikes(theirs, ours, 0.1, at_least=300)


def cuba_rates(n, p, duration):
    seeds = list(range(5))
    exc, inh = blocks(seeds, n, p)
    theirs = cuba_brian2(seeds, n, p, duration)
    ours = run_neuro(cuba_library(seeds, n), 5 * n, exc, inh, CUBA_WEIGHTS, duration)
    same_rate(rates(theirs, n, 5, duration), rates(ours, n, 5, duration))


def test_cuba_rate():
    cuba_rates(n=800, p=0.1, duration=0.3)  # 80 synapses a neuron, as in the full network


@pytest.mark.slow
def test_cuba_rate_of_the_full_network():
    cuba_rates(n=4000, p=0.02, duration=1.0)


# --- COBAHH ------------------------------------------------------------------------------------

COBAHH = """
dv/dt = (gl * (El - v) + ge * (Ee - v) + gi * (Ei - v) + g_na * m * m * m * h * (ENa - v)
         + g_kd * n * n * n * n * (EK - v)) / Cm : volt
dm/dt = am * (1 - m) - bm * m : 1
dn/dt = an * (1 - n) - bn * n : 1
dh/dt = ah * (1 - h) - bh * h : 1
dge/dt = -ge / taue : siemens
dgi/dt = -gi / taui : siemens
am = 0.32 * (13 - u) / (exp((13 - u) / 4) - 1) / ms : Hz
bm = 0.28 * (u - 40) / (exp((u - 40) / 5) - 1) / ms : Hz
ah = 0.128 * exp((17 - u) / 18) / ms : Hz
bh = 4 / (1 + exp((40 - u) / 5)) / ms : Hz
an = 0.032 * (15 - u) / (exp((15 - u) / 5) - 1) / ms : Hz
bn = 0.5 * exp((10 - u) / 40) / ms : Hz
u = (v - VT) / mV : 1
"""


def cobahh_start(seeds, n):
    """Potential and conductances, drawn as in the example."""
    return {
        "v": drawn(seeds, n, lambda rng, n: -60e-3 + (rng.normal(size=n) * 5 - 5) * 1e-3),
        "ge": drawn([s + 100 for s in seeds], n, lambda r, n: (r.normal(size=n) * 1.5 + 4) * 1e-8),
        "gi": drawn([s + 200 for s in seeds], n, lambda r, n: (r.normal(size=n) * 12 + 20) * 1e-8),
    }


def cobahh_brian2(seeds, n, p, duration):
    b = brian2
    names = {
        "Cm": 200 * b.pF, "gl": 10 * b.nS, "g_na": 20 * b.usiemens, "g_kd": 6 * b.usiemens,
        "El": -60 * b.mV, "EK": -90 * b.mV, "ENa": 50 * b.mV, "VT": -63 * b.mV,
        "Ee": 0 * b.mV, "Ei": -80 * b.mV, "taue": 5 * b.ms, "taui": 10 * b.ms,
        "we": 6 * b.nS, "wi": 67 * b.nS, "ms": b.ms, "mV": b.mV,
    }  # fmt: skip
    start = cobahh_start(seeds, n)
    units = {"v": b.volt, "ge": b.siemens, "gi": b.siemens}
    return run_brian2(
        COBAHH,
        names,
        len(seeds) * n,
        {k: (start[k], units[k]) for k in units},
        *blocks(seeds, n, p),
        duration,
        threshold="v > -20*mV",
        refractory=3 * b.ms,
        method="exponential_euler",
    )


def cobahh_library(seeds, n):
    """The library's neuron, with conductances that start as in the example."""
    start = cobahh_start(seeds, n)
    base = nr.HodgkinHuxley()
    return nr.NeuronModel(
        base.equations,
        parameters={k: (v, base.units[k]) for k, v in base.parameters.items()},
        synapses=base.synapses,
        current=base.current,
        threshold=base.threshold,
        refractory=base.refractory,
        initial={"v": start["v"], "g_exc": start["ge"], "g_inh": start["gi"]},
    )


def cobahh_as_brian2(seeds, n):
    """Arrivals act in the step in which they arrive."""
    start = cobahh_start(seeds, n)
    base = nr.HodgkinHuxley()
    current = "(g_exc * (0 - v) + g_inh * (E_inh - v))"
    return nr.NeuronModel(
        base.equations.replace("I_syn", current)
        + "\ndg_exc/dt = -g_exc / tau_exc : siemens\ndg_inh/dt = -g_inh / tau_inh : siemens",
        parameters={
            **{k: (v, base.units[k]) for k, v in base.parameters.items()},
            "tau_exc": (5e-3, "second"),
            "tau_inh": (10e-3, "second"),
            "E_inh": (-80e-3, "volt"),
        },
        inputs={"exc": "siemens", "inh": "siemens"},
        before="g_exc += exc; g_inh += inh",
        threshold=base.threshold,
        refractory=base.refractory,
        initial={"v": start["v"], "g_exc": start["ge"], "g_inh": start["gi"]},
    )


def test_cobahh_spike_by_spike():
    seeds, n, p = [0], 250, 0.2
    exc, inh = blocks(seeds, n, p)
    theirs = cobahh_brian2(seeds, n, p, 0.05)
    ours = run_neuro(cobahh_as_brian2(seeds, n), 250, exc, inh, (6e-9, 67e-9), 0.05)
    equal_spikes(theirs, ours, 0.05, at_least=60)


def cobahh_rates(n, p, duration):
    seeds = list(range(5))
    exc, inh = blocks(seeds, n, p)
    theirs = cobahh_brian2(seeds, n, p, duration)
    ours = run_neuro(cobahh_library(seeds, n), 5 * n, exc, inh, (6e-9, 67e-9), duration)
    same_rate(rates(theirs, n, 5, duration), rates(ours, n, 5, duration))


def test_cobahh_rate():
    # 80 synapses a neuron, as in the full network; with fewer neurons the seeds are far apart.
    cobahh_rates(n=1000, p=0.08, duration=0.15)


@pytest.mark.slow
def test_cobahh_rate_of_the_full_network():
    cobahh_rates(n=4000, p=0.02, duration=1.0)
