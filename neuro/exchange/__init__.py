"""Networks and weights in files, and in the forms of others: HDF5, NIR, safetensors."""

from neuro.exchange.hdf5 import load, save
from neuro.exchange.nir_reading import from_nir
from neuro.exchange.nir_writing import to_nir
from neuro.exchange.weight_files import load_weights, save_weights

__all__ = ["from_nir", "load", "load_weights", "save", "save_weights", "to_nir"]
