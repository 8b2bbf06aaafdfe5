"""Print results to stdout and messages to stderr."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 120
"""Columns of tables that go to a file or a pipe, so that no digits are cut."""


def output_console() -> Console:
    """Return the console for tables: as wide as the terminal, or PIPE_WIDTH if it is none."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=PIPE_WIDTH)


def print_json(content: dict[str, Any]) -> None:
    """Print as indented JSON."""
    click.echo(json.dumps(content, indent=2))


def print_written(folder: Path) -> None:
    """Print the name of a new folder and of its files."""
    names = ", ".join(sorted(path.name for path in folder.iterdir()))
    click.echo(f"wrote {folder}/: {names}")


def announce(text: str) -> None:
    """Print to stderr what is going to be done."""
    click.echo(text, err=True)


def warn(text: str) -> None:
    """Print a warning to stderr."""
    click.secho("warning: ", fg="yellow", bold=True, err=True, nl=False)
    click.echo(text, err=True)
