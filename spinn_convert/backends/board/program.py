"""Board plan -> flat arrays for the integer kernel; simulate one image with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spinn_convert.backends.board.drive import FRACTION_BITS, Drive
from spinn_convert.backends.board.plan import BoardPlan
from spinn_convert.backends.board.planned import NEVER
from spinn_convert.backends.board.session import ImageResult
from spinn_convert.backends.reference.outcome import ImageOutcome, spike_rows
from spinn_convert.backends.reference.program import (
    Int32,
    Int64,
    Program,
    Wiring,
    channels_last,
    compile_program,
)
from spinn_convert.errors import BackendError, Problem
from spinn_convert.network.recording import Settings


@dataclass(frozen=True, eq=False)
class BoardProgram:
    """The arrays of the kernel, neurons channels last.

    board: a row of `kernel.BOARD_FIELDS` per population. wiring: of the program, with weights as
    `kernel.packed` makes them. i_offset, isyn_exc: raw, per neuron, 0 where they depend on the
    image.
    """

    plan: BoardPlan
    program: Program
    board: Int64
    wiring: Wiring
    i_offset: Int32
    isyn_exc: Int32


def compile_plan(plan: BoardPlan) -> BoardProgram:
    """Return the arrays of a plan."""
    program = compile_program(plan.integers)
    board = [(one(p.theta), p.shift, p.self_weight) for p in plan.populations]
    i_offset = np.zeros(int(program.populations[:, 1].sum()), np.int32)
    isyn_exc = np.zeros_like(i_offset)
    for population in plan.populations:
        if population.drive is not None:
            place(program, population.name, population.drive.i_offset, i_offset)
            place(program, population.name, population.drive.isyn_exc, isyn_exc)
    return BoardProgram(
        plan,
        program,
        np.array(board, np.int64),
        packed_wiring(program),
        i_offset,
        isyn_exc,
    )


def packed_wiring(program: Program) -> Wiring:
    """Return the wiring of a program in LSBs, with weights as `kernel.packed` makes them."""
    from spinn_convert.backends.board.kernel import packed

    wiring, unit = program.wiring, program.one
    return wiring._replace(
        weights=packed(wiring.weights // unit), listed=packed(wiring.listed // unit)
    )


def one(theta: float) -> int:
    """Return a threshold of `theta` mV as an integer in units of 2^-15 mV."""
    return round(theta * (1 << FRACTION_BITS))


def simulate_image(
    board: BoardProgram, drives: Mapping[str, Drive], settings: Settings, limit: int
) -> ImageResult:
    """Simulate one image.

    drives: its constant currents, by population. limit: at which ring buffers saturate, LSBs.
    Raises BackendError that names the populations whose numbers overflow.
    """
    from spinn_convert.backends.board.kernel import simulate

    program = board.program
    i_offset, isyn_exc = board.i_offset.copy(), board.isyn_exc.copy()
    for name, found in drives.items():
        place(program, name, found.i_offset, i_offset)
        place(program, name, found.isyn_exc, isyn_exc)
    spikes, begins, readout, peaks, saturated, wraps = simulate(
        board.wiring,
        board.board,
        i_offset,
        isyn_exc,
        limit,
        settings.steps,
    )
    check_range(program, wraps, readout)
    ones = [one(p.theta) for p in board.plan.populations if p.kind == "readout"]
    result = image_result(program, settings, spikes, begins, in_thresholds(program, readout, ones))
    to_itself = replace(result, events=result.events + len(spikes))
    clipped = {name: int(found.clipped.sum()) for name, found in drives.items()}
    return ImageResult(to_itself, peaks, saturated, clipped, np.zeros((2, 0), np.int64))


def check_range(program: Program, wraps: Int64, readout: Int32) -> None:
    """Raise BackendError that names the populations whose numbers overflowed, and the steps.

    wraps: first step of each population in which a number overflowed (P,), of the kernel. readout:
    raw V (T, N), which must stay below NEVER.
    """
    steps, begin, found = len(readout), 0, []
    for p, name in enumerate(program.names):
        first, size = int(wraps[p]), int(program.populations[p, 1])
        if not program.populations[p, 2]:
            above = (readout[:, begin : begin + size] >= one(NEVER)).any(axis=1)
            first, begin = min([first, *np.flatnonzero(above)]), begin + size
        found.append((first, name))
    what, fix = "a current or potential exceeds the board's range in step", "simulate fewer steps"
    problems = [
        Problem(name, f"{what} {step}", fix) for step, name in sorted(found) if step < steps
    ]
    if problems:
        raise BackendError(problems)


def place(program: Program, name: str, values: Int32, everything: Int32) -> None:
    """Write one population's values, which broadcast to its shape, into an array of all neurons."""
    index = program.names.index(name)
    shape, (offset, size) = program.shapes[index], program.populations[index, :2]
    ordered = np.broadcast_to(values, shape).ravel()[channels_last(shape)]
    everything[offset : offset + size] = ordered


def in_thresholds(program: Program, readout: Int32, ones: Sequence[int]) -> NDArray[np.float32]:
    """Return raw potentials (T, N), channels last, in thresholds and (C, H, W) order.

    ones: a threshold of each readout, as `one` returns it.
    """
    ordered, begin = np.empty(readout.shape, np.float32), 0
    shapes = [s for s, row in zip(program.shapes, program.populations) if not row[2]]
    for shape, threshold in zip(shapes, ones):
        order = begin + channels_last(shape)
        ordered[:, order] = readout[:, begin : begin + len(order)] / threshold
        begin += len(order)
    return ordered


def image_result(
    program: Program,
    settings: Settings,
    spikes: Int32,
    begins: Int64,
    readout: NDArray[np.float32],
) -> ImageOutcome:
    """Return the result of one image from what a kernel returned; `readout` in thresholds."""
    counts = begins[:, -1] - begins[:, 0]
    neurons = np.repeat(program.populations[:, 0], counts) + spikes
    rows = {}
    for name in settings.record:
        p = program.names.index(name)
        rows[name] = spike_rows(program, name, spikes, begins[p, :-1], begins[p, 1:])
    events = int(program.out_degree[neurons].sum())
    return ImageOutcome(counts, events, settings.kept(readout), rows, settings.steps)
