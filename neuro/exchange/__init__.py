"""Networks in files and in the forms of others: HDF5, NIR."""

from neuro.exchange.hdf5 import load, save
from neuro.exchange.nir_reading import from_nir
from neuro.exchange.nir_writing import to_nir

__all__ = ["from_nir", "load", "save", "to_nir"]
