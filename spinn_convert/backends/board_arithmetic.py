"""The board's arithmetic in software: runs a board plan bit for bit as the binaries would.

Equations of IF_curr_exp as executed by sPyNNaker 7.4.1, per tick and neuron, raw s16.15:

    I_exc += (min(ring_exc, 65535) << shift) * scale;  I_inh likewise
    if refract_timer <= 0: V = I_exc - I_inh + i_offset;  else refract_timer -= 1
    spike if V >= v_thresh, then V = 0
    I_exc *= decay;  I_inh *= decay

Products are of 32 by 32 bits, rounded down. A spike of tick t is in the ring buffers of tick
t + delay. Assumes that every packet arrives in time, which the provenance of a real run must confirm.

Differs from the reference: no clamping (d = 0); weights of 16 bits; currents leak 3.2e-5 per step.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinn_convert.backends.board_drive import FRACTION_BITS, Drive
from spinn_convert.backends.board_plan import (
    NEVER,
    RING_LIMIT,
    BoardPlan,
    Peak,
    check_drives,
    image_drives,
    make_plan,
    without_clamp,
)
from spinn_convert.backends.program import Int32, Int64, Program, channels_last, compile_program
from spinn_convert.backends.reference import _begins, _readouts, _Result, _rows, _spikes
from spinn_convert.errors import BackendError, Problem
from spinn_convert.network import Network
from spinn_convert.rate import CHUNK, input_currents
from spinn_convert.recording import Progress, Recording, Settings, Stimulus, silent

NAME = "spinnaker arithmetic"
DEFAULT_IMAGES = None
PEAK_IMAGES = 64
"""Images of the stimulus that the ring buffers are sized with when no plan is given."""
UNLIMITED = 0xFFFF_FFFF


@dataclass(frozen=True, eq=False)
class BoardRecording(Recording):
    """A recording, and what the board's numbers could not hold; B images.

    plan: what was run. saturated: per population, int64 (B,), entries of ring buffers that
    saturated. clipped: per driven population, int64 (B,), neurons whose drive was clipped. peaks:
    the largest input of any image and step.
    """

    plan: BoardPlan | None = None
    saturated: Mapping[str, Int64] = field(default_factory=dict)
    clipped: Mapping[str, Int64] = field(default_factory=dict)
    peaks: Mapping[str, Peak] = field(default_factory=dict)


def check(network: Network, settings: Settings) -> list[Problem]:
    """Return what keeps this network from having a board plan, as far as its biases tell."""
    return check_drives(without_clamp(network))


def measure_peaks(
    network: Network, values: NDArray[np.float32], settings: Settings, progress: Progress = silent
) -> dict[str, Peak]:
    """Return the peak inputs that `make_plan` needs, measured on images (B, *input shape).

    Runs in the board's arithmetic, but for ring buffers that do not saturate.
    """
    plan = make_plan(network, _drive_peaks(network, values))
    plain = Settings(settings.steps, settings.threads, settings.seed)
    return dict(_run(plan, Stimulus(values), plain, progress, UNLIMITED).peaks)


def run(
    network: Network,
    stimulus: Stimulus,
    settings: Settings,
    progress: Progress = silent,
    plan: BoardPlan | None = None,
) -> BoardRecording:
    """Simulate all images as the board would.

    plan: of `make_plan`; without it, one is made from the peaks of the first PEAK_IMAGES images.
    Raises BackendError when the network has no plan, or its numbers leave their range.
    """
    if plan is None:
        some = stimulus.values[:PEAK_IMAGES]
        plan = make_plan(network, measure_peaks(network, some, settings))
    return _run(plan, stimulus, settings, progress, RING_LIMIT)


@dataclass(frozen=True, eq=False)
class _Machine:
    """The plan as the arrays of the kernel, channels last; i_offset, isyn_exc: per neuron."""

    plan: BoardPlan
    program: Program
    board: Int64
    weights: Int64
    listed: Int64
    i_offset: Int32
    isyn_exc: Int32


@dataclass(frozen=True, eq=False)
class _Image:
    """What one image left behind; peaks (P, 2) and saturated (P,) in LSBs and entries."""

    result: _Result
    peaks: Int64
    saturated: Int64
    clipped: Mapping[str, int]


def _machine(plan: BoardPlan) -> _Machine:
    from spinn_convert.backends.board_kernel import packed

    program = compile_program(plan.integers)
    lsb = program.one
    board = [
        (round(p.theta * 2**FRACTION_BITS), p.shift, p.self_weight) for p in plan.populations
    ]
    zero = np.zeros(int(program.populations[:, 1].sum()), np.int32)
    machine = _Machine(
        plan,
        program,
        np.array(board, np.int64),
        packed(program.weights // lsb),
        packed(program.listed // lsb),
        zero,
        zero.copy(),
    )
    for population in plan.populations:
        if population.drive is not None:
            constant = population.drive
            _place(machine, population.name, constant, machine.i_offset, machine.isyn_exc)
    return machine


def _place(machine: _Machine, name: str, found: Drive, i_offset: Int32, isyn_exc: Int32) -> None:
    """Write the drive of one population into arrays over all neurons."""
    index = machine.program.names.index(name)
    shape, row = machine.program.shapes[index], machine.program.populations[index]
    span, order = slice(row[0], row[0] + row[1]), channels_last(shape)
    i_offset[span] = np.broadcast_to(found.i_offset, shape).ravel()[order]
    isyn_exc[span] = np.broadcast_to(found.isyn_exc, shape).ravel()[order]


def _run(
    plan: BoardPlan, stimulus: Stimulus, settings: Settings, progress: Progress, limit: int
) -> BoardRecording:
    started = time.perf_counter()
    machine = _machine(plan)
    built = time.perf_counter()
    images = []
    for image in _images(machine, stimulus, settings, limit):
        images.append(image)
        progress(len(images), len(stimulus.values))
    results, names = [image.result for image in images], machine.program.names
    counts = np.array([result.counts for result in results], np.int64)
    saturated = np.array([image.saturated for image in images], np.int64)
    return BoardRecording(
        NAME,
        settings,
        {p.name: counts[:, names.index(p.name)] for p in plan.network.spiking},
        np.array([result.events for result in results], np.int64),
        _readouts(plan.network, results),
        {name: _spikes(name, results) for name in settings.record},
        {"build": built - started, "simulate": time.perf_counter() - built},
        plan=plan,
        saturated={name: saturated[:, p] for p, name in enumerate(names)},
        clipped={
            name: np.array([image.clipped[name] for image in images], np.int64)
            for name in images[0].clipped
        },
        peaks=_peaks(machine, images, _drive_peaks(plan.network, stimulus.values)),
    )


def _images(
    machine: _Machine, stimulus: Stimulus, settings: Settings, limit: int
) -> Iterator[_Image]:
    """Yield results in the order of the images, computing `threads` of them at a time."""
    pool = ThreadPoolExecutor(settings.threads)
    running: list[Future[_Image]] = []
    try:
        for start in range(0, len(stimulus.values), CHUNK):
            values = stimulus.values[start : start + CHUNK]
            drives = image_drives(machine.plan, input_currents(machine.plan.network, values))
            ahead = [
                pool.submit(_simulate, machine, _of_image(drives, image), settings, limit)
                for image in range(len(values))
            ]
            yield from (future.result() for future in running)
            running = ahead
        yield from (future.result() for future in running)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _of_image(drives: Mapping[str, Drive], image: int) -> dict[str, Drive]:
    return {
        name: Drive(found.i_offset[image], found.isyn_exc[image], found.clipped[image])
        for name, found in drives.items()
    }


def _simulate(
    machine: _Machine, drives: Mapping[str, Drive], settings: Settings, limit: int
) -> _Image:
    from spinn_convert.backends.board_kernel import simulate

    program = machine.program
    i_offset, isyn_exc = machine.i_offset.copy(), machine.isyn_exc.copy()
    for name, found in drives.items():
        _place(machine, name, found, i_offset, isyn_exc)
    spikes, begins, readout, peaks, saturated, wrapped = simulate(
        program.populations,
        program.projections,
        machine.board,
        i_offset,
        isyn_exc,
        machine.weights,
        machine.listed,
        program.posts,
        program.runs,
        program.rows,
        limit,
        settings.steps,
    )
    largest = np.ldexp(np.abs(readout.astype(np.int64)).max(initial=0), -FRACTION_BITS)
    if wrapped or largest >= NEVER:
        raise BackendError([Problem(NAME, "a synaptic current left its range", "fewer steps")])
    counts = begins[:, -1] - begins[:, 0]
    events = int(program.out_degree[_neurons(program, spikes, begins)].sum() + counts.sum())
    rows = {
        name: _rows(program, name, spikes, begins[program.names.index(name)])
        for name in settings.record
    }
    potentials = _in_thresholds(machine, readout)
    clipped = {name: int(found.clipped.sum()) for name, found in drives.items()}
    return _Image(_Result(counts, events, potentials, rows), peaks, saturated, clipped)


def _neurons(program: Program, spikes: Int32, begins: Int64) -> Int64:
    """Return the spiking neurons as indices over all populations."""
    offsets = np.repeat(program.populations[:, 0], begins[:, -1] - begins[:, 0])
    return np.asarray(offsets + spikes, np.int64)


def _in_thresholds(machine: _Machine, readout: Int32) -> NDArray[np.float32]:
    """Return raw potentials (T, N), channels last, in thresholds and (C, H, W) order."""
    readouts = [p for p in machine.plan.populations if p.kind == "readout"]
    ordered = np.empty(readout.shape, np.float32)
    sizes = [p.size for p in machine.plan.network.readouts]
    for population, begin, size in zip(readouts, _begins(sizes), sizes):
        one = population.theta * 2**FRACTION_BITS
        potentials = readout[:, begin : begin + size].astype(np.float64) / one
        ordered[:, begin + channels_last(population.shape)] = potentials
    return ordered


def _drive_peaks(network: Network, values: NDArray[np.float32]) -> dict[str, Peak]:
    peaks: dict[str, float] = {}
    for start in range(0, len(values), CHUNK):
        for name, current in input_currents(network, values[start : start + CHUNK]).items():
            peaks[name] = max(peaks.get(name, 0.0), float(np.abs(current).max()))
    return {name: Peak(0.0, 0.0, largest) for name, largest in peaks.items()}


def _peaks(
    machine: _Machine, images: list[_Image], drives: Mapping[str, Peak]
) -> dict[str, Any]:
    """Return the largest input of each population over all images, in thresholds."""
    largest = np.max([image.peaks for image in images], axis=0)
    peaks = {}
    for population, (excitatory, inhibitory) in zip(machine.plan.populations, largest):
        lsb = population.weight_lsb / population.theta
        seen = drives.get(population.name, Peak(0.0, 0.0, 0.0)).drive
        peaks[population.name] = Peak(float(excitatory * lsb), float(inhibitory * lsb), seen)
    return peaks
