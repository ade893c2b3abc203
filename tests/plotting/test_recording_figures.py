"""Plots of recordings and weights show the numbers they were given, in SI units."""

import matplotlib
import numpy as np
import pytest
import scipy.sparse
from matplotlib.figure import Figure

import neuro as nr

matplotlib.use("agg")


def recorded(dt=2e-3):
    net = nr.Network()
    net.population("a", nr.SpikeTimes([1, 3, 3, 8], [2, 0, 1, 2]), 3)
    net.population("b", nr.SpikeTimes([0, 9], [1, 0]), 2)
    net.population("n", nr.LIF(tau_m=[0.01, 0.02, 0.03]), 3)
    net.connect("b", "n", [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
    net.record("a")
    net.record("b")
    net.record("n", "v", units=[2, 0], every=2)
    with nr.compile(net, dt=dt) as sim:
        return sim.run_steps(10, False)


@pytest.fixture
def ax():
    return Figure().add_subplot()


@pytest.fixture
def weights():
    net = nr.Network()
    net.population("pre", nr.Poisson(1.0), 2)
    net.population("post", nr.LIF(), 3)
    net.connect("pre", "post", [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], name="dense")
    signed = scipy.sparse.csr_array(np.array([[0.0, -2.0, 1.0], [0.5, 0.0, 0.0]]))
    net.connect("pre", "post", signed, name="sparse")
    with nr.compile(net) as sim:
        yield sim


def test_raster_has_a_mark_at_the_time_and_unit_of_each_spike(ax):
    assert recorded().plot.raster("a", ax=ax) is ax
    (marks,) = ax.collections
    expected = [[0.002, 2], [0.006, 0], [0.006, 1], [0.016, 2]]
    assert np.asarray(marks.get_offsets()) == pytest.approx(np.array(expected))
    assert ax.get_xlim() == pytest.approx((0, 0.02))
    assert ax.get_ylim() == (-0.5, 2.5)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time [s]", "unit of a")


def test_rasters_of_populations_are_stacked_from_the_bottom(ax):
    recorded().plot.raster(ax=ax)
    first, second = (np.asarray(marks.get_offsets()) for marks in ax.collections)
    assert first[:, 1].tolist() == [2, 0, 1, 2]
    assert second == pytest.approx(np.array([[0, 3 + 1], [0.018, 3 + 0]]))
    assert ax.get_ylim() == (-0.5, 4.5)
    assert ax.get_yticks().tolist() == [1.0, 3.5]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["a", "b"]


def test_a_window_of_a_raster(ax):
    recorded().plot.raster("a", start=3, stop=8, ax=ax)
    assert np.asarray(ax.collections[0].get_offsets())[:, 0] == pytest.approx([0.006, 0.006])
    assert ax.get_xlim() == pytest.approx((0.006, 0.016))


def test_rate_is_a_step_of_each_bin(ax):
    recorded().plot.rate("a", bin_width=8e-3, ax=ax)
    values, edges, _ = ax.patches[0].get_data()
    assert edges == pytest.approx([0, 0.008, 0.016, 0.02])
    assert values == pytest.approx([3 / 3 / 0.008, 0, 1 / 3 / 0.004])
    assert ax.get_ylabel() == "mean rate [Hz]"
    assert ax.get_legend() is None


def test_rates_of_all_populations(ax):
    recorded().plot.rate(bin_width=0.02, ax=ax)
    assert [float(patch.get_data()[0][0]) for patch in ax.patches] == pytest.approx(
        [4 / 3 / 0.02, 2 / 2 / 0.02]
    )
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]


def test_trace_has_a_line_per_unit_at_the_steps_of_its_rows(ax):
    rec = recorded()
    rec.plot.trace("n", "v", ax=ax)
    rows = rec.trace("n", "v")
    assert len(rows) == 5
    for i, line in enumerate(ax.get_lines()):
        times = np.array([1, 3, 5, 7, 9]) * 2e-3
        assert np.asarray(line.get_xdata()) == pytest.approx(times)
        assert np.array_equal(line.get_ydata(), rows[:, i])
    assert not np.array_equal(rows[:, 0], rows[:, 1])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["n[2]", "n[0]"]
    assert ax.get_ylabel() == "v of n [volt]"


def test_trace_of_chosen_units(ax):
    rec = recorded()
    rec.plot.trace("n", "v", units=[0], start=2, stop=6, ax=ax)
    (line,) = ax.get_lines()
    assert np.array_equal(line.get_ydata(), rec.trace("n", "v")[1:3, 1])
    with pytest.raises(nr.DescriptionError, match=r"'v' of n\[1\] was not recorded"):
        rec.plot.trace("n", "v", units=[1], ax=ax)


def test_weights_have_a_row_per_pre_and_a_column_per_post_unit(weights, ax):
    weights.plot.weights("dense", ax=ax)
    (image,) = ax.images
    assert np.asarray(image.get_array()).tolist() == [[1, 2, 3], [4, 5, 6]]
    assert image.origin == "upper"  # pre unit 0 is the top row
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("post: unit of post", "pre: unit of pre")
    assert image.get_clim() == (1, 6)
    assert image.colorbar.ax.get_ylabel() == "weight [volt]"


def test_missing_synapses_are_blank_and_signs_are_centred(weights, ax):
    weights.plot.weights("sparse", ax=ax)
    array = ax.images[0].get_array()
    assert array.mask.tolist() == [[True, False, False], [False, True, True]]
    assert array.filled(9).tolist() == [[9, -2, 1], [0.5, 9, 9]]
    assert ax.images[0].get_clim() == (-2, 2)


def test_a_tied_projection_is_drawn_its_own_way_round(ax):
    net = nr.Network()
    net.population("a", nr.LIF(), 2)
    net.population("b", nr.LIF(), 3)
    forward = net.connect("a", "b", [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    net.connect("b", "a", nr.transpose_of(forward), name="back")
    with nr.compile(net) as sim:
        sim.plot.weights("back", ax=ax)
    assert np.asarray(ax.images[0].get_array()).tolist() == [[1, 4], [2, 5], [3, 6]]
    assert ax.get_ylabel() == "pre: unit of b"


def test_histogram_counts_synapses(weights, ax):
    weights.plot.weight_histogram("sparse", bins=[-3, -1, 0, 1, 2], ax=ax)
    assert [bar.get_height() for bar in ax.patches] == [1, 0, 1, 1]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("weight [volt]", "synapses")


def test_without_axes_a_new_figure_is_made(weights):
    from matplotlib import pyplot

    rec = recorded()
    made = [
        rec.plot.raster(),
        rec.plot.rate(),
        rec.plot.trace("n", "v"),
        weights.plot.weights("dense"),
        weights.plot.weight_histogram("dense"),
    ]
    try:
        assert len({id(axes.figure) for axes in made}) == 5
        assert [pyplot.fignum_exists(axes.figure.number) for axes in made] == [True] * 5
        for axes in made:
            axes.figure.canvas.draw()
    finally:
        for axes in made:
            pyplot.close(axes.figure)


def test_nothing_recorded(ax):
    net = nr.Network()
    net.population("n", nr.LIF(), 1)
    with nr.compile(net) as sim:
        rec = sim.run_steps(3, False)
    for call in (rec.plot.raster, rec.plot.rate):
        with pytest.raises(nr.DescriptionError, match=r"no spikes were recorded.*net\.record"):
            call(ax=ax)
    with pytest.raises(nr.DescriptionError, match=r"net\.record\('n', 'spikes'\)"):
        rec.plot.raster("n", ax=ax)
