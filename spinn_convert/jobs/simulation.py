"""What to simulate, and how: the options of a run, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spinn_convert import backends
from spinn_convert.errors import DataError, Problem
from spinn_convert.jobs.prepare import Source
from spinn_convert.network.recording import Settings
from spinn_convert.network.records import Network
from spinn_convert.network.timing import ReadOut, default_steps
from spinn_convert.results import neo_file


@dataclass(frozen=True)
class RunOptions:
    """What to run, on which simulator, and the folder to write; None for a default.

    images: number of test images; by default all, or as many as the backend presents in some
    minutes. steps: time steps per image. read_out: "all" or "late". record: populations whose
    spikes are saved, and "output" for the potentials of the output. board, connectors: as of
    `network.recording.Settings`. out: by default MODEL.spinn.
    """

    source: Source
    backend: str = "reference"
    images: int | None = None
    steps: int | None = None
    read_out: ReadOut | None = None
    board: Path | None = None
    connectors: Literal["lists", "convolutions", "auto"] | None = None
    record: tuple[str, ...] = ()
    out: Path | None = None
    overwrite: bool = False


def settings_of(options: RunOptions, network: Network) -> Settings:
    """Return the settings of a simulation; raises DataError for an unknown population."""
    on_board = options.backend in backends.BOARDS
    return Settings(
        options.steps or default_steps(network, on_board),
        options.source.threads,
        recorded(options.record, network),
        options.board,
        options.connectors,
    )


def recorded(names: tuple[str, ...], network: Network) -> tuple[str, ...]:
    """Return the populations to record, without "output": readouts are always recorded.

    Raises DataError for an unknown name, BackendError if Neo is missing.
    """
    spiking = [p.name for p in network.spiking]
    problems = [
        Problem(f"--record {name}", "no such population", f"choose output, {', '.join(spiking)}")
        for name in names
        if name not in ("output", *spiking)
    ]
    if problems:
        raise DataError(problems)
    if names:
        neo_file.require_neo()
    return tuple(dict.fromkeys(name for name in names if name != "output"))
