"""SpiNNaker through sPyNNaker: a real board, one lent by spalloc, or one emulated in software.

Runs a plan on one of sPyNNaker's cell types: IF_curr_exp for reset by subtraction, IF_curr_delta
for a reset to calibrated constants. The network is mapped once; each image is a reset, new input,
and a run. Gives the same spikes as the backend spinnaker-integers, as the emulated board shows by
executing sPyNNaker's own binaries. Where hardware loses or delays a packet, its counters tell, and
the run is an error. It has not run on real hardware so far.
"""

from __future__ import annotations

import time

import numpy as np

from spinn_convert.backends.board.arithmetic import BoardRecording, input_problems
from spinn_convert.backends.board.backend import default_plan
from spinn_convert.backends.board.planned import AnyPlan
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

    settings.board: a sPyNNaker configuration file, as in `boards/`; None for ~/.spynnaker.cfg.
    settings.connectors: "auto" stores layers as kernels instead of lists of synapses where that
    takes less, "convolutions" wherever it is possible. Spikes are the same; saturated inputs of
    such layers are not counted.
    plan: None for `board.backend.default_plan`.
    allow_losses: return the recording even if inputs saturated or packets were lost or late.
    `saturated` counts additions to a ring buffer that saturated (spinnaker-integers counts
    entries); `peaks` is empty, since a board does not measure them.

    A board does not report a current that exceeds its range in a hidden population;
    spinnaker-integers does, for the same images.

    Raises BackendError when `check` finds a problem, when the board is only virtual, when inputs
    saturated or packets were lost or late, when a readout exceeds its range, or when sPyNNaker
    fails.
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
    names = images[0].clipped
    return BoardRecording(
        **fields(plan, settings, images),
        timing={**timing, "build": planned + timing["build"]},
        clipped={n: np.array([image.clipped[n] for image in images], np.int64) for n in names},
        details={"time scale factor": machine.time_scale_factor or 1},
        plan=plan,
    )
