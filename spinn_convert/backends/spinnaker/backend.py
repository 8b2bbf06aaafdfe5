"""SpiNNaker through sPyNNaker: a real board, one lent by spalloc, or one emulated in software.

Runs a plan on a stock cell: IF_curr_exp for reset by subtraction, IF_curr_delta for a reset to
calibrated constants. Every image runs on one mapping: reset, set the input, run. Differs from the
board's integers in nothing, as the emulated board shows by executing the same binaries; where
hardware loses or delays a packet, its counters tell, and the run is refused. Never tried on
hardware so far: there was none.
"""

from __future__ import annotations

import time

import numpy as np

from spinn_convert.backends.board.arithmetic import BoardRecording, input_problems
from spinn_convert.backends.board.backend import default_plan
from spinn_convert.backends.board.cells import AnyPlan
from spinn_convert.backends.spinnaker.check import check
from spinn_convert.backends.spinnaker.run import fields, running_machine, simulate
from spinn_convert.errors import BackendError
from spinn_convert.network.recording import Progress, Settings, Stimulus, silent
from spinn_convert.network.records import Network

__all__ = ["DEFAULT_IMAGES", "check", "run"]

DEFAULT_IMAGES = 10


def run(
    network: Network,
    stimulus: Stimulus,
    settings: Settings,
    progress: Progress = silent,
    plan: AnyPlan | None = None,
    allow_losses: bool = False,
) -> BoardRecording:
    """Simulate all images, one after another, on one mapping; progress counts time steps.

    settings.board: a sPyNNaker configuration file, as in `boards/`; without one, ~/.spynnaker.cfg.
    settings.connectors: "auto" builds layers of kernels instead of lists of synapses where that
    takes less, "convolutions" wherever it is possible. Spikes are the same; saturated inputs of
    such layers are not counted.
    plan: of `board.backend.default_plan`, which makes one without it.
    allow_losses: return a run in which inputs saturated or packets were lost or late. Its
    `saturated` then tells how many additions to an input did, where the integers count inputs;
    `peaks` stays empty, since a board measures none.

    A board does not tell when a current leaves the range of its numbers in a hidden population;
    the integers in software do, on the same images.

    Raises BackendError when `check` finds a problem, when the board is only virtual, when an image
    lost something, when a readout leaves its range, or when sPyNNaker fails.
    """
    problems = check(network, settings, plan)
    problems += input_problems(network, stimulus, settings, plan)
    if problems:
        raise BackendError(list(dict.fromkeys(problems)))
    machine = running_machine(settings.board)
    started = time.perf_counter()
    plan = plan or default_plan(network, stimulus, settings)
    planned = time.perf_counter() - started
    images, timing = simulate(plan, machine, stimulus, settings, progress, allow_losses)
    driven = images[0].clipped
    return BoardRecording(
        **fields(plan, settings, images),
        timing={**timing, "build": planned + timing["build"]},
        clipped={n: np.array([image.clipped[n] for image in images], np.int64) for n in driven},
        plan=plan,
    )
