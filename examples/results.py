"""Tables (CSV, Markdown) and pictures of what reproduce.py measured.

Steps are counted as in the paper, where all layers update within one step; on a board or in NEST
the network's depth comes on top, and the tables give both.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure  # without pyplot, whose state is the caller's

Run = dict[str, Any]
Row = Sequence[str | float | int | None]
HALF_PERCENT, WANTED = 0.005, 0.99


def first_step(run: Run) -> int | None:
    """Return after how many of the paper's steps the SNN is first within 0.5 % of the ANN."""
    close = np.flatnonzero(np.array(run["accuracy"]) >= run["ann"] - HALF_PERCENT)
    return max(int(close[0]) + 1 - run["depth"], 0) if len(close) else None


def agreeing_step(run: Run) -> int | None:
    """Return after how many of the paper's steps the SNN keeps agreeing with the ANN on 99 %."""
    short = np.flatnonzero(np.array(run["agreement"]) < WANTED)
    steps = int(short[-1]) + 2 if len(short) else 1
    return max(steps - run["depth"], 0) if steps <= len(run["agreement"]) else None


def read(out: Path) -> list[Run]:
    """Return the runs in a folder: the networks by depth, and in the order they were simulated."""
    runs = [dict(json.loads(path.read_text())) for path in (out / "runs").glob("*.json")]
    return sorted(runs, key=lambda run: (run["depth"], run["written"]))


def write(runs: Sequence[Run], out: Path) -> None:
    """Write all tables and pictures, and a README.md that shows them."""
    parts = [HEAD]
    draw_comparison([run for run in runs if run["group"] == "comparison"], out / "comparison.png")
    for title, text, header, rows, name in (
        comparison_table(runs),
        percentile_table(runs),
        methods_table(runs, "methods", "Basic against extended", FIGURE_2),
        methods_table(runs, "clamps", "Clamp delays", FIGURE_3),
        methods_table(runs, "beyond", "Beyond the paper", FIGURE_OURS),
    ):
        if rows:
            (out / f"{name}.csv").write_text(_csv(header, rows))
            parts += [f"## {title}", text, _markdown(header, rows)]
            if name in GROUPS:
                draw([run for run in runs if run["group"] == name], out / f"{name}.png")
            if name in (*GROUPS, "comparison"):
                parts.append(f"![{title}]({name}.png)")
    (out / "README.md").write_text("\n\n".join(parts) + "\n")


def comparison_table(runs: Sequence[Run]) -> Any:
    """Return the paper's table II: every network on its test images."""
    header = ("network", "images", "conversion", "ANN", "SNN at the end", "loss")
    header += ("steps to ANN - 0.5 %",)
    header += ("steps to 99 % agreement", "with depth", "neurons", "events to 99 %, M", "step/s")
    rows, extended = [], {}
    for run in [run for run in runs if run["group"] == "comparison"]:
        steps = agreeing_step(run)
        if run["name"] == "extended":
            extended[run["model"]] = steps
        base = extended.get(run["model"])
        ratio = f" ({steps / base:.2f}x)" if run["name"] == "ours" and steps and base else ""
        total = _with_depth(run)
        rows.append(
            (
                f"{run['model']}, depth {run['depth']}",
                f"{run['images']:,}",
                run["name"],
                _percent(run["ann"]),
                _percent(run["accuracy"][-1]),
                _percent(run["ann"] - run["accuracy"][-1]),
                _shown(first_step(run), run),
                _shown(steps, run) + ratio,
                "-" if total is None else total,
                f"{run['neurons']:,}",
                _events(run, total),
                f"{run['image_steps_per_second']:,}",
            )
        )
    return "The networks", COMPARISON, header, rows, "comparison"


def _with_depth(run: Run) -> int | None:
    """Return the time steps to 99 % agreement, the depth included; None if it is not reached."""
    steps = agreeing_step(run)
    return None if steps is None else steps + run["depth"]


def _events(run: Run, total: int | None) -> str:
    """Return the synaptic events per image, in millions, of a run of so many steps.

    "~" stands before those of older runs, which are the mean per step of all spikes, times steps.
    """
    if total is None:
        return "-"
    if "events_within" not in run:
        return f"~{total * run['events_per_step'] / 1e6:,.0f}"
    return f"{run['events_within'][total - 1] / 1e6:,.0f}"


