"""spinn-convert map"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import rich_click as click

from spinn_convert.cli import options
from spinn_convert.cli.console import print_json, print_written


@click.command("map")
@options.model
@options.data
@options.recipe
@options.onnx
@options.boards
@options.steps
@options.threads
@options.out("MODEL.map")
def map_(
    model: Path,
    data: options.Images,
    method: str | None,
    changes: tuple[str, ...],
    onnx: Path | None,
    threads: int | None,
    as_json: bool,
    **mapping: Any,
) -> None:
    """Map MODEL to virtual SpiNNaker boards: whether it fits, its cores and memory."""
    from spinn_convert.backends.spinnaker.dry_run.text import table
    from spinn_convert.cli.progress import watching
    from spinn_convert.jobs import map as job

    source = options.source(model, data, method, changes, threads, onnx)
    with watching() as watch:
        found, folder = job.execute(job.MapOptions(source, **mapping), watch)
    if as_json:
        print_json({"folder": str(folder), "layers": [asdict(layer) for layer in found.layers]})
        return
    click.echo(table(found))
    click.echo(f"mapped in {found.mapping_seconds:.0f} s")
    print_written(folder)
