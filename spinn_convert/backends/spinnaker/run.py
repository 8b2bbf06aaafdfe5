"""Run a plan on a machine: map once, then run image after image; losses are errors."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinn_convert.backends.board.drive import Drive
from spinn_convert.backends.board.planned import AnyPlan
from spinn_convert.backends.board.session import recorded
from spinn_convert.backends.reference.outcome import ImageOutcome
from spinn_convert.backends.spinnaker import losses as spinnaker_losses
from spinn_convert.backends.spinnaker.build import with_self_projections
from spinn_convert.backends.spinnaker.machine import Machine, read_machine
from spinn_convert.backends.spinnaker.session import NAME, Presented, Session, opened
from spinn_convert.errors import BackendError, Problem
from spinn_convert.linear.ops import Floats
from spinn_convert.network.rate import CHUNK, input_currents
from spinn_convert.network.recording import Progress, Settings, Stimulus
from spinn_convert.network.records import out_degrees


@dataclass(frozen=True, eq=False)
class Image:
    """One image: its result, what was lost, and how many currents were clipped, by population."""

    result: ImageOutcome
    losses: spinnaker_losses.Losses
    clipped: Mapping[str, int]


def running_machine(board: Path | None) -> Machine:
    """Return the machine of a configuration file; raises BackendError if it is only virtual."""
    machine = read_machine(board)
    if machine.kind == "virtual":
        what = "a virtual board runs nothing: it can only be mapped to"
        fix = "use a dry run, or boards/emulated.cfg, which executes the binaries in software"
        raise BackendError([Problem(str(machine.path), what, fix)])
    return machine


def simulate(
    plan: AnyPlan,
    machine: Machine,
    stimulus: Stimulus,
    settings: Settings,
    progress: Progress,
    allow_losses: bool,
) -> tuple[list[Image], dict[str, float]]:
    """Return all images, and seconds by phase; progress counts time steps.

    Raises BackendError when inputs saturated or packets were lost or late (unless allow_losses),
    when a readout exceeds its range, or when sPyNNaker fails.
    """
    started = time.perf_counter()
    with (
        tempfile.TemporaryDirectory(prefix="spinn_convert_") as directory,
        opened(
            plan, machine, settings.steps, Path(directory), settings.connectors or "lists"
        ) as session,
    ):
        built = time.perf_counter()
        images = list(_present(session, plan, stimulus, settings, progress, allow_losses))
    return images, {"build": built - started, "simulate": time.perf_counter() - built}


def fields(plan: AnyPlan, settings: Settings, images: Sequence[Image]) -> dict[str, Any]:
    """Return fields of a BoardRecording: results, and how often ring buffers saturated."""
    names = [p.name for p in plan.populations]
    saturated = {
        name: np.array(
            [i.losses.get(name, {}).get(spinnaker_losses.SATURATED, 0) for i in images], np.int64
        )
        for name in names
    }
    found = recorded(plan.network, names, settings, [image.result for image in images])
    return {"backend": NAME, **found, "saturated": saturated}


def _present(
    session: Session,
    plan: AnyPlan,
    stimulus: Stimulus,
    settings: Settings,
    progress: Progress,
    allow_losses: bool,
) -> Iterator[Image]:
    """Yield image after image; raises BackendError at the first with losses that count."""
    total = len(stimulus.values) * session.ticks
    degrees = {name: d.ravel() for name, d in out_degrees(with_self_projections(plan)).items()}
    for number, drives in enumerate(_drives(plan, stimulus.values)):
        done = number * session.ticks
        found = session.present(drives, _shifted(progress, done, total))
        problems = spinnaker_losses.problems(found.losses, number)
        if problems and not allow_losses:
            raise BackendError(problems)
        clipped = {name: int(drive.clipped.sum()) for name, drive in drives.items()}
        yield Image(_result(plan, settings, found, degrees), found.losses, clipped)


def _shifted(progress: Progress, done: int, total: int) -> Callable[[int], None]:
    return lambda tick: progress(done + tick, total)


def _drives(plan: AnyPlan, values: Floats) -> Iterator[dict[str, Drive]]:
    for start in range(0, len(values), CHUNK):
        some = values[start : start + CHUNK]
        drives = plan.image_drives(input_currents(plan.network, some))
        for image in range(len(some)):
            yield {name: drive.of_image(image) for name, drive in drives.items()}


def _result(
    plan: AnyPlan,
    settings: Settings,
    found: Presented,
    degrees: Mapping[str, NDArray[np.int64]],
) -> ImageOutcome:
    """Return the steps of the network; the board ran a few more.

    A readout's potential after step t was recorded for step t + 1, in mV.
    """
    steps = settings.steps
    kept = {name: rows[rows[:, 0] < steps] for name, rows in found.spikes.items()}
    events = sum(int(degrees[name][rows[:, 1]].sum()) for name, rows in kept.items())
    if any(
        np.abs(potentials).max() >= plan.largest_potential
        for potentials in found.potentials.values()
    ):
        what = "the potential of a readout exceeds the board's range"
        raise BackendError([Problem(NAME, what, "simulate fewer steps")])
    readouts = [
        (found.potentials[p.name][1 : steps + 1] / p.theta).astype(np.float32)
        for p in plan.populations
        if p.kind == "readout"
    ]
    return ImageOutcome(
        np.array([len(kept.get(p.name, ())) for p in plan.populations], np.int64),
        events,
        settings.kept(np.concatenate(readouts, axis=1)),
        {name: kept[name].astype(np.int32) for name in settings.record},
        steps,
    )
