"""Text that people read in a terminal of 100 columns or in a file."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

WIDTH = 100


def aligned(lines: Sequence[Sequence[str]], left: int = 1) -> str:
    """Return rows of cells as text, each column as wide as its widest cell.

    left: how many of the first columns are aligned to the left; all others are numbers.
    """
    widths = [max(map(len, column)) for column in zip(*lines)]
    rows = (
        "  ".join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths))
        )
        for line in lines
    )
    return "\n".join(row.rstrip() for row in rows)


def shortened(text: str, width: int) -> str:
    """Return a text of at most so many characters, its middle left out where it is longer."""
    if len(text) <= width:
        return text
    head = (width - 1) // 2
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"


def wrapped(text: str) -> str:
    """Return a sentence in lines of at most WIDTH characters, all but the first indented."""
    return textwrap.fill(text, WIDTH, subsequent_indent="    ", break_on_hyphens=False)
