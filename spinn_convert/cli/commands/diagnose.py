"""spinn-convert diagnose"""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from spinn_convert.cli import options
from spinn_convert.cli.console import output_console, print_json
from spinn_convert.cli.options import SIMULATION


@click.command()
@options.model
@options.data
@options.recipe
@options.onnx
@click.option(
    "--backend",
    type=click.Choice(["reference", "spinnaker-integers"]),
    default="reference",
    show_default=True,
    metavar="NAME",
    help="reference, or spinnaker-integers: what a board's integers lose as well.",
    panel=SIMULATION,
)
@options.steps
@options.threads
@options.as_json
def diagnose(
    model: Path,
    data: options.Images,
    method: str | None,
    changes: tuple[str, ...],
    onnx: Path | None,
    backend: str,
    steps: int | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Say where MODEL (ONNX, or a converted network.npz) loses the ANN's answers, and what to do.

    Looks at every layer on a few test images; nothing is written.
    """
    from spinn_convert.cli.progress import watching
    from spinn_convert.cli.tables import layer_table
    from spinn_convert.jobs import diagnose as job
    from spinn_convert.results.layers import table

    source = options.source(model, data, method, changes, threads, onnx)
    with watching() as watch:
        found = job.execute(job.DiagnoseOptions(source, backend, steps), watch)
    content = table.as_json(found.evidence, found.found, found.images, found.backend)
    if as_json:
        print_json(content)
        return
    output_console().print(layer_table(found.evidence.layers))
    click.echo(
        f"agreement with the ANN on {found.images} images after {content['steps']} steps:"
        f" {content['agreement']:.1%} (with rates instead of spikes"
        f" {content['relu1']['agreement']:.1%}); error of the outputs:"
        f" {content['output_error']:.1%} ({content['relu1']['output_error']:.1%})"
    )
    for number, finding in enumerate(found.found, 1):
        click.echo(f"{number}. {finding.what}\n   -> {finding.fix}")
    if not found.found:
        click.echo("no layer stands out, and more steps would change next to nothing")
