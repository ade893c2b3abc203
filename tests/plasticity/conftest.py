"""One synapse whose arrivals and postsynaptic spikes are chosen."""

import numpy as np
import pytest
import scipy.sparse

import neuro as nr


@pytest.fixture
def protocol():
    def run(rule, arrivals, spikes, *, w0=0.5, delay=1, steps=100, dt=1e-3, sparse=False):
        """The weight after each step; arrivals and spikes of the target happen as given."""
        net = nr.Network()
        arrivals, spikes = np.sort(arrivals).astype(int), np.sort(spikes).astype(int)
        pre = net.population("pre", nr.SpikeTimes(arrivals - delay, 0 * arrivals), 1)
        force = net.population("force", nr.SpikeTimes(spikes - 1, 0 * spikes), 1)
        post = net.population("post", nr.LIF(v_threshold=1e3), 1)
        weights = scipy.sparse.csr_array([[w0]]) if sparse else w0
        con = net.connect(pre, post, weights, delay=delay * dt, plasticity=rule, name="con")
        net.connect(force, post, 1e6)
        net.record(con, "w")
        net.record(post)
        with nr.compile(net, dt=dt) as sim:
            rec = sim.run_steps(steps, False)
        assert rec.spikes(post)[0].tolist() == spikes[spikes < steps].tolist()
        return rec.trace(con, "w")[:, 0]

    return run
