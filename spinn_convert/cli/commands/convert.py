"""spinn-convert convert"""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from spinn_convert.cli import options
from spinn_convert.cli.console import output_console, print_json, print_written


@click.command()
@options.model
@options.data
@options.recipe
@options.threads
@options.stop
@options.out("MODEL.spinn")
def convert(
    model: Path,
    data: options.Images,
    method: str | None,
    changes: tuple[str, ...],
    threads: int | None,
    stop_when_sure: bool,
    sure: float | None,
    out: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Convert MODEL.onnx and write network.npz; simulate no test image."""
    from spinn_convert.cli.progress import watching
    from spinn_convert.cli.tables import population_table
    from spinn_convert.jobs import convert as job
    from spinn_convert.network.summary import as_json as content

    source = options.source(model, data, method, changes, threads)
    stop = options.wanted(stop_when_sure, sure)
    with watching() as watch:
        made = job.execute(job.ConvertOptions(source, out, overwrite, stop), watch)
    if as_json:
        print_json({"folder": str(made.folder), **content(made.network)})
    else:
        output_console().print(population_table(made.network))
        print_written(made.folder)
