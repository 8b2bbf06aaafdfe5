"""What the command prints, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from spinn_convert.errors import printable

if TYPE_CHECKING:
    from spinn_convert.jobs.recipe import Recipe
    from spinn_convert.jobs.tuning.records import Tuned
    from spinn_convert.network.records import Network

LOSSES = {
    "weights rounded to zero": "weights rounded to zero",
    "clipped drives": "constant currents clipped",
}
"""Shares in report.json, by key, and how they are called."""
SHOWN_LOSS = 0.01
"""Share of a population's synapses rounded to zero from which it is shown."""


def result_table(report: dict[str, Any]) -> Table:
    """Return the table of accuracy, cost and times that `run` prints."""
    network = report["network"]
    table = _pairs(report, _detected(report) if "map" in report["ann"] else _classified(report))
    table.add_section()
    table.add_row("neurons", f"{network['neurons']:,}")
    table.add_row("synapses", f"{network['synapses']:,}")
    table.add_row("spikes per image", f"{report['spikes_per_image']:,.0f}")
    table.add_row(
        "synaptic events per image", f"{report['synaptic_events_per_image']:,.0f}", end_section=True
    )
    for phase, seconds in report["timing"].items():
        table.add_row(f"time: {phase}", f"{seconds:.1f} s")
    return table


def detector_table(content: dict[str, Any]) -> Table:
    """Return the table of a detector's recording: mAP, boxes alike, and steps to the ANN's mAP."""
    return _pairs(content, _detected(content))


def _title(content: dict[str, Any]) -> str:
    return f"{content['images']} images, {_steps(content)}, on {content['backend']}"


def _pairs(content: dict[str, Any], rows: list[tuple[str, str]]) -> Table:
    """Return a table of names and what is shown for them, under what was simulated."""
    table = Table(show_header=False, title=_title(content))
    table.add_column(justify="left")
    table.add_column(justify="right")
    for label, shown in rows:
        table.add_row(label, shown)
    return table


def _steps(report: dict[str, Any]) -> str:
    if "stop" in report:
        return f"{report['stop']['steps']['mean']:.1f} steps on average"
    return f"{report['steps']} steps each"


