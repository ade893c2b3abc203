"""Offline reactivation: noisy recurrent networks that revisit their waking states.

============================== ================================================================
module                         what
============================== ================================================================
:mod:`.tasks`                  turning the head, walking in a box: movement, codes, decoders
:mod:`.recurrence`             leaky and gated loops over time, with gradients of their own
:mod:`.network`                encoder, noisy units, decoder
:mod:`.training`               minimises the error of what is reported; resumes
:mod:`.life`                   the network awake and offline, decoded
:mod:`.spiking`                the trained network in spikes: pools of cells
:mod:`.experiment`             all conditions of a seed (``neuro reactivate``)
============================== ================================================================

Source: Krishna et al. 2024 (ICLR, arXiv:2505.17003). Measures: :mod:`neuro.analysis.reactivation`.
"""

from neuro.models.reactivation.life import Rates, awake, offline
from neuro.models.reactivation.network import NoisyRNN
from neuro.models.reactivation.spiking import Pools, Spikes, spiking_network
from neuro.models.reactivation.training import train

__all__ = ["NoisyRNN", "Pools", "Rates", "Spikes", "awake", "offline", "spiking_network", "train"]
