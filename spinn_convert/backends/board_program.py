"""Board plan -> the flat arrays that the integer kernel walks through, and one image's run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinn_convert.backends.board_drive import FRACTION_BITS, Drive
from spinn_convert.backends.board_plan import NEVER, BoardPlan
from spinn_convert.backends.program import Int32, Int64, Program, channels_last, compile_program
from spinn_convert.backends.reference import _begins, _Result, _rows
from spinn_convert.errors import BackendError, Problem
from spinn_convert.recording import Settings


@dataclass(frozen=True, eq=False)
class BoardProgram:
    """The arrays of the kernel, channels last.

    board: per population, the kernel's BOARD_FIELDS. weights, listed: those of `program`, packed.
    i_offset, isyn_exc: per neuron, 0 where they depend on the image.
    """

    plan: BoardPlan
    program: Program
    board: Int64
    weights: Int64
    listed: Int64
    i_offset: Int32
    isyn_exc: Int32


@dataclass(frozen=True, eq=False)
class ImageResult:
    """What one image left behind; peaks (P, 2) in LSBs, saturated (P,), both by population."""

    result: _Result
    peaks: Int64
    saturated: Int64
    clipped: Mapping[str, int]


def compile_plan(plan: BoardPlan) -> BoardProgram:
    """Return the program of a plan."""
    from spinn_convert.backends.board_kernel import packed

    program = compile_program(plan.integers)
    board = [(one(p.theta), p.shift, p.self_weight) for p in plan.populations]
    i_offset = np.zeros(int(program.populations[:, 1].sum()), np.int32)
    isyn_exc = np.zeros_like(i_offset)
    for population in plan.populations:
        if population.drive is not None:
            _place(program, population.name, population.drive, i_offset, isyn_exc)
    return BoardProgram(
        plan,
        program,
        np.array(board, np.int64),
        packed(program.weights // program.one),
        packed(program.listed // program.one),
        i_offset,
        isyn_exc,
    )


def one(theta: float) -> int:
    """Return a threshold of `theta` mV, raw."""
    return round(theta * (1 << FRACTION_BITS))


def simulate_image(
    board: BoardProgram, drives: Mapping[str, Drive], settings: Settings, limit: int
) -> ImageResult:
    """Simulate one image, given its drives; ring buffers saturate at `limit` LSBs.

    Raises BackendError when a number leaves its range.
    """
    from spinn_convert.backends.board_kernel import simulate

    program = board.program
    i_offset, isyn_exc = board.i_offset.copy(), board.isyn_exc.copy()
    for name, found in drives.items():
        _place(program, name, found, i_offset, isyn_exc)
    spikes, begins, readout, peaks, saturated, wrapped = simulate(
        program.populations,
        program.projections,
        board.board,
        i_offset,
        isyn_exc,
        board.weights,
        board.listed,
        program.posts,
        program.runs,
        program.rows,
        limit,
        settings.steps,
    )
    if wrapped or readout.max(initial=0) >= one(NEVER):
        what = "a synaptic current left the range of the board's numbers"
        raise BackendError([Problem("the board's arithmetic", what, "simulate fewer steps")])
    counts = begins[:, -1] - begins[:, 0]
    to_itself = counts.sum()
    events = int(program.out_degree[_neurons(program, spikes, counts)].sum() + to_itself)
    rows = {
        name: _rows(program, name, spikes, begins[program.names.index(name)])
        for name in settings.record
    }
    result = _Result(counts, events, _in_thresholds(board, readout), rows)
    clipped = {name: int(found.clipped.sum()) for name, found in drives.items()}
    return ImageResult(result, peaks, saturated, clipped)


def _place(program: Program, name: str, found: Drive, i_offset: Int32, isyn_exc: Int32) -> None:
    """Write the drive of one population into arrays over all neurons."""
    index = program.names.index(name)
    shape, (offset, size) = program.shapes[index], program.populations[index, :2]
    order = channels_last(shape)
    i_offset[offset : offset + size] = np.broadcast_to(found.i_offset, shape).ravel()[order]
    isyn_exc[offset : offset + size] = np.broadcast_to(found.isyn_exc, shape).ravel()[order]


def _neurons(program: Program, spikes: Int32, counts: Int64) -> Int64:
    """Return the spiking neurons as indices over all populations."""
    return np.asarray(np.repeat(program.populations[:, 0], counts) + spikes, np.int64)


def _in_thresholds(board: BoardProgram, readout: Int32) -> NDArray[np.float32]:
    """Return raw potentials (T, N), channels last, in thresholds and (C, H, W) order."""
    readouts = [p for p in board.plan.populations if p.kind == "readout"]
    sizes = [p.size for p in board.plan.network.readouts]
    ordered = np.empty(readout.shape, np.float32)
    for population, begin, size in zip(readouts, _begins(sizes), sizes):
        potentials = readout[:, begin : begin + size] / one(population.theta)
        ordered[:, begin + channels_last(population.shape)] = potentials
    return ordered
