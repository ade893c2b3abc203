"""What people see of networks and programs."""

import html

import neuro as nr


def network():
    net = nr.Network("small", seed=7)
    image = net.population("image", nr.Poisson(rate=20.0), (1, 4, 4))
    synapses = {"exc": nr.Exponential(5e-3), "inh": nr.Delta()}
    cells = net.population("cells", nr.LIF(synapses=synapses), 10)
    net.connect(
        image,
        cells,
        nr.fixed_probability(0.5, nr.Uniform(0.0, 1.0)),
        delay=nr.Uniform(1e-3, 5e-3),
        port="exc",
        plasticity=nr.PairSTDP(),
        short_term=nr.TsodyksMarkram(),
    )
    net.record(cells)
    return net


def test_text_says_what_the_network_is():
    lines = str(network()).splitlines()
    assert lines[0] == "network 'small' (seed 7)"
    population = next(line for line in lines if line.startswith("  image"))
    assert population.split() == ["image", "1x4x4", "=", "16", "Poisson", "rate=20"]
    cells = next(line for line in lines if line.startswith("  cells"))
    assert "exc: Exponential(tau=0.005)" in cells
    projection = next(line for line in lines if line.startswith("  image_cells"))
    for part in ("cells.exc", "probability=0.5", "of each synapse", "TsodyksMarkram, PairSTDP"):
        assert part in projection
    assert lines[-1] == "  record cells.spikes"


def test_notebook_tables_hold_the_same_and_are_escaped():
    net = network()
    shown = net._repr_html_()
    assert "<td>image_cells</td>" in shown
    assert "recorded: cells.spikes" in shown
    program = nr.lower(net, 1e-3)
    assert html.escape("arrive image_cells:") in program._repr_html_()
    assert "->" not in program._repr_html_()
