"""Inter-areal predictive coding: spiking areas that learn to predict each other, by local rules.

============================== ================================================================
module                         what
============================== ================================================================
:mod:`.network`                columns of latent units, as populations and synapses with rules
:mod:`.columns`                their driver: learns a stream of labelled images, and answers
:mod:`.chain_network`          the plain chain of areas
:mod:`.chain`                  its driver
:mod:`.chip`                   columns in the form that a chip's learning engine has
:mod:`.sleep`                  do sleep and prediction add up? (a command)
============================== ================================================================
"""

from neuro.models.predictive.chain import PredictiveChain
from neuro.models.predictive.chain_network import chain_network
from neuro.models.predictive.columns import PredictiveColumns
from neuro.models.predictive.network import ColumnWeights, predictive_network

__all__ = [
    "ColumnWeights",
    "PredictiveChain",
    "PredictiveColumns",
    "chain_network",
    "predictive_network",
]
