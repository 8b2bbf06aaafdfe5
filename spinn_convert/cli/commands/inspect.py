"""spinn-convert inspect"""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from spinn_convert.cli import options
from spinn_convert.cli.console import output_console, print_json, warn


@click.command()
@options.model
@options.data
@options.recipe
@options.threads
@options.as_json
def inspect(
    model: Path,
    data: options.Images,
    method: str | None,
    changes: tuple[str, ...],
    threads: int | None,
    as_json: bool,
) -> None:
    """Print the populations of MODEL (ONNX, or a converted network.npz); build nothing."""
    from spinn_convert.cli.tables import population_table
    from spinn_convert.jobs import inspect as job
    from spinn_convert.network.summary import as_json as content

    found = job.execute(options.source(model, data, method, changes, threads))
    if as_json:
        print_json(content(found.network))
    else:
        for where in ("before", "after"):
            operators = found.network.made_from.get(where) or "nothing"
            click.echo(f"computed by onnxruntime {where} the spiking part: {operators}")
        output_console().print(population_table(found.network))
    if found.warning:
        warn(found.warning)
