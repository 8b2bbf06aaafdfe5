"""Where the command prints, and with how many cores it works."""

from __future__ import annotations

import os
import sys

from rich.console import Console

PIPE_WIDTH = 120


def output_console() -> Console:
    """Return where tables go; a file or a pipe gets them wide enough not to lose digits."""
    return Console() if sys.stdout.isatty() else Console(width=PIPE_WIDTH)


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
