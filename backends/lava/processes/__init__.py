"""Lava processes and their models, and nothing else.

When Lava compiles a process it executes every module beside the one that defines it.
"""

from neuro.backends.lava.importing import import_lava

import_lava()
