"""spinn-convert export"""

from __future__ import annotations

from collections.abc import Mapping
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
    help="What the script runs on [default: nest].",
    panel=options.SIMULATION,
)
@options.images
@options.steps
@options.read_out
@options.threads
@click.option(
    "--format",
    "kind",
    type=click.Choice(["script", "nir"]),
    default="script",
    show_default=True,
    help="A PyNN script, or a file of NIR for other simulators.",
    panel=options.OUTPUT,
)
@options.out("MODEL.script, or the file MODEL.nir")
def export(
    model: Path,
    data: options.Images,
    method: str | None,
    changes: tuple[str, ...],
    onnx: Path | None,
    threads: int | None,
    as_json: bool,
    kind: str,
    simulator: str | None,
    images: int | None,
    **result: Any,
) -> None:
    """Write MODEL as a PyNN script and its data, which run without spinn-convert, or as NIR."""
    from spinn_convert.cli.progress import watching
    from spinn_convert.jobs import export as job
    from spinn_convert.jobs.exporting import nir_file

    source = options.source(model, data, method, changes, threads, onnx)
    if kind == "nir":
        _check_of_script({"simulator": simulator, "images": images})
        with watching() as watch:
            path = nir_file.execute(nir_file.NirOptions(source, **result), watch)
        print_json({"file": str(path)}) if as_json else click.echo(f"wrote {path}")
        return
    script = job.ExportOptions(source, simulator or "nest", images, **result)
    with watching() as watch:
        folder = job.execute(script, watch)
    if as_json:
        print_json({"folder": str(folder)})
        return
    print_written(folder)
    click.echo(f"run it: python {folder / 'run.py'}")


def _check_of_script(given: Mapping[str, object]) -> None:
    """Raise DataError for options that only a script has."""
    from spinn_convert.errors import DataError, Problem

    told = [f"--{name} {value}" for name, value in given.items() if value is not None]
    what, fix = "has no effect: a file of NIR has no images and fits any simulator", "leave it out"
    if told:
        raise DataError([Problem(option, what, fix) for option in told])