def _classified(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the scores of a classifier, each with its name."""
    from spinn_convert.results.report import shown_steps

    snn, depth, steps = report["snn"], report["network"]["depth"], report["steps"]
    first, alike = snn["first_step_within_half_percent"], snn["steps_to_99_percent_agreement"]
    fixed = [
        ("steps to ANN - 0.5 %", shown_steps(first, depth, steps)),
        ("steps to 99 % agreement", shown_steps(alike, depth, steps)),
    ]
    return [
        ("ANN accuracy", f"{report['ann']['accuracy']:.2%}"),
        ("ReLU1 accuracy", f"{report['relu1']['accuracy']:.2%}"),
        ("SNN accuracy", f"{snn['accuracy']:.2%}"),
        ("SNN agrees with the ANN on", f"{snn['agreement']:.2%}"),
        *(_stopped(report["stop"]) if "stop" in report else fixed),
    ]


def _stopped(stop: dict[str, Any]) -> list[tuple[str, str]]:
    """Return how many steps images took until the network was sure, and what that saves."""
    steps, known = stop["steps"], stop["calibration"]
    fixed = known["fixed"]
    return [
        ("steps until sure, on average", f"{steps['mean']:.1f}"),
        ("  9 of 10 images, all", f"{steps['of_90_percent']:.0f}, {steps['most']}"),
        (f"on {known['images']:,} calibration images: agreement", f"{known['agreement']:.2%}"),
        ("  steps, events", f"{known['steps']:.1f}, {known['synaptic_events']:,.0f}"),
        (f"  all with {fixed['steps']} steps: agreement", f"{fixed['agreement']:.2%}"),
        ("  events", f"{fixed['synaptic_events']:,.0f}"),
    ]


def _detected(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the scores of a detector, each with its name; mAP in hundredths, as COCO has it."""
    from spinn_convert.results.report import shown_steps

    snn, depth, steps = report["snn"], report["network"]["depth"], report["steps"]
    rows = [
        (f"{name} mAP (at 0.5, at 0.75)", "{map:.2f} ({map50:.2f}, {map75:.2f})")
        for name in ("ANN", "ReLU1", "SNN")
    ]
    numbers = [
        {key: 100 * report[part][key] for key in ("map", "map50", "map75")}
        for part in ("ann", "relu1", "snn")
    ]
    found = [(label, shown.format(**values)) for (label, shown), values in zip(rows, numbers)]
    relu1, alike = report["relu1"]["agreement"], snn["agreement"]
    return [
        *found,
        ("boxes alike, ReLU1 and ANN", f"{relu1:.1%}"),
        ("boxes alike, SNN and ANN", f"{alike:.1%}"),
        ("steps to ANN's mAP - 1 %", shown_steps(snn["steps_within_1_percent"], depth, steps)),
        ("steps to ANN's mAP - 0.4 %", shown_steps(snn["steps_within_0.4_percent"], depth, steps)),
    ]


def population_table(network: Network) -> Table:
    """Return one row per population, and the totals."""
    from spinn_convert.network.summary import HEADERS, rows, totals

    table = Table(show_footer=True)
    found = rows(network)
    for number, (header, total) in enumerate(zip(HEADERS, totals(found))):
        left = number < 2
        table.add_column(header, total, justify="left" if left else "right", no_wrap=not left)
    for row in found:
        table.add_row(*map(escape, row.cells))
    return table


def settings_table(recipe: Recipe) -> Table:
    """Return one row per setting of a method: its name, its value, and its allowed values."""
    from spinn_convert.conversion.method import described, setting_hints

    table = Table("setting", "value", "takes")
    for name, hint in setting_hints().items():
        value = getattr(recipe.method, name)
        shown = "by the network" if value is None else str(value).lower()
        table.add_row(name, shown, described(hint))
    return table


def loss_table(report: dict[str, Any]) -> Table | None:
    """Return the populations of which a board's integers lose more than 1 %; None if none do."""
    board = report.get("board", {})
    rows = [
        (name, what, share)
        for key, what in LOSSES.items()
        for name, share in board.get(key, {}).items()
        if share > SHOWN_LOSS
    ]
    if not rows:
        return None
    table = Table("population", "lost in the board's integers", title="losses above 1 %")
    table.add_column("share", justify="right")
    for name, what, share in rows:
        table.add_row(escape(printable(name)), what, f"{share:.1%}")
    return table


def score_table(content: dict[str, Any]) -> Table:
    """Return accuracy and agreement of a recording at ten steps, and steps to ANN - 0.5 %."""
    snn = content["snn"]
    table = Table(title=_title(content), show_header=True)
    columns = ["step", "SNN accuracy"] + (["agrees with the ANN on"] if "agreement" in snn else [])
    for column in columns:
        table.add_column(column, justify="right")
    for share in range(1, 11):
        step = max(1, content["steps"] * share // 10)
        row = [str(step), f"{snn['accuracy_by_step'][step - 1]:.2%}"]
        if "agreement" in snn:
            row.append(f"{snn['agreement_by_step'][step - 1]:.2%}")
        table.add_row(*row)
    if "ann" in content:
        first = snn["first_step_within_half_percent"] or f"more than {content['steps']}"
        ann = f"ANN accuracy {content['ann']['accuracy']:.2%}"
        table.caption = f"{ann}; steps to 0.5 % below: {first}"
    return table


def tuned_tables(tuned: Tuned) -> list[Table]:
    """Return what was tried: scalings by ReLU1, and ways to simulate by steps and events."""
    kind = tuned.kind
    scalings = Table(
        title=f"{tuned.images} calibration images, ANN {kind.score}"
        f" {100 * tuned.ann:.2f}{kind.percent}",
        caption=kind.says or None,
    )
    for column in ("percentile", "scales per", f"ReLU1 {kind.score}", kind.alike):
        scalings.add_column(column, justify="right")
    for row in tuned.scalings:
        relu1, agreement = f"{100 * row.relu1:.2f}{kind.percent}", f"{row.agreement:.2%}"
        scalings.add_row(row.name, row.method.normalisation, relu1, agreement)
    title = f"steps, and synaptic events per image, on {tuned.simulated} other calibration images"
    ways = Table(
        title=title,
        caption=f"steps counted with the depth, as on a board; alike: to the ANN, {kind.held};"
        " V(0): initial potentials; copied: layers with several neurons per activation",
    )
    for column in ("d", "V(0)", "copied", "read", "neurons", "images"):
        ways.add_column(column, justify="right")
    agreements = sorted(kind.agreements)
    for column in (
        *(f"ANN-{loss:.1%}" for loss in kind.losses),
        *(f"{a:.0%} alike" for a in agreements),
    ):
        ways.add_column(column, justify="right")
    for way in tuned.ways:
        found = [way.curve.near[loss] for loss in kind.losses]
        found += [way.curve.alike[agreement] for agreement in agreements]
        cells = [
            "-" if n is None else f"{n} ({way.events_within[n - 1] / 1e6:,.0f} M)" for n in found
        ]
        method = way.method
        shown = str(method.clamp_delay), method.potentials, str(way.copied), way.read_out
        ways.add_row(*shown, f"{way.neurons:,}", str(way.images), *cells)
    return [scalings, ways]
