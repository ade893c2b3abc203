"""The documentation site: ``make docs`` writes it to ``build/site``; warnings are errors."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_sphinx"))

from neuro import __version__

project = "neuro"
author = copyright = "The neuro founders"
version = release = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_copybutton",
    "written_pages",
]
exclude_patterns = ["_sphinx"]
root_doc = "index"

html_theme = "furo"
html_title = f"neuro {version}"
html_show_copyright = False

myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # notebooks carry their outputs; the tests execute them

autodoc_typehints = "none"  # numpydoc's sections say them
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": False}
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
copybutton_exclude = ".linenos, .gp"
