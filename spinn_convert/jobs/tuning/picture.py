"""What tuning tried, as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spinn_convert.jobs.tuning.records import Tuned


def draw(tuned: Tuned, name: str, path: Path) -> None:
    """Draw ReLU1 over the percentiles, and agreement over time steps, into a PNG."""
    from matplotlib.figure import Figure  # without pyplot, whose state is the caller's

    figure = Figure(figsize=(10, 4), dpi=130, layout="constrained")
    left, right = figure.subplots(1, 2)
    for normalisation in ("channel", "layer"):
        rows = [s for s in tuned.scalings if s.method.normalisation == normalisation]
        relu1 = [100 * s.relu1 for s in rows]
        left.plot([s.name for s in rows], relu1, marker="o", label=f"per {normalisation}")
    left.axhline(100 * tuned.ann, color="black", linewidth=1, label=f"ANN {tuned.ann:.1%}")
    left.set(xlabel="percentile", ylabel="ReLU1 accuracy, %", title=name)
    left.legend()
    for way in tuned.ways:
        steps = np.arange(1, len(way.scores.agreement_by_step) + 1)
        right.plot(steps, 100 * way.scores.agreement_by_step, label=way.name)
    right.axvline(tuned.recipe.steps, color="grey", linewidth=1, linestyle=":")
    right.set(xlabel="time step", ylabel="agrees with the ANN on, %", ylim=(50, 101))
    right.legend(loc="lower right", fontsize="small")
    figure.savefig(path)
