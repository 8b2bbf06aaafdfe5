"""SpiNNaker through sPyNNaker, with neurons that a spike resets to a calibrated constant.

Runs the plan of `delta_plan` on the stock IF_curr_delta, with any clamp delay, as `spinnaker` runs
its own: on the same machines, image after image on one mapping. It takes no projection of a neuron
onto itself, and loses accuracy: `delta_plan` says why. Differs from `delta_arithmetic` in nothing.
"""

from __future__ import annotations

import time
from pathlib import Path

from spinn_convert.backends.board.arithmetic import input_problems
from spinn_convert.backends.board.cells import DELTA
from spinn_convert.backends.board.delta_arithmetic import DeltaRecording, default_plan
from spinn_convert.backends.board.delta_plan import DeltaPlan
from spinn_convert.backends.spinnaker import check as spinnaker_check
from spinn_convert.backends.spinnaker.run import fields, running_machine, simulate
from spinn_convert.errors import BackendError, Problem
from spinn_convert.network.recording import Progress, Settings, Stimulus, silent
from spinn_convert.network.records import Network

DEFAULT_IMAGES = 10


def check(
    network: Network,
    settings: Settings,
    board: Path | None = None,
    plan: DeltaPlan | None = None,
) -> list[Problem]:
    """Return what keeps this network from running; see `spinnaker_check.check`."""
    return spinnaker_check.check(network, settings, board, plan, DELTA)


def run(
    network: Network,
    stimulus: Stimulus,
    settings: Settings,
    progress: Progress = silent,
    board: Path | None = None,
    plan: DeltaPlan | None = None,
    allow_losses: bool = False,
) -> DeltaRecording:
    """Simulate all images, one after another, on one mapping; progress counts time steps.

    plan: of `make_delta_plan`; without it, `delta_arithmetic.default_plan` makes one, with the
    resets that it measures. The rest is as in `spinnaker.run`.

    Raises BackendError when `check` finds a problem, when the board is only virtual, when an image
    lost something, when a readout leaves its range, or when sPyNNaker fails.
    """
    board = board or settings.board
    problems = check(network, settings, board, plan)
    problems += input_problems(network, stimulus, settings, plan)
    if problems:
        raise BackendError(list(dict.fromkeys(problems)))
    machine = running_machine(board)
    started = time.perf_counter()
    plan = plan or default_plan(network, stimulus, settings)
    planned = time.perf_counter() - started
    images, timing = simulate(plan, machine, stimulus, settings, progress, allow_losses)
    return DeltaRecording(
        **fields(plan, settings, images),
        timing={**timing, "build": planned + timing["build"]},
        plan=plan,
    )
