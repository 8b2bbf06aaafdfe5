"""What runs of classifiers and detectors have in common: their options, and what they write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from spinn_convert import backends
from spinn_convert.conversion.steps import SIZING_IMAGES
from spinn_convert.errors import BackendError, DataError, Problem
from spinn_convert.files import output
from spinn_convert.jobs.convert import save
from spinn_convert.jobs.prepare import Prepared, Source, calibration_of, method_of
from spinn_convert.linear.ops import Floats
from spinn_convert.model import host
from spinn_convert.network.recording import Recording, Settings, Watch, unwatched
from spinn_convert.network.records import Network
from spinn_convert.network.timing import ReadOut, default_steps
from spinn_convert.results import energy, neo_file, report
from spinn_convert.results.layers.evidence import (
    Studied,
    backend_to_study,
    gather,
    images_to_study,
)
from spinn_convert.results.layers.subject import Subject
from spinn_convert.results.stopping import most_steps


@dataclass(frozen=True)
class RunOptions:
    """What to run, on which simulator, and the folder to write; None for a default.

    images: number of test images; by default all, or as many as the backend presents in some
    minutes. steps: time steps per image. stop: agreement with the ANN, a fraction, with which an
    image may end earlier (`results.stopping`); None for the same steps for all. read_out: "all" or
    "late". record: populations whose spikes are saved, and "output" for the potentials of the
    output. board, connectors: as of `network.recording.Settings`. out: by default MODEL.spinn.
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
    stop: float | None = None


Inside = tuple[Studied, Subject] | str
"""What the layers of a network do on some images, or why that is not known."""


def settings_of(options: RunOptions, network: Network) -> Settings:
    """Return the settings of a simulation; raises DataError for an unknown population."""
    on_board = options.backend in backends.BOARDS
    steps = most_steps(network) if options.stop else default_steps(network, on_board)
    return Settings(
        options.steps or steps,
        options.source.threads,
        recorded(options.record, network),
        options.board,
        options.connectors,
        stop=network.stop if options.stop else None,
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


def presented(options: RunOptions, available: int) -> int:
    """Return how many of the images that there are to present."""
    default = backends.find(options.backend).DEFAULT_IMAGES
    return min(options.images or default or available, available)


def sizing_of(prepared: Prepared, backend: str) -> Floats | None:
    """Return the core's input (B, *shape) on which a board's numbers are sized; None for no board.

    Raises DataError where there are no images to calibrate on.
    """
    if backend not in backends.BOARDS:
        return None
    some = calibration_of(prepared)[:SIZING_IMAGES]
    return host.core_input(prepared.model, some, prepared.source.threads)


def studied(
    prepared: Prepared,
    network: Network,
    read_out: ReadOut,
    options: RunOptions,
    watch: Watch = unwatched,
    later: int = 1,
) -> Inside:
    """Return what the layers of the network do on the first images, or why that is not known.

    later: times as many steps for which outputs are looked at.
    """
    backend = backend_to_study(options.backend)
    steps = settings_of(replace(options, stop=None), network).steps
    count = min(images_to_study(network, steps), presented(options, len(prepared.dataset.images)))
    if not count:
        return "Layers were not looked at: even one image has too many spikes to keep."
    model, threads = prepared.model, options.source.threads
    images = prepared.dataset.images[:count]
    values = host.core_input(model, images, threads)
    sizing = sizing_of(prepared, backend)
    subject = Subject(model, network, images, values, sizing, read_out, threads)
    try:
        return gather(subject, backend, steps, later * steps, watch), subject
    except BackendError as error:
        return f"Layers were not looked at, as {backend} cannot run the network: {error}"


def write_results(
    prepared: Prepared,
    network: Network,
    recording: Recording,
    scored: Mapping[str, Any],
    read_out: ReadOut,
    warnings: tuple[str, ...],
    seconds: Mapping[str, float],
    folder: Path,
) -> dict[str, Any]:
    """Write network, recorded spikes and report.json; return the content of the last.

    scored: its parts `ann`, `relu1` and `snn`. seconds: by phase.
    """
    save(prepared.model, network, folder)
    if recording.spikes:
        neo_file.save(neo_file.spike_block(recording, network), folder / "spikes.nix")
    shown = method_of(network) | {"read_out": read_out, "threads": prepared.source.threads}
    content = report.as_json(network, recording, scored, shown, seconds, report.versions())
    content["energy"] = energy.as_json(network, recording, prepared.model.graph)
    content["warnings"] = list(warnings)
    output.write_json(folder / "report.json", content)
    return content
