"""A converted network in a PyNN simulation on SpiNNaker: populations, projections, images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from spinn_convert.backends.board.backend import check, default_plan
from spinn_convert.backends.board.planned import AnyPlan
from spinn_convert.backends.pynn import TIME_STEP_MS, Window
from spinn_convert.backends.spinnaker.build import build_plan, set_drives, ticks
from spinn_convert.backends.spinnaker.fastlist import fast_rows
from spinn_convert.errors import BackendError, Problem
from spinn_convert.linear.ops import Floats
from spinn_convert.network.rate import input_currents
from spinn_convert.network.recording import Settings, Stimulus
from spinn_convert.network.records import Network
from spinn_convert.network.timing import default_steps


class BoardNetwork:
    """PyNN populations and projections of a network, in a simulation that is set up.

    plan: the parameters on the board, such as thresholds in mV and weights in nA. populations: by
    name; neurons are numbered in (C, H, W) order. projections: by "source -> target receptor".
    Record and connect them as any others. A class, because sPyNNaker keeps state.
    """

    def __init__(self, sim: Any, plan: AnyPlan) -> None:
        self.plan, self._sim, self._presented = plan, sim, False
        built = build_plan(sim, plan)
        self.populations: Mapping[str, Any] = built.populations
        self.projections: Mapping[str, Any] = built.projections

    def present(self, image: Floats, steps: int) -> Window:
        """Run the simulation for `steps` time steps with one image, from its beginning.

        image: input of the network, (*input shape), a row of `Model.core_input`. The board runs on
        to the next multiple of 16 steps. Before a second image the whole simulation is reset, so
        PyNN's recordings have a segment per image. Returns the simulation times of the image.
        Raises BackendError where the input exceeds the board's range.
        """
        if self._presented:
            self._sim.reset()
        self._presented = True
        currents = input_currents(self.plan.network, np.asarray(image, np.float32)[None])
        drives = self.plan.image_drives({name: current[0] for name, current in currents.items()})
        set_drives(self.populations, self.plan, drives)
        with fast_rows():
            self._sim.run(ticks(steps) * TIME_STEP_MS)
        return Window(0.0, steps, 0)


def in_simulation(sim: Any, network: Network, calibration: Floats | None) -> BoardNetwork:
    """Return the network in the caller's own simulation.

    calibration: rows of `Model.core_input` (B, *input shape), on which the ranges of the board's
    fixed-point numbers are measured. Raises BackendError when they are missing, when the time step
    is not 1 ms, or when the network does not fit into the board's numbers.
    """
    steps = default_steps(network, on_board=True)
    problems = check(network, Settings(steps))
    if sim.get_time_step() != TIME_STEP_MS:
        what, fix = f"has a time step of {sim.get_time_step():g} ms", "call sim.setup(timestep=1.0)"
        problems.append(Problem("pyNN.spiNNaker", what, fix))
    if calibration is None:
        fix = "give to_pynn(sim, calibration=model.core_input(images))"
        what = "is missing: the ranges of a board's numbers are measured on images"
        problems.append(Problem("calibration", what, fix))
        raise BackendError(problems)
    if problems:
        raise BackendError(problems)
    return BoardNetwork(sim, default_plan(network, Stimulus(calibration), Settings(steps)))
