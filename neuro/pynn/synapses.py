"""PyNN's standard synapse types, and the rules of neuro that they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pyNN.standardmodels import build_translations, synapses

import neuro as nr
from neuro.pynn.simulator import state

#: Projections keep values in PyNN's units: those of a weight depend on what it arrives at.
_BASE = (("weight", "weight"), ("delay", "delay"))


class StaticSynapse(synapses.StaticSynapse):
    """A weight and a delay."""

    translations = build_translations(*_BASE)

    def _get_minimum_delay(self) -> float:
        return state.shortest_delay


class TsodyksMarkramSynapse(synapses.TsodyksMarkramSynapse):
    """Depression and facilitation by the use of resources."""

    translations = build_translations(
        *_BASE, ("U", "U"), ("tau_rec", "tau_rec"), ("tau_facil", "tau_facil")
    )

    def _get_minimum_delay(self) -> float:
        return state.shortest_delay

    @staticmethod
    def rule(values: Mapping[str, float], tau_syn: float) -> nr.ShortTermPlasticity:
        r"""Resources of three states: recovered x, active y, inactive z.

        .. math::
            \dot y = -y/\tau_\mathrm{syn}, \quad
            \dot z = y/\tau_\mathrm{syn} - z/\tau_\mathrm{rec}, \quad x = 1 - y - z; \qquad
            \text{arrival: } u \leftarrow u + U (1 - u),\; \text{efficacy} = u x

        Source: Tsodyks, Uziel & Markram 2000, J. Neurosci. 20:RC50.

        Parameters
        ----------
        values : dict
            U, and tau_rec and tau_facil in ms; without facilitation (0 ms) u is U.
        tau_syn : float, second
            Of the receptor; 0 where an arrival acts at once.
        """
        parameters: dict[str, Any] = {
            "U": values["U"],
            "tau_rec": (values["tau_rec"] * 1e-3, "second"),
        }
        equations = ["dz/dt = -z / tau_rec : 1"]
        recovered, take = "(1 - z)", "z += efficacy"
        if tau_syn > 0:
            parameters["tau_syn"] = (tau_syn, "second")
            equations = [
                "dy/dt = -y / tau_syn : 1",
                "dz/dt = y / tau_syn - z / tau_rec : 1",
            ]
            recovered, take = "(1 - y - z)", "y += efficacy"
        use, facilitate = "U", ""
        if values["tau_facil"] > 0:
            parameters["tau_facil"] = (values["tau_facil"] * 1e-3, "second")
            equations.append("du/dt = -u / tau_facil : 1")
            use, facilitate = "u", "u += U * (1 - u); "
        return nr.ShortTermPlasticity(
            "\n".join(equations),
            f"{facilitate}efficacy = {use} * {recovered}; {take}",
            parameters=parameters,
            name="TsodyksMarkramSynapse",
        )


class _WeightDependence:
    """How much a pair changes the weight: expressions in w, low, high, a_plus and a_minus."""

    up: ClassVar[str]
    down: ClassVar[str]


class AdditiveWeightDependence(_WeightDependence, synapses.AdditiveWeightDependence):
    """Changes are A_plus and A_minus times w_max."""

    translations = build_translations(("w_max", "w_max"), ("w_min", "w_min"))
    up, down = "a_plus * high", "a_minus * high"


class MultiplicativeWeightDependence(_WeightDependence, synapses.MultiplicativeWeightDependence):
    """Changes are A_plus (w_max - w) and A_minus (w - w_min)."""

    translations = build_translations(("w_max", "w_max"), ("w_min", "w_min"))
    up, down = "a_plus * (high - w)", "a_minus * (w - low)"


class AdditivePotentiationMultiplicativeDepression(
    _WeightDependence, synapses.AdditivePotentiationMultiplicativeDepression
):
    """Changes are A_plus w_max and A_minus w."""

    translations = build_translations(("w_max", "w_max"), ("w_min", "w_min"))
    up, down = "a_plus * high", "a_minus * w"


class GutigWeightDependence(_WeightDependence, synapses.GutigWeightDependence):
    """Changes with powers mu_plus, mu_minus of the distance from the bounds."""

    translations = build_translations(
        ("w_max", "w_max"),
        ("w_min", "w_min"),
        ("mu_plus", "mu_plus"),
        ("mu_minus", "mu_minus"),
    )
    # A weight beyond a bound (before its first change) has no distance from it.
    up = "a_plus * high * (max(high - w, 0) / high) ** mu_plus"
    down = "a_minus * high * (max(w - low, 0) / high) ** mu_minus"


class SpikePairRule(synapses.SpikePairRule):
    """All pairs of arrivals and spikes count, each side with a decaying trace."""

    translations = build_translations(
        ("A_plus", "A_plus"),
        ("A_minus", "A_minus"),
        ("tau_plus", "tau_plus"),
        ("tau_minus", "tau_minus"),
    )


class Vogels2011Rule(synapses.Vogels2011Rule):
    """Symmetric rule that drives the target to a rate (Vogels et al. 2011)."""

    translations = build_translations(("tau", "tau"), ("eta", "eta"), ("rho", "rho"))


class STDPMechanism(synapses.STDPMechanism):
    """Spike-timing-dependent plasticity: a timing and a weight dependence."""

    base_translations = build_translations(
        *_BASE, ("dendritic_delay_fraction", "dendritic_delay_fraction")
    )

    def __init__(
        self,
        timing_dependence: Any = None,
        weight_dependence: Any = None,
        voltage_dependence: Any = None,
        dendritic_delay_fraction: float = 1.0,
        weight: Any = 0.0,
        delay: Any = None,
    ) -> None:
        if voltage_dependence is not None:
            raise nr.DescriptionError(
                f"voltage_dependence of STDPMechanism is {voltage_dependence!r}; PyNN has no model"
                " of it: leave it out"
            )
        if not isinstance(timing_dependence, SpikePairRule | Vogels2011Rule):
            raise nr.DescriptionError(
                f"timing_dependence of STDPMechanism is {timing_dependence!r}; use SpikePairRule"
                " or Vogels2011Rule of neuro.pynn"
            )
        if not isinstance(weight_dependence, _WeightDependence):
            raise nr.DescriptionError(
                f"weight_dependence of STDPMechanism is {weight_dependence!r}; use one of"
                " neuro.pynn, for example AdditiveWeightDependence(w_min=0, w_max=0.01)"
            )
        if dendritic_delay_fraction != 0:
            raise nr.DescriptionError(
                f"dendritic_delay_fraction of STDPMechanism is {dendritic_delay_fraction!r}; here"
                " the whole delay lies before the synapse, and spikes of the target are seen at"
                " once: set dendritic_delay_fraction=0"
            )
        super().__init__(
            timing_dependence, weight_dependence, None, dendritic_delay_fraction, weight, delay
        )

    def _build_translations(self) -> None:
        # PyNN would gather those of all mechanisms in one dictionary.
        self.translations: dict[str, Any] = dict(self.base_translations)
        self.translations |= self.timing_dependence.translations
        self.translations |= self.weight_dependence.translations

    def _get_minimum_delay(self) -> float:
        return state.shortest_delay

    def rule(self, values: Mapping[str, float], unit: float) -> nr.PlasticityRule:
        r"""The learning rule, of all pairs of spikes.

        Pairs: at an arrival :math:`w \leftarrow w - F_-(w)\,y`, at a spike of the target
        :math:`w \leftarrow w + F_+(w)\,x`, where x and y sum up earlier arrivals and spikes, each
        decaying with its time constant. Vogels: at an arrival :math:`w \leftarrow w +
        \eta\,(y - \rho)`, at a spike :math:`w \leftarrow w + \eta\,x`, times the unit of weights.

        Parameters
        ----------
        values : dict
            In PyNN's units.
        unit : float
            PyNN's unit of weights in the unit of the port.
        """
        low, high = values["w_min"] * unit, values["w_max"] * unit
        if isinstance(self.timing_dependence, Vogels2011Rule):
            taus = {"tau_plus": values["tau"], "tau_minus": values["tau"]}
            parameters = {"eta": values["eta"] * unit, "rho": values["rho"]}
            depress, potentiate = "w += eta * (y - rho)", "w += eta * x"
        else:
            taus = {key: values[key] for key in ("tau_plus", "tau_minus")}
            parameters = {"a_plus": values["A_plus"], "a_minus": values["A_minus"]}
            parameters |= {"low": low, "high": high}
            parameters |= {k: values[k] for k in ("mu_plus", "mu_minus") if k in values}
            depress = f"w -= {self.weight_dependence.down} * y"
            potentiate = f"w += {self.weight_dependence.up} * x"
        return nr.PlasticityRule(
            on_pre=f"x += 1; {depress}",
            on_post=f"y += 1; {potentiate}",
            pre_traces="dx/dt = -x / tau_plus : 1",
            post_traces="dy/dt = -y / tau_minus : 1",
            parameters={**parameters, **{k: (v * 1e-3, "second") for k, v in taus.items()}},
            w_min=low,
            w_max=high,
            name="STDPMechanism",
        )


#: What projections take.
SYNAPSE_TYPES = (StaticSynapse, TsodyksMarkramSynapse, STDPMechanism)
