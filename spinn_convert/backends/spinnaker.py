"""SpiNNaker through sPyNNaker: a real board, one lent by spalloc, or one emulated in software.

Runs the plan of `board_plan` on the stock IF_curr_exp. Every image runs on one mapping: reset, set
the input, run. Differs from the board's arithmetic in nothing, as the emulated board shows by
executing the same binaries; where hardware loses or delays a packet, its counters tell, and the
run is refused. Never tried on hardware so far: there was none.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spinn_convert.backends import spinnaker_losses
from spinn_convert.backends.board_arithmetic import BoardRecording, default_plan, input_problems
from spinn_convert.backends.board_drive import Drive
from spinn_convert.backends.board_plan import NEVER, BoardPlan, image_drives
from spinn_convert.backends.board_session import recorded
from spinn_convert.backends.reference import _Result
from spinn_convert.backends.spinnaker_check import check
from spinn_convert.backends.spinnaker_convolution import Connectors
from spinn_convert.backends.spinnaker_machine import read_machine
from spinn_convert.backends.spinnaker_session import NAME, Presented, Session, opened
from spinn_convert.errors import BackendError, Problem
from spinn_convert.network import Network, out_degrees
from spinn_convert.ops import Floats
from spinn_convert.rate import CHUNK, input_currents
from spinn_convert.recording import Progress, Settings, Stimulus, silent

__all__ = ["DEFAULT_IMAGES", "check", "run"]

DEFAULT_IMAGES = 10


@dataclass(frozen=True, eq=False)
class _Image:
    """One image: what it left behind, and how many drives were clipped by population."""

    result: _Result
    losses: spinnaker_losses.Losses
    clipped: Mapping[str, int]


def run(
    network: Network,
    stimulus: Stimulus,
    settings: Settings,
    progress: Progress = silent,
    board: Path | None = None,
    plan: BoardPlan | None = None,
    allow_losses: bool = False,
    connectors: Connectors = "lists",
) -> BoardRecording:
    """Simulate all images, one after another, on one mapping; progress counts time steps.

    board: a sPyNNaker configuration file, as in `boards/`; without one, that of the
    settings, or ~/.spynnaker.cfg.
    plan: of `make_plan`; without it, one is made from the peaks of the first images.
    allow_losses: return a run in which inputs saturated or packets were lost or late. Its
    `saturated` then tells how many additions to an input did, where the arithmetic counts inputs;
    `peaks` stays empty, since a board measures none.
    connectors: "auto" builds layers of kernels instead of lists of synapses where that takes less,
    "convolutions" wherever it is possible. Spikes are the same; saturated inputs of such layers
    are not counted.

    A board does not tell when a current leaves the range of its numbers in a hidden population;
    the arithmetic does, on the same images.

    Raises BackendError when `check` finds a problem, when the board is only virtual, when an image
    lost something, when a readout leaves its range, or when sPyNNaker fails.
    """
    board = board or settings.board
    problems = check(network, settings, board, plan, connectors != "lists")
    problems += input_problems(network, stimulus, settings, plan)
    if problems:
        raise BackendError(list(dict.fromkeys(problems)))
    machine = read_machine(board)
    if machine.kind == "virtual":
        what = "a virtual board runs nothing: it can only be mapped to"
        fix = "use a dry run, or boards/emulated.cfg, which executes the binaries in software"
        raise BackendError([Problem(str(machine.path), what, fix)])
    started = time.perf_counter()
    plan = plan or default_plan(network, stimulus, settings)
    with (
        tempfile.TemporaryDirectory(prefix="spinn_convert_") as directory,
        opened(plan, machine, settings.steps, Path(directory), connectors) as session,
    ):
        built = time.perf_counter()
        images = list(_present(session, plan, stimulus, settings, progress, allow_losses))
    timing = {"build": built - started, "simulate": time.perf_counter() - built}
    return _recording(plan, settings, images, timing)


def _present(
    session: Session,
    plan: BoardPlan,
    stimulus: Stimulus,
    settings: Settings,
    progress: Progress,
    allow_losses: bool,
) -> Iterator[_Image]:
    """Yield image after image; raises BackendError at the first that lost something."""
    total = len(stimulus.values) * session.ticks
    degrees = {name: d.ravel() for name, d in out_degrees(plan.integers).items()}
    for number, drives in enumerate(_drives(plan, stimulus.values)):
        done = number * session.ticks
        found = session.present(drives, _shifted(progress, done, total))
        problems = spinnaker_losses.problems(found.losses, number)
        if problems and not allow_losses:
            raise BackendError(problems)
        clipped = {name: int(drive.clipped.sum()) for name, drive in drives.items()}
        yield _Image(_result(plan, settings, found, degrees), found.losses, clipped)


def _shifted(progress: Progress, done: int, total: int) -> Callable[[int], None]:
    return lambda tick: progress(done + tick, total)


def _drives(plan: BoardPlan, values: Floats) -> Iterator[dict[str, Drive]]:
    for start in range(0, len(values), CHUNK):
        some = values[start : start + CHUNK]
        drives = image_drives(plan, input_currents(plan.network, some))
        for image in range(len(some)):
            yield {name: drive.of_image(image) for name, drive in drives.items()}


def _result(
    plan: BoardPlan,
    settings: Settings,
    found: Presented,
    degrees: Mapping[str, NDArray[np.int64]],
) -> _Result:
    """Return the steps of the network; the board ran a few more.

    A readout's potential after step t was recorded for step t + 1, in mV.
    """
    steps = settings.steps
    kept = {name: rows[rows[:, 0] < steps] for name, rows in found.spikes.items()}
    spikes = sum(len(rows) for rows in kept.values())
    events = sum(int(degrees[name][rows[:, 1]].sum()) for name, rows in kept.items())
    if any(np.abs(potentials).max() >= NEVER for potentials in found.potentials.values()):
        what = "a readout left the range of the board's numbers"
        raise BackendError([Problem(NAME, what, "simulate fewer steps")])
    readouts = [
        (found.potentials[p.name][1 : steps + 1] / p.theta).astype(np.float32)
        for p in plan.populations
        if p.kind == "readout"
    ]
    return _Result(
        np.array([len(kept.get(p.name, ())) for p in plan.populations], np.int64),
        events + spikes,
        np.concatenate(readouts, axis=1),
        {name: kept[name].astype(np.int32) for name in settings.record},
    )


def _recording(
    plan: BoardPlan, settings: Settings, images: Sequence[_Image], timing: Mapping[str, float]
) -> BoardRecording:
    names = [p.name for p in plan.populations]
    results = [image.result for image in images]
    saturated = {
        name: np.array(
            [i.losses.get(name, {}).get(spinnaker_losses.SATURATED, 0) for i in images], np.int64
        )
        for name in names
    }
    driven = images[0].clipped
    return BoardRecording(
        backend=NAME,
        **recorded(plan.network, names, settings, results),
        timing=timing,
        saturated=saturated,
        clipped={n: np.array([image.clipped[n] for image in images], np.int64) for n in driven},
        plan=plan,
    )
