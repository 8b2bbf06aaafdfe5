"""What tuning tried, as a picture."""

from __future__ import annotations

from pathlib import Path

from spinn_convert.jobs.tuning.records import Tuned


def draw(tuned: Tuned, name: str, path: Path) -> None:
    """Draw ReLU1 over the percentiles, and agreement over time steps, into a PNG."""
    from matplotlib.figure import Figure  # without pyplot, whose state is the caller's

    figure = Figure(figsize=(10, 4), dpi=130, layout="constrained")
    left, right = figure.subplots(1, 2)
    kind = tuned.kind
    for normalisation in ("channel", "layer"):
        rows = [s for s in tuned.scalings if s.method.normalisation == normalisation]
        names = [s.name for s in rows]
        per = f"per {normalisation}"
        (line,) = left.plot(names, [100 * s.relu1 for s in rows], marker="o", label=per)
        if kind.both:
            alike = [100 * s.agreement for s in rows]
            left.plot(names, alike, "--", color=line.get_color(), label=f"{per}, {kind.alike}")
    left.axhline(100 * tuned.ann, color="black", linewidth=1, label=f"ANN {tuned.ann:.1%}")
    left.set(xlabel="percentile", ylabel=f"ReLU1 {kind.score}, %", title=name)
    left.legend()
    for way in tuned.ways:
        right.plot(way.curve.steps, 100 * way.curve.agreement, label=way.name)
    right.axvline(tuned.recipe.steps, color="grey", linewidth=1, linestyle=":")
    right.set(xlabel="time step", ylabel=f"{kind.alike}, %", ylim=(50, 101))
    right.legend(loc="lower right", fontsize="small")
    figure.savefig(path)
