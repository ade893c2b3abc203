"""``python -m neuro.cli`` is the same as ``neuro``."""

import sys

from neuro.cli import main

sys.exit(main())
