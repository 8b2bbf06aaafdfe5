"""Where the command prints, and how."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 120


def output_console() -> Console:
    """Return where tables go; a file or a pipe gets them wide enough not to lose digits."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=PIPE_WIDTH)


def print_json(content: dict[str, Any]) -> None:
    """Print what machines read."""
    click.echo(json.dumps(content, indent=2))


def print_written(folder: Path) -> None:
    """Say what a new folder holds."""
    names = ", ".join(sorted(path.name for path in folder.iterdir()))
    click.echo(f"wrote {folder}/: {names}")


def announce(text: str) -> None:
    """Say on stderr what is going to be done."""
    click.echo(text, err=True)


def warn(text: str) -> None:
    """Print a warning to stderr."""
    click.secho("warning: ", fg="yellow", bold=True, err=True, nl=False)
    click.echo(text, err=True)
