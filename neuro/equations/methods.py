"""Names of the integration methods (apart from their code, which imports sympy)."""

METHODS = ("auto", "exact", "exponential Euler", "Euler")
