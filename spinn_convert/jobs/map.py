"""Convert a model and map it to virtual SpiNNaker boards, without running it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spinn_convert.backends.board.backend import clamp_problems, default_plan
from spinn_convert.backends.spinnaker.check import missing_software
from spinn_convert.backends.spinnaker.dry_run.costs import DryRun
from spinn_convert.backends.spinnaker.dry_run.drawing import draw_placement
from spinn_convert.backends.spinnaker.dry_run.mapping import dry_run
from spinn_convert.backends.spinnaker.dry_run.text import table
from spinn_convert.backends.spinnaker.machine import read_machine
from spinn_convert.conversion.steps import SIZING_IMAGES
from spinn_convert.errors import BackendError
from spinn_convert.files import output
from spinn_convert.jobs.convert import save
from spinn_convert.jobs.prepare import Source, calibration_of, convert, prepare
from spinn_convert.model import host
from spinn_convert.network.recording import Settings, Stimulus, Watch, unwatched
from spinn_convert.network.timing import default_steps

MARK = "map.txt"
"""File by which a folder is recognised as written by this job."""


@dataclass(frozen=True)
class MapOptions:
    """What to map, and the folder to write; None for MODEL.map.

    board: sPyNNaker's configuration file; None for ~/.spynnaker.cfg. connectors: as of
    `network.recording.Settings`. steps: time steps per image, on which the size of recordings
    depends.
    """

    source: Source
    board: Path | None = None
    connectors: Literal["lists", "convolutions", "auto"] | None = None
    steps: int | None = None
    out: Path | None = None
    overwrite: bool = False


def execute(options: MapOptions, watch: Watch = unwatched) -> tuple[DryRun, Path]:
    """Convert and map a model; write network.npz, map.txt and a picture to a new folder.

    Raises the errors of every step; the folder then does not appear.
    """
    source = options.source
    problems = missing_software(read_machine(options.board))
    if problems:
        raise BackendError(problems)
    target = options.out or Path(f"{source.stem}.map")
    with output.new_folder(target, options.overwrite, MARK) as folder:
        prepared = prepare(source, tested=False)
        problems = clamp_problems(prepared.network)
        if problems:
            raise BackendError(problems)
        network = convert(prepared, watch)
        save(prepared.model, network, folder)
        some = calibration_of(prepared)[:SIZING_IMAGES]
        values = host.core_input(prepared.model, some, source.threads)
        steps = options.steps or default_steps(network, on_board=True)
        settings, progress = Settings(steps, source.threads), watch("largest inputs")
        plan = default_plan(network, Stimulus(values), settings, progress)
        watch("map")
        found = dry_run(network, plan, options.board, steps, options.connectors or "lists")
        (folder / MARK).write_text(table(found) + "\n")
        draw_placement(found, folder / "placement.png")
    return found, target
