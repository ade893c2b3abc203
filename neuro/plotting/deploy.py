"""How full the cores of a chip are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from neuro.loihi.target import RESOURCES
from neuro.plotting.style import COLOURS, new_figure, styled

if TYPE_CHECKING:
    from neuro.loihi.placement import Placement


def core_utilisation(placement: Placement) -> Figure:
    """Per cent of every resource on every core: one panel a resource, one colour a layer.

    Parameters
    ----------
    placement : Placement
        Cores are drawn in order; dotted lines stand between chips, a dashed line at 100 %.
    """
    with styled():
        figure, axes = new_figure(7.6, 6.4, len(RESOURCES), 1)
        for ax in axes[:-1]:
            ax.sharex(axes[-1])
            ax.tick_params(labelbottom=False)
        target, cores = placement.target, placement.cores
        shares = [core.utilisation(target) for core in cores]
        layers = list(dict.fromkeys(core.layer for core in cores))
        for ax, resource in zip(axes, RESOURCES, strict=True):
            values = np.array([share[resource] for share in shares])
            for number, name in enumerate(layers):
                own = np.array([i for i, core in enumerate(cores) if core.layer == name])
                edges = np.append(own, own[-1] + 1) - 0.5
                ax.stairs(values[own], edges, fill=True, color=COLOURS[number % 6], label=name)
            ax.axhline(100.0, color="#666666", linestyle="--", linewidth=1.0)
            for chip in range(1, placement.chips):
                ax.axvline(chip * target.cores_per_chip.value - 0.5, color="#666666", ls=":")
            limit = target.core[resource]
            ax.set_title(f"{resource}: of {limit.value} {limit.unit}")
            ax.set_ylim(0, max(110.0, 1.08 * float(values.max(initial=0.0))))
            ax.set_ylabel("use [%]")
        axes[-1].set_xlim(-0.5, max(1, len(cores)) - 0.5)
        axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
        axes[-1].set_xlabel(f"core ({target.cores_per_chip.value} a chip)")
        if layers:
            handles, labels = axes[0].get_legend_handles_labels()
            figure.legend(handles[:20], labels[:20], loc="outside right upper", title="layer")
    return figure
