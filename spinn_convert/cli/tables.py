"""What the command prints, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from spinn_convert.errors import printable

if TYPE_CHECKING:
    from spinn_convert.jobs.recipe import Recipe
    from spinn_convert.jobs.tuning.records import Tuned
    from spinn_convert.network.records import Network
    from spinn_convert.results.layers.measure import Layer

LOSSES = {
    "weights rounded to zero": "weights rounded to zero",
    "clipped drives": "constant currents clipped",
}
"""Shares in report.json, by key, and how they are called."""
SHOWN_LOSS = 0.01
"""Share of a population's synapses rounded to zero from which it is shown."""


def result_table(report: dict[str, Any]) -> Table:
    """Return the table of accuracy, cost and times that `run` prints."""
    from spinn_convert.results.headline import costs

    table = scored_table(report)
    table.add_section()
    for label, shown in costs(report):
        table.add_row(label, shown)
    table.add_section()
    for phase, seconds in report["timing"].items():
        table.add_row(f"time: {phase}", f"{seconds:.1f} s")
    return table


def scored_table(content: dict[str, Any]) -> Table:
    """Return the scores, under what was simulated: of a run, or of a detector's recording."""
    from spinn_convert.results import headline

    table = Table(show_header=False, title=headline.title(content))
    table.add_column(justify="left")
    table.add_column(justify="right")
    for label, shown in headline.scored(content):
        table.add_row(label, shown)
    return table


def layer_table(layers: Sequence[Layer]) -> Table:
    """Return the errors of all layers, a row each."""
    from spinn_convert.results.layers import table as content

    table = Table()
    for number, header in enumerate(content.HEADERS):
        table.add_column(header, justify="right" if number else "left")
    for row in content.rows(layers):
        table.add_row(*map(escape, row))
    return table


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
    from spinn_convert.results.headline import title

    snn = content["snn"]
    table = Table(title=title(content), show_header=True)
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
