"""Reset to a calibrated constant, in the board's integers: IF_curr_delta as the binary executes it.

Equations of sPyNNaker 7.4.1 per time step and neuron; all numbers are integers in units of 2^-15:

    a = ((ring_exc << shift) - (ring_inh << shift) + i_offset) * tau_m / cm
    if refract_timer <= 0: V = a - exp_TC * (a - V);  else refract_timer -= 1
    spike if V >= v_thresh, then V = v_reset
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from spinn_convert.backends.board.arithmetic import (
    check,
    input_problems,
    measure_peaks,
    sizing_images,
)
from spinn_convert.backends.board.delta.plan import DeltaPlan, make_delta_plan
from spinn_convert.backends.board.plan import Peak
from spinn_convert.backends.board.planned import RING_LIMIT
from spinn_convert.backends.board.program import (
    check_range,
    image_result,
    in_thresholds,
    one,
    packed_wiring,
    place,
)
from spinn_convert.backends.board.session import ImageResult, present, recorded
from spinn_convert.backends.reference.program import Int32, Int64, Program, Wiring, compile_program
from spinn_convert.errors import BackendError
from spinn_convert.linear.ops import Floats
from spinn_convert.network.recording import Progress, Recording, Settings, Stimulus, silent
from spinn_convert.network.records import Network

__all__ = ["check", "default_plan", "measure_overshoot", "run"]

NAME = "spinnaker arithmetic, reset to a constant"
DEFAULT_IMAGES = None


@dataclass(frozen=True, eq=False)
class DeltaRecording(Recording):
    """A recording, and how often numbers left the board's range; B images.

    saturated: per population, int64 (B,), entries of ring buffers that saturated. plan: the plan
    that was run.
    """

    saturated: Mapping[str, Int64] = field(default_factory=dict)
    plan: DeltaPlan | None = None


def measure_overshoot(
    network: Network, values: Floats, settings: Settings, peaks: Mapping[str, Peak]
) -> dict[str, Floats]:
    """Return v_reset (C,) of each spiking population in thresholds, from images (B, *input shape).

    It is the mean of V - threshold over all spikes of a channel while neurons reset by subtraction,
    each counted as at most one threshold; where a channel never fires, the population's mean. It
    must not be measured again with a reset to these values: that gives worse ones.
    """
    plan = make_delta_plan(network, peaks)
    plain = replace(settings, record=())
    program, images = _present(plan, Stimulus(values), plain, silent, subtract=True)
    total = np.sum([image.overshoot for image in images], axis=0)
    found = {}
    for index, population in enumerate(plan.populations):
        if population.kind == "spiking":
            offset, size, channels = program.populations[index, [0, 1, 6]]
            sums, spikes = total[:, offset : offset + size].reshape(2, -1, channels).sum(1)
            scale = one(population.theta)
            everywhere = sums.sum() / max(spikes.sum(), 1)
            mean = np.where(spikes > 0, sums / np.maximum(spikes, 1), everywhere)
            found[population.name] = np.asarray(mean / scale, np.float32)
    return found


def default_plan(network: Network, stimulus: Stimulus, settings: Settings) -> DeltaPlan:
    """Return a plan whose ranges and reset constants are measured on `sizing_images`.

    Raises BackendError when the network does not fit into the board's numbers.
    """
    some = sizing_images(stimulus)
    peaks = measure_peaks(network, some, settings)
    return make_delta_plan(network, peaks, measure_overshoot(network, some, settings, peaks))


def run(
    network: Network,
    stimulus: Stimulus,
    settings: Settings,
    progress: Progress = silent,
    plan: DeltaPlan | None = None,
) -> DeltaRecording:
    """Simulate all images as IF_curr_delta would.

    plan: of `make_delta_plan`; None for `default_plan`. Raises BackendError when the network does
    not fit into the board's numbers, or a number leaves its range in the simulation.
    """
    problems = input_problems(network, stimulus, settings, plan)
    if problems:
        raise BackendError(problems)
    plan = plan or default_plan(network, stimulus, settings)
    started = time.perf_counter()
    program, images = _present(plan, stimulus, settings, progress, subtract=False)
    fields = recorded(network, program.names, settings, [i.result for i in images])
    saturated = np.array([image.saturated for image in images], np.int64)
    return DeltaRecording(
        backend=NAME,
        **fields,
        timing={"simulate": time.perf_counter() - started},
        details={"saturated ring buffer entries": int(saturated.sum())},
        saturated={name: saturated[:, p] for p, name in enumerate(program.names)},
        plan=plan,
    )


@dataclass(frozen=True, eq=False)
class _Arrays:
    """Arrays of the kernel, by neuron, channels last, raw; board: (theta, shift) by population."""

    board: Int64
    wiring: Wiring
    v_init: Int32
    v_reset: Int32
    i_offset: Int32


def _present(
    plan: DeltaPlan, stimulus: Stimulus, settings: Settings, progress: Progress, subtract: bool
) -> tuple[Program, list[ImageResult]]:
    program = compile_program(plan.integers)
    arrays = _arrays(plan, program)
    simulate = partial(_simulate, plan, program, arrays, settings, subtract)
    return program, present(plan.network, stimulus, settings, progress, simulate)


def _arrays(plan: DeltaPlan, program: Program) -> _Arrays:
    v_init, v_reset, i_offset = np.zeros((3, int(program.populations[:, 1].sum())), np.int32)
    for population in plan.populations:
        place(program, population.name, population.v_init, v_init)
        place(program, population.name, population.v_reset, v_reset)
        if population.drive is not None:
            place(program, population.name, population.drive.i_offset, i_offset)
    board = np.array([(one(p.theta), p.shift) for p in plan.populations], np.int64)
    return _Arrays(board, packed_wiring(program), v_init, v_reset, i_offset)


def _simulate(
    plan: DeltaPlan,
    program: Program,
    arrays: _Arrays,
    settings: Settings,
    subtract: bool,
    per_step: Mapping[str, Floats],
) -> ImageResult:
    from spinn_convert.backends.board.delta.kernel import simulate

    i_offset = arrays.i_offset.copy()
    drives = plan.image_drives(per_step)
    for name, drive in drives.items():
        place(program, name, drive.i_offset, i_offset)
    spikes, begins, readout, overshoot, peaks, saturated, wraps = simulate(
        arrays.wiring,
        arrays.board,
        arrays.v_init,
        arrays.v_reset,
        i_offset,
        RING_LIMIT,
        subtract,
        settings.steps,
    )
    check_range(program, wraps, readout)
    ones = [one(p.theta) for p in plan.populations if p.kind == "readout"]
    result = image_result(program, settings, spikes, begins, in_thresholds(program, readout, ones))
    neurons = np.repeat(program.populations[:, 0], begins[:, -1] - begins[:, 0]) + spikes
    fired = np.bincount(neurons, minlength=len(overshoot))
    return ImageResult(result, peaks, saturated, {}, np.stack([overshoot, fired]))