def percentile_table(runs: Sequence[Run]) -> Any:
    """Return the paper's table I: SNN and ReLU1 by percentile."""
    header = ("percentile", "ANN", "ReLU1", "SNN", "SNN - ReLU1", "steps to ANN - 0.5 %")
    rows = [
        (
            run["name"],
            _percent(run["ann"]),
            _percent(run["relu1"]),
            _percent(run["accuracy"][-1]),
            f"{100 * (run['accuracy'][-1] - run['relu1']):+.2f}",
            _shown(first_step(run), run),
        )
        for run in runs
        if run["group"] == "percentiles"
    ]
    text = _about(runs, "percentiles") + " Extended conversion; ReLU1 is the ANN clipped at lambda."
    return "Percentiles", text, header, rows, "percentiles"


def methods_table(runs: Sequence[Run], group: str, title: str, text: str) -> Any:
    """Return a table of the runs of one group."""
    header = ("conversion", "SNN at the end", "agreement", "steps to ANN - 0.5 %")
    header += ("steps to 99 % agreement", "spikes per step", "events to 99 %, M")
    rows = [
        (
            run["name"],
            _percent(run["accuracy"][-1]),
            _percent(run["agreement"][-1]),
            _shown(first_step(run), run),
            _shown(agreeing_step(run), run),
            f"{run['spikes_per_step']:,.0f}",
            _events(run, _with_depth(run)),
        )
        for run in runs
        if run["group"] == group
    ]
    return title, f"{_about(runs, group)} {text}", header, rows, group


def draw(runs: Sequence[Run], path: Path) -> None:
    """Draw accuracy and agreement over the paper's steps, one line per run."""
    figure, left, right = _axes()
    for number, run in enumerate(runs):
        _lines(run, run["name"], f"C{number % 10}", "-" if number < 10 else "--", left, right)
    left.axhline(100 * runs[0]["ann"], color="black", linewidth=1, label="ANN")
    _finish(figure, left, right, path)


def draw_comparison(runs: Sequence[Run], path: Path) -> None:
    """Draw every network of the comparison: one colour each, one line style per conversion."""
    if not runs:
        return
    styles = {"extended": "--", "ours": "-", "basic": ":"}
    models = list(dict.fromkeys(run["model"] for run in runs))
    figure, left, right = _axes()
    for run in runs:
        colour = f"C{models.index(run['model'])}"
        _lines(run, f"{run['model']} {run['name']}", colour, styles[run["name"]], left, right)
    _finish(figure, left, right, path)


def _axes() -> tuple[Figure, Axes, Axes]:
    figure = Figure(figsize=(12, 4.5), dpi=120, layout="constrained")
    left, right = figure.subplots(1, 2)
    return figure, left, right


def _lines(run: Run, label: str, colour: str, style: str, left: Axes, right: Axes) -> None:
    steps = np.arange(1, len(run["accuracy"]) + 1) - run["depth"]
    for axes, values in ((left, run["accuracy"]), (right, run["agreement"])):
        axes.plot(steps, 100 * np.array(values), style, color=colour, label=label, linewidth=1.2)


def _finish(figure: Figure, left: Axes, right: Axes, path: Path) -> None:
    longest = max(line.get_xdata()[-1] for line in right.get_lines())
    for axes, label in ((left, "accuracy, %"), (right, "agrees with the ANN on, %")):
        axes.set(xlabel="steps, counted as in the paper", ylabel=label, xlim=(0, longest))
        axes.set_ylim(80, 100.5)
        axes.grid(alpha=0.3)
    right.legend(loc="lower right", fontsize="x-small")
    figure.savefig(path)


def _about(runs: Sequence[Run], group: str) -> str:
    run = next((run for run in runs if run["group"] == group), None)
    if run is None:
        return ""
    return f"{run['model']}, {run['images']:,} validation images, ANN {_percent(run['ann'])}."


def _shown(steps: int | None, run: Run) -> str:
    return f"> {len(run['accuracy']) - run['depth']}" if steps is None else str(steps)


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f} %"


def _csv(header: Sequence[str], rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _markdown(header: Sequence[str], rows: Sequence[Row]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


HEAD = """# The paper's experiments, repeated and continued

Written by `examples/reproduce.py` from the files in `runs/`: Mueller et al. 2021, "Minimizing
Inference Time". Simulated by the reference, which NEST equals spike for spike. Steps are counted as
in the paper; on hardware a spike needs a step from layer to layer, so the depth comes on top."""
COMPARISON = (
    "The first test images; settings were chosen on validation images. Agreement is the share of "
    "images on which the SNN says what the ANN says, right or not; ratios are to extended. Some "
    "runs had other work beside them: step/s is a lower bound."
)
FIGURE_2 = "The paper's table II and figure 2: each of its methods alone, and all together."
FIGURE_3 = "The paper's figure 3: N(l) = d * l."
FIGURE_OURS = "Each addition to the extended conversion alone; ours, and ours without one of them."
GROUPS = ("methods", "clamps", "beyond")
