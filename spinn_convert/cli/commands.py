"""The commands beside the conversion itself: inspect, tune, score."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from spinn_convert.cli.console import available_cores, output_console
from spinn_convert.cli.progress import watching
from spinn_convert.cli.tables import population_table, score_table, tuned_tables
from spinn_convert.conversion import steps as conversion


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Images to take scales from, .npz; default: MODEL.npz.",
)
def inspect(model: Path, data: Path | None) -> None:
    """Print the populations of MODEL (ONNX, or a converted network.npz); builds nothing."""
    network, real = conversion.inspect(model, data)
    for where in ("before", "after"):
        click.echo(f"on the host {where} the spikes: {network.made_from.get(where) or 'nothing'}")
    output_console().print(population_table(network, real))


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="Images, .npz; default: MODEL.npz.")
@click.option(
    "--images",
    type=click.IntRange(1),
    help="Calibration images to simulate [default: 400].",
)
@click.option(
    "--dead-channels",
    type=click.Choice(["refuse", "layer"]),
    default="refuse",
    show_default=True,
    help="Channels never active in calibration.",
)
@click.option("--threads", type=click.IntRange(1), help="CPU threads [default: all cores].")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder to write [default: MODEL.tuned]."
)
@click.option("--overwrite", is_flag=True, help="Replace the folder if spinn-convert wrote it.")
def tune(model: Path, dead_channels: str, threads: int | None, **options: Any) -> None:
    """Find percentile, clamp, read-out and steps for MODEL.onnx on its calibration images."""
    from spinn_convert.conversion.convert import Method
    from spinn_convert.jobs import run as pipeline
    from spinn_convert.jobs import tune

    method = Method(dead_channels=dead_channels)
    job = pipeline.Job(model, method=method, threads=threads or available_cores(), **options)
    with watching() as watch:
        tuned, folder = tune.execute(job, watch)
    for table in tuned_tables(tuned):
        output_console().print(table)
    click.echo(f"wrote {folder}/: settings.json, tuned.png")
    click.echo(f"recommended: spinn-convert {model} --settings {folder / 'settings.json'}")


@click.command()
@click.argument("recording", type=click.Path(path_type=Path))
@click.option(
    "--labels",
    type=click.Path(path_type=Path),
    required=True,
    help="Labels of the images, in order: .npz with `labels`, or .npy.",
)
@click.option("--network", type=click.Path(path_type=Path), help="network.npz that was recorded.")
@click.option("--readout", help="Name of the output's signal, where there are several.")
@click.option(
    "--read-out",
    type=click.Choice(["all", "late"]),
    help="Read the potential from step 0, or past its first spikes [default: as the recording"
    " says, else all].",
)
@click.option("--json", "as_json", is_flag=True, help="Print all numbers as JSON.")
def score(
    recording: Path,
    labels: Path,
    network: Path | None,
    readout: str | None,
    read_out: str | None,
    as_json: bool,
) -> None:
    """Score RECORDING: accuracy over time of output potentials, in any file that Neo reads."""
    from spinn_convert.results.scoring import score_recording

    content = score_recording(recording, labels, network, readout, read_out)
    if as_json:
        click.echo(json.dumps(content, indent=2))
    else:
        output_console().print(score_table(content))
