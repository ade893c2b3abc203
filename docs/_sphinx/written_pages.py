"""Pages that are written from the code: the reference of every public name, commands, notebooks.

They are written into ``docs/`` before Sphinx reads it, and git ignores them.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import pkgutil
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import typer
from sphinx.application import Sphinx

import neuro
from neuro.cli import app

#: What people who describe, run and learn call; the rest is for those who write backends.
OUTER = (
    *("neuro", "neuro.datasets", "neuro.features", "neuro.analysis", "neuro.plotting"),
    *("neuro.models", "neuro.learning", "neuro.loihi", "neuro.exchange", "neuro.pynn"),
    *("neuro.recording", "neuro.simulation", "neuro.streaming", "neuro.results", "neuro.random"),
)

#: Commands have a page of their own, benchmarks are run by one.
LEFT_OUT = ("neuro.cli", "neuro.benchmarks")


def public_modules() -> Iterator[ModuleType]:
    """Every module without an underscore in its path, packages before what they hold."""
    yield neuro
    for found in pkgutil.walk_packages(neuro.__path__, "neuro."):
        hidden = any(part.startswith("_") for part in found.name.split("."))
        if not hidden and not found.name.startswith(LEFT_OUT):
            yield importlib.import_module(found.name)


def public_names() -> dict[str, list[str]]:
    """Names by the module that people import them from: the first that offers them."""
    modules = list(public_modules())
    found: dict[str, list[str]] = {module.__name__: [] for module in modules}
    taken: set[Any] = set()
    for module in modules:
        offered = getattr(module, "__all__", dir(module) if module is neuro else ())
        found[module.__name__] += _new_names(module, offered, taken)
    for module in modules:
        here = [k for k, v in vars(module).items() if _module(v) == module.__name__]
        found[module.__name__] += _new_names(module, here, taken)
    return {module: sorted(names, key=str.lower) for module, names in found.items() if names}


def _new_names(module: ModuleType, names: Any, taken: set[Any]) -> list[str]:
    new = []
    for name in names:
        thing = getattr(module, name)
        public = not name.startswith("_") and _module(thing).startswith("neuro")
        if public and thing not in taken:
            taken.add(thing)
            new.append(name)
    return new


def _module(thing: Any) -> str:
    is_documented = inspect.isclass(thing) or inspect.isfunction(thing)
    return str(thing.__module__) if is_documented else ""


def reference(folder: Path) -> None:
    """Write a page for ``neuro`` and each package or module under it, and the index of pages."""
    names = public_names()
    pages: dict[str, list[str]] = {}
    for module in names:
        pages.setdefault(".".join(module.split(".")[:2]), []).append(module)
    for page, modules in pages.items():
        lines = [f"# {page}", "", *_text(page)]
        for module in modules:
            if module != page:
                lines += [f"## {module}", "", *_text(module)]
            lines += [*_table(module, names[module]), *_objects(module, names[module])]
        (folder / f"{page}.md").write_text("\n".join(lines))
    inner = [page for page in pages if page not in OUTER]
    index = ["# Reference", "", "Every public name, with shapes, units, errors and sources."]
    for title, members in (
        ("To describe, run and learn", [page for page in OUTER if page in pages]),
        ("To look inside, and to write backends", inner),
    ):
        index += ["", f"## {title}", ""]
        index += [f"- [{page}]({page}.md): {_first_line(page)}" for page in members]
        index += ["", "```{toctree}", ":hidden:", "", *members, "```"]
    (folder / "index.md").write_text("\n".join(index))


def _text(module: str) -> list[str]:
    """What a module says of itself; that of neuro is laid out for ``help``."""
    if module == "neuro":
        return ["```text", inspect.getdoc(neuro) or "", "```", ""]
    return _directive("automodule", module, ":no-members:", ":no-index:")


def _directive(kind: str, name: str, *options: str) -> list[str]:
    return ["```{eval-rst}", f".. {kind}:: {name}", *(f"   {each}" for each in options), "```", ""]


def _first_line(module: str, name: str | None = None) -> str:
    thing = importlib.import_module(module)
    doc = inspect.getdoc(getattr(thing, name) if name else thing) or ""
    return doc.splitlines()[0].replace("|", "\\|")


def _table(module: str, names: list[str]) -> list[str]:
    rows = [f"| {{any}}`{module}.{name}` | {_first_line(module, name)} |" for name in names]
    return ["| name | |", "| --- | --- |", *rows, ""]


def _objects(module: str, names: list[str]) -> list[str]:
    lines = []
    for name in names:
        thing = getattr(importlib.import_module(module), name)
        kind = "autofunction" if inspect.isfunction(thing) else "autoclass"
        if inspect.isclass(thing) and issubclass(thing, BaseException):
            kind = "autoexception"
        lines += _directive(kind, f"{module}.{name}")
    return lines


def commands(page: Path) -> None:
    """Write what each command says of itself."""
    names = typer.main.get_group(app).commands
    lines = ["# Commands", "", "What `--help` says, of each.", "", "```text", _help(), "```", ""]
    for name in names:
        lines += [f"## neuro {name}", "", "```text", _help(name), "```", ""]
    page.write_text("\n".join(lines))


def _help(*command: str) -> str:
    env = os.environ | {"COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1"}
    run = [sys.executable, "-m", "neuro.cli", *command, "--help"]
    done = subprocess.run(run, env=env, capture_output=True, text=True, check=True)
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())


def notebooks(source: Path, folder: Path) -> None:
    """Copy the executed notebooks, and write their index."""
    titles = {}
    for path in sorted(source.glob("*.ipynb")):
        shutil.copy(path, folder)
        cells = json.loads(path.read_text())["cells"]
        heading = next("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
        titles[path.stem] = heading.splitlines()[0].removeprefix("# ")
    lines = [
        "# Notebooks",
        "",
        "Each takes a minute or less, and is also a script in `examples/`.",
        "",
    ]
    lines += [f"- [{title}]({name}.ipynb)" for name, title in titles.items()]
    lines += ["", "```{toctree}", ":hidden:", "", *titles, "```"]
    (folder / "index.md").write_text("\n".join(lines))


def write(site: Sphinx) -> None:
    """Write all pages, when Sphinx starts."""
    docs = Path(site.srcdir)
    for name in ("reference", "examples"):
        shutil.rmtree(docs / name, ignore_errors=True)
        (docs / name).mkdir()
    reference(docs / "reference")
    notebooks(docs.parent / "examples", docs / "examples")
    commands(docs / "commands.md")
    shutil.copy(docs.parent / "CHANGELOG.md", docs / "changelog.md")


def setup(site: Sphinx) -> dict[str, bool]:
    """Sphinx calls this."""
    site.connect("builder-inited", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
