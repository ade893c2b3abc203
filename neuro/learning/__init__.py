"""Learning beside the program: equilibrium propagation, sleep replay, the continual protocol."""
