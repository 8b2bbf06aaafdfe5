"""spinn-convert tune"""

from __future__ import annotations

import shlex
from pathlib import Path

import rich_click as click

from spinn_convert.cli import options
from spinn_convert.cli.console import announce, output_console, print_json, print_written


@click.command()
@options.model
@options.data
@options.recipe
@click.option(
    "--images",
    type=click.IntRange(1),
    help="Calibration images to simulate [default: 400, fewer for a large network].",
    panel=options.SIMULATION,
)
@options.threads
@options.out("MODEL.tuned")
def tune(
    model: Path,
    data: options.Images,
    method: str | None,
    changes: tuple[str, ...],
    images: int | None,
    threads: int | None,
    out: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Find the best scales, clamp, potentials, read-out and steps for MODEL.onnx.

    Simulates its calibration images; test images are not used.
    """
    from spinn_convert.cli.progress import watching
    from spinn_convert.cli.tables import tuned_tables
    from spinn_convert.jobs import recipe
    from spinn_convert.jobs.tuning import tune as job

    source = options.source(model, data, method, changes, threads)
    with watching() as watch:
        options_ = job.TuneOptions(source, images, out, overwrite, announce)
        tuned, folder = job.execute(options_, watch)
    if as_json:
        print_json({"folder": str(folder), "recommended": recipe.as_json(tuned.recipe)})
        return
    for table in tuned_tables(tuned):
        output_console().print(table)
    print_written(folder)
    words = ["spinn-convert", str(model), *data.words, "--method", str(folder / job.MARK)]
    click.echo(f"recommended: {shlex.join(words)}")
