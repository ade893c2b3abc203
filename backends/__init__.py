"""Compilation targets: one folder each; none imports another.

``neuro.backends`` is both this package and the function ``neuro.backends()``, which says what
can be used here: importing a backend would otherwise replace the function by the package.
"""

from __future__ import annotations

import sys
from types import ModuleType


class _CallableModule(ModuleType):
    def __call__(self) -> dict[str, bool | str]:
        """Every installed backend: ``True``, or the reason why it cannot be used and the mend."""
        from neuro.simulation import backends

        return backends()


sys.modules[__name__].__class__ = _CallableModule
