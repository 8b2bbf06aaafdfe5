"""spinn-convert run"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rich_click as click

from spinn_convert.cli import options
from spinn_convert.cli.console import output_console, print_json, print_written, warn
from spinn_convert.cli.options import GATE, OUTPUT, SIMULATION

FELL_SHORT = 1
"""Exit code if the SNN is below a limit of --fail-under-agreement or --fail-under-accuracy."""


@click.command()
@options.model
@options.data
@options.recipe
@options.onnx
@click.option(
    "--backend",
    type=click.Choice(["reference", "nest", "spinnaker", "spinnaker-integers"]),
    default="reference",
    show_default=True,
    metavar="NAME",
    help="reference, nest, spinnaker, or spinnaker-integers: what a board would compute.",
    panel=SIMULATION,
)
@options.boards
@options.images
@options.steps
@options.stop
@options.read_out
@options.threads
@click.option(
    "--record",
    multiple=True,
    metavar="POPULATION",
    help="Save its spikes, or the potentials of `output`; may be repeated.",
    panel=OUTPUT,
)
@options.out("MODEL.spinn")
@click.option(
    "--fail-under-agreement",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Exit 1 if the SNN agrees with the ANN on fewer.",
    panel=GATE,
)
@click.option(
    "--fail-under-accuracy",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Exit 1 if the SNN's accuracy (or mAP) is lower.",
    panel=GATE,
)
def run(
    model: Path,
    data: options.Images,
    method: str | None,
    changes: tuple[str, ...],
    onnx: Path | None,
    threads: int | None,
    as_json: bool,
    fail_under_agreement: float | None,
    fail_under_accuracy: float | None,
    stop_when_sure: bool,
    sure: float | None,
    **simulation: Any,
) -> int:
    """Convert MODEL.onnx, or take a network.npz; simulate test images; report accuracy and cost."""
    from spinn_convert.cli.progress import watching
    from spinn_convert.cli.tables import loss_table, result_table
    from spinn_convert.jobs import run as job
    from spinn_convert.jobs.simulation import RunOptions
    from spinn_convert.results.gate import shortfalls

    source = options.source(model, data, method, changes, threads, onnx)
    stop = options.wanted(stop_when_sure, sure)
    with watching() as watch:
        outcome = job.execute(RunOptions(source, stop=stop, **simulation), watch)
    if as_json:
        print_json(outcome.report)
    else:
        output_console().print(result_table(outcome.report))
        losses = loss_table(outcome.report)
        if losses is not None:
            output_console().print(losses)
        print_written(outcome.folder)
    for warning in outcome.report["warnings"]:
        warn(warning)
    wanted = {"agreement": fail_under_agreement, "accuracy": fail_under_accuracy}
    short = shortfalls(outcome.report, wanted)
    for line in short:
        click.echo(line, err=True)
    return FELL_SHORT if short else 0
