"""spinn-convert score"""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from spinn_convert.cli import options
from spinn_convert.cli.console import output_console, print_json


@click.command()
@click.argument("recording", type=options.FILE)
@click.option(
    "--labels",
    type=options.FILE,
    required=True,
    help="Labels of the images, in order: .npz with `labels`, or .npy.",
)
@click.option("--network", type=options.FILE, help="The network.npz that was simulated.")
@click.option("--readout", help="Name of the output's signal, if the file has several.")
@click.option(
    "--read-out",
    type=click.Choice(["all", "late"]),
    help="Read what the output integrates from step 0, or leave out the first steps [default: as"
    " the recording says, else all].",
)
@options.as_json
def score(
    recording: Path,
    labels: Path,
    network: Path | None,
    readout: str | None,
    read_out: str | None,
    as_json: bool,
) -> None:
    """Score RECORDING: accuracy over time of output potentials, in any file that Neo reads."""
    from spinn_convert.cli.tables import score_table
    from spinn_convert.results.scoring import score_recording

    content = score_recording(recording, labels, network, readout, read_out)
    if as_json:
        print_json(content)
    else:
        output_console().print(score_table(content))
