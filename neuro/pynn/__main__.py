"""``python -m neuro.pynn script.py neuro ...``: run a PyNN script that chooses its simulator."""

from __future__ import annotations

import os
import runpy
import sys

import neuro.pynn  # noqa: F401  (makes pyNN.neuro known)


def main() -> None:
    """Run the script with its arguments, as ``python script.py ...`` would."""
    if len(sys.argv) < 2:
        sys.exit("usage: python -m neuro.pynn SCRIPT.py neuro [arguments of the script]")
    sys.argv = sys.argv[1:]
    sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
