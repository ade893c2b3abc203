"""Layers of LIF neurons written by hand in Lava; nothing else is beside them."""
