"""Which code made a result."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path


def code_fingerprint() -> str:
    """Hash of the sources that results depend on: changed code must not reuse old results."""
    digest = hashlib.blake2b(digest_size=8)
    presentation = ("cli", "plotting", "report.py")
    for package in ("neuro", "neuro.models", "neuro.backends"):
        spec = find_spec(package)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            root = Path(folder)
            for path in sorted(root.rglob("*")):
                inside = path.relative_to(root)
                if path.suffix not in (".py", ".cpp", ".h") or inside.parts[0] in presentation:
                    continue
                digest.update(f"{package}/{inside}".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()
