"""spinn-convert export"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rich_click as click

from spinn_convert.cli import options
from spinn_convert.cli.console import print_json, print_written


@click.command()
@options.model
@options.data
@options.recipe
@options.onnx
@click.option(
    "--simulator",
    type=click.Choice(["nest", "spinnaker"]),
    default="nest",
    show_default=True,
    help="What the script runs on.",
    panel=options.SIMULATION,
)
@options.images
@options.steps
@options.read_out
@options.threads
@options.out("MODEL.script")
def export(
    model: Path,
    data: options.Images,
    method: str | None,
    changes: tuple[str, ...],
    onnx: Path | None,
    threads: int | None,
    as_json: bool,
    **script: Any,
) -> None:
    """Write MODEL as a PyNN script and its data, which run without spinn-convert."""
    from spinn_convert.cli.progress import watching
    from spinn_convert.jobs import export as job

    source = options.source(model, data, method, changes, threads, onnx)
    with watching() as watch:
        folder = job.execute(job.ExportOptions(source, **script), watch)
    if as_json:
        print_json({"folder": str(folder)})
        return
    print_written(folder)
    click.echo(f"run it: python {folder / 'run.py'}")
