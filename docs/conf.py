"""Sphinx: pages in Markdown, the API from docstrings. Build: sphinx-build -W -b html docs OUT."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from docstrings import as_rest, described_names, parts  # noqa: E402

import spinn_convert  # noqa: E402

project = "spinn_convert"
author = "the authors of spinn_convert"
release = spinn_convert.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "results/runs"]
myst_heading_anchors = 3
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
html_theme = "furo"
html_title = f"spinn_convert {release}"
html_copy_source = False
SHORTER = {
    r"~(?:\w+\.)*": "",
    r"Annotated\[(.+?), (?:\w+\.)*Range\(.*?\)\]": r"\1",
    r"ndarray\[tuple\[.*?\], dtype\[\w+\]\]": "ndarray",
    "<factory>": "{}",
}
"""Of signatures: full names, ranges of settings, types of elements, defaults of fields."""


def _shown(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Replace the lines of a docstring by what `docstrings` makes of them."""
    lines[:] = as_rest(parts("\n".join(lines), described_names(thing)))


def _plain(
    app: Any, what: str, name: str, thing: Any, options: Any, signature: str | None, result: str
) -> tuple[str, str] | None:
    """Return a signature without ranges of settings and types of array elements."""
    if signature is None:
        return None
    for pattern, shown in SHORTER.items():
        signature = re.sub(pattern, shown, signature)
    return signature, result


def setup(app: Any) -> None:
    """Tell Sphinx how docstrings are written."""
    app.connect("autodoc-process-signature", _plain)
    app.connect("autodoc-process-docstring", _shown)
