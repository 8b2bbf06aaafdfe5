"""A picture of where the layers of a network lie on the chips."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from spinn_convert.backends.spinnaker.dry_run.costs import Chip, DryRun
from spinn_convert.backends.spinnaker.dry_run.text import summary

APPLICATION_CORES_PER_CHIP = 16
UNUSED = "0.93"


def draw_placement(dry: DryRun, path: Path) -> None:
    """Write a picture (PNG, or as the name ends): each chip a square, filled from below.

    Every core is a slice of the square in the colour of its layer; the thick lines are boards.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width = max(x for x, _ in dry.machine) + 1
    height = max(y for _, y in dry.machine) + 1
    scale = min(0.6, 12 / max(width, height))
    figure = Figure((width * scale + 3, max(height * scale, 0.22 * len(dry.layers)) + 1))
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for x, y in dry.machine:
        axes.bar(x, 0.9, 0.9, y - 0.45, color=UNUSED)
    _draw_cores(axes, dry)
    _draw_boards(axes, dry)
    axes.set(xlim=(-0.6, width - 0.4), ylim=(-0.6, height - 0.4), aspect="equal")
    axes.set(xlabel="chip, x", ylabel="chip, y")
    axes.set_title(summary(dry), fontsize=9)
    axes.legend(bbox_to_anchor=(1.02, 1), loc="upper left", fontsize=6, frameon=False)
    figure.savefig(path, dpi=150, bbox_inches="tight")


def _draw_cores(axes: Any, dry: DryRun) -> None:
    """Draw a bar per layer and chip, as high as it has cores there."""
    from matplotlib import colormaps

    colours = colormaps["nipy_spectral"]
    filled: Counter[Chip] = Counter()
    for index, layer in enumerate(dry.layers):
        here = Counter((x, y) for x, y, _ in layer.cores)
        chips = sorted(here)
        per_core = 0.9 / APPLICATION_CORES_PER_CHIP
        axes.bar(
            [x for x, _ in chips],
            [here[chip] * per_core for chip in chips],
            0.9,
            [y - 0.45 + filled[x, y] * per_core for x, y in chips],
            color=colours((index + 0.5) / len(dry.layers)),
            label=f"{layer.name} ({len(layer.cores)})",
        )
        filled.update(here)


def _draw_boards(axes: Any, dry: DryRun) -> None:
    """Draw a line between neighbours that belong to different boards."""
    for (x, y), board in dry.machine.items():
        if dry.machine.get((x + 1, y), board) != board:
            axes.plot([x + 0.5] * 2, [y - 0.5, y + 0.5], color="black", linewidth=1)
        if dry.machine.get((x, y + 1), board) != board:
            axes.plot([x - 0.5, x + 0.5], [y + 0.5] * 2, color="black", linewidth=1)
