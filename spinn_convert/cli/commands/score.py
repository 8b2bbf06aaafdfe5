"""spinn-convert score"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rich_click as click

from spinn_convert.cli import options
from spinn_convert.cli.console import output_console, print_json


@click.command()
@click.argument("recording", type=options.FILE)
@click.option(
    "--labels",
    type=options.FILE,
    help="Of a classifier: the images with labels, as --data of run, or an .npy of labels.",
)
@click.option(
    "--data",
    type=options.FILE,
    help="Of a detector: the scenes, in order [default: beside the model, as for run].",
)
@click.option(
    "--network",
    type=options.FILE,
    help="The network.npz that was simulated; a detector's recording needs it.",
)
@click.option(
    "--onnx",
    type=options.FILE,
    help="Of a detector: model that it was made from [default: its former path].",
)
@click.option("--readout", help="Name of the output's signal, if the file has several.")
@click.option(
    "--read-out",
    type=click.Choice(["all", "late"]),
    help="Read what the output integrates from step 0, or leave out the first steps [default: as"
    " the recording says, else all].",
)
@options.threads
@options.as_json
def score(
    recording: Path,
    readout: str | None,
    threads: int | None,
    as_json: bool,
    **files: Any,
) -> None:
    """Score RECORDING: output potentials over time, in any file that Neo reads.

    A classifier's by accuracy, a detector's by mAP.
    """
    from spinn_convert.cli.progress import watching
    from spinn_convert.cli.tables import score_table, scored_table
    from spinn_convert.jobs import score as job
    from spinn_convert.linear.threads import available_cores

    told = job.ScoreOptions(
        recording, signal=readout, threads=threads or available_cores(), **files
    )
    with watching() as watch:
        content = job.execute(told, watch)
    if as_json:
        print_json(content)
    else:
        table = scored_table if "map" in content["snn"] else score_table
        output_console().print(table(content))
