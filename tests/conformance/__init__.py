"""The suite that every backend must pass: one network, every backend, the same spikes.

Shipped with neuro as a pytest plugin, so that a backend that lives elsewhere can run it::

    pytest --pyargs neuro.conformance --neuro-backend mine --neuro-backend brian2:target=cpp

Each scenario (:mod:`neuro.conformance.scenarios`) is a small network. The reference backend runs
it, the other backend runs it, and every spike, and every variable at the end, must be equal.
"""
