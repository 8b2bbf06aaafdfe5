"""SpiNNaker through sPyNNaker: a real board, one lent by spalloc, or one emulated in software.

Runs the plan of `board_plan` on the stock IF_curr_exp. Every image runs on one mapping: reset, set
the input, run. Differs from the board's arithmetic in nothing, as the emulated board shows by
executing the same binaries; where hardware loses or delays a packet, its counters tell, and the
run is refused. Never tried on hardware so far: there was none.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from spinn_convert.backends.board.arithmetic import BoardRecording, default_plan, input_problems
from spinn_convert.backends.board.plan import BoardPlan
from spinn_convert.backends.spinnaker.check import check
from spinn_convert.backends.spinnaker.kernels.layers import Connectors
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
    board: Path | None = None,
    plan: BoardPlan | None = None,
    allow_losses: bool = False,
    connectors: Connectors | None = None,
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
    connectors = connectors or settings.connectors
    problems = check(network, settings, board, plan, kernels=connectors != "lists")
    problems += input_problems(network, stimulus, settings, plan)
    if problems:
        raise BackendError(list(dict.fromkeys(problems)))
    machine = running_machine(board)
    started = time.perf_counter()
    plan = plan or default_plan(network, stimulus, settings)
    planned = time.perf_counter() - started
    images, timing = simulate(plan, machine, stimulus, settings, progress, allow_losses, connectors)
    driven = images[0].clipped
    return BoardRecording(
        **fields(plan, settings, images),
        timing={**timing, "build": planned + timing["build"]},
        clipped={n: np.array([image.clipped[n] for image in images], np.int64) for n in driven},
        plan=plan,
    )
