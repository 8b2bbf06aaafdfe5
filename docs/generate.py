"""What the pages take from the code; `cog` writes it into them, between its marks.

cog -r -I docs docs/*.md        write
cog --check -I docs docs/*.md   fail if a page says something else than the code
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path

from docstrings import entries

from spinn_convert.conversion.method import METHODS, Method, described, setting_hints
from spinn_convert.model.operators import READERS, signature
from spinn_convert.model.operators.remedies import REMEDIES

ROOT = Path(__file__).resolve().parents[1]
WIDTH = 100
COMMAND = """
import sys
from spinn_convert.cli.main import main
sys.argv[0] = "spinn-convert"
main()
"""
"""What is called spinn-convert on a terminal; a checkout on the path may not have it there."""


def help_text(*command: str) -> str:
    """Return what `spinn-convert COMMAND -h` prints on a terminal of 100 columns."""
    words = [sys.executable, "-c", COMMAND, *command, "-h"]
    terminal = {"COLUMNS": str(WIDTH), "NO_COLOR": "1", "TERM": "dumb", "PYTHONUTF8": "1"}
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, **terminal, "PYTHONPATH": path}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    lines = [line.rstrip() for line in done.stdout.strip("\n").splitlines()]
    return _fenced([line for line in lines if line])


def settings() -> str:
    """Return a table of the settings of a method: what they take, their values, their meaning."""
    said = entries(Method.__doc__ or "", [field.name for field in fields(Method)])
    rows = []
    for name, hint in setting_hints().items():
        values = [_value(getattr(method, name)) for method in METHODS.values()]
        rows.append((f"`{name}`", described(hint), *values, said.get(name) or _with(name, said)))
    return _table(("setting", "takes", *METHODS, "meaning"), rows)


def operators() -> str:
    """Return a table of the ONNX operators: the reader's first line, and attributes."""
    rows = []
    for operator in sorted(READERS):
        first = (READERS[operator].__doc__ or "").strip().partition("\n")[0]
        attributes = ", ".join(f"`{name}`" for name in signature(operator).attributes)
        rows.append((operator, first, attributes))
    return _table(("operator", "read as", "attributes"), rows)


def refusals() -> str:
    """Return a table of operators that have no spiking form, by what to do instead."""
    grouped: dict[str, list[str]] = {}
    for operator, remedy in REMEDIES.items():
        grouped.setdefault(remedy, []).append(operator)
    rows = [(", ".join(sorted(names)), remedy) for remedy, names in grouped.items()]
    return _table(("refused", "do instead"), rows)


def _with(name: str, said: Mapping[str, str]) -> str:
    """Return which setting's description names this one; raises KeyError where none does."""
    for other, text in said.items():
        if f"`{name}`" in text:
            return f"see `{other}`"
    raise KeyError(f"the docstring of Method says nothing of {name}")


def _value(value: object) -> str:
    return "by the network" if value is None else str(value).lower()


def _fenced(lines: Sequence[str]) -> str:
    return "\n".join(["", "```text", *lines, "```", ""])


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headers, ["---"] * len(headers), *rows]
    shown = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in lines]
    return "\n".join(["", *shown, ""])
