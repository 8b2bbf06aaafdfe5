"""Network -> flat integer arrays that the event-driven kernel walks through.

Potentials and weights are integers in units of 2^-(bits + 1) thresholds, so sums are exact. Neurons
are stored channels last: the targets of one spike along a row of a feature map are then contiguous.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from spinn_convert.backends.reference.shared import image_shape, integers, shared
from spinn_convert.errors import BackendError, Problem
from spinn_convert.linear.maps import fan_out, on_grid, synapses
from spinn_convert.linear.ops import Floats, Shape
from spinn_convert.network.records import Network, Population, Projection

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]

POPULATION_FIELDS = (
    "offset",
    "size",
    "spiking",
    "release",
    "first",
    "last",
    "channels",
    "most_input",
)
PROJECTION_FIELDS = ("source", "delay", "kind", "weights", "rows", "stride")
LISTED, SHARED, FEW = range(3)
"""Kinds of projections, see Wiring."""
MOST_FEW = 4
"""Synapses of a neuron up to which all neurons get room for as many."""

LARGEST_VALUE = 1 << 28
"""Largest bias, current or initial potential: 8,192 thresholds at 14 bits."""


class Wiring(NamedTuple):
    """The connections, as arrays for kernels.

    populations, projections: a row for each, with the columns named above. first, last: the rows of
    a population's projections; copies, which follow one another and have the same input, share
    these. most_input: largest sum of |weights| onto one neuron, or more.

    SHARED projections have their weights in `weights`, from the column `weights` on, with `stride`
    of them for each channel of the source; place p of the source reaches its targets in `runs`
    rows[p] to rows[p + 1], each (first target, first weight, length). LISTED: the values of a
    sparse matrix by source neuron in `listed`, its columns in `posts`, its row limits in `rows`.
    FEW: the same without limits, each source neuron has `stride` synapses, some with the weight 0,
    from the column `weights` on. Weights are int64 only in board programs (`board.kernel.packed`).
    """

    populations: Int64
    projections: Int64
    weights: Int32 | Int64
    listed: Int32 | Int64
    posts: Int32
    runs: Int32
    rows: Int64


@dataclass(frozen=True, eq=False)
class Program:
    """The network as arrays; potentials and weights are integers, in units of 1 / one thresholds.

    one: the threshold, 2^(bits + 1). bias, v_init, out_degree: per neuron, channels last,
    populations one after another; v_reset likewise, or empty for reset by subtraction.
    """

    names: tuple[str, ...]
    shapes: tuple[Shape, ...]
    one: int
    bias: Int32
    v_init: Int32
    v_reset: Int32
    out_degree: Int64
    wiring: Wiring

    @property
    def populations(self) -> Int64:
        """A row of POPULATION_FIELDS per population."""
        return self.wiring.populations


def compile_program(network: Network) -> Program:
    """Return the program of a network, without the projections of its input, which are currents."""
    members = [p for p in network.populations if p.kind != "input"]
    index = {p.name: i for i, p in enumerate(members)}
    arrays, bits = _Arrays(index, network.bits), network.bits
    populations: list[tuple[int, ...]] = []
    offset, first, most = 0, 0, 0
    received: list[tuple[str, int, int]] = []
    degrees = {p.name: np.zeros(p.shape, np.int64) for p in network.spiking}
    for population in members:
        inputs = [p for p in network.incoming(population) if p.source in index]
        same = [(p.source, p.delay, id(p.map)) for p in inputs]
        if new := same != received:
            first, most, received = len(arrays.projections), 0, same
        for projection in inputs:
            most += arrays.add(projection) if new else 0
            degrees[projection.source] += fan_out(projection.map, bits)
        span = first, len(arrays.projections)
        channels = image_shape(population.shape)[0]
        row = population.size, int(population.kind == "spiking"), population.release
        populations.append((offset, *row, *span, channels, most))
        offset += population.size
    none = np.zeros((), np.int64)
    return Program(
        names=tuple(index),
        shapes=tuple(p.shape for p in members),
        one=arrays.one,
        bias=integers(_per_neuron(members, [on_grid(p.bias, bits) for p in members]), arrays.one),
        v_init=integers(_per_neuron(members, [p.v_init for p in members]), arrays.one),
        v_reset=_resets(members, arrays.one),
        out_degree=_per_neuron(members, [degrees.get(p.name, none) for p in members]),
        wiring=arrays.wiring(populations),
    )


def _resets(members: Sequence[Population], one: int) -> Int32:
    """Return v_reset of all neurons, none if all subtract; readouts never spike."""
    if all(p.v_reset is None for p in members):
        return np.zeros(0, np.int32)
    none = np.zeros((), np.float32)
    return integers(
        _per_neuron(members, [none if p.v_reset is None else p.v_reset for p in members]), one
    )


class _Arrays:
    """The arrays of all projections so far; state because each begins where the last one ended."""

    def __init__(self, index: dict[str, int], bits: int) -> None:
        self.index, self.bits, self.one = index, bits, 1 << (bits + 1)
        self.projections: list[tuple[int, ...]] = []
        self.weights: list[Int32] = []
        self.listed: list[Int32] = []
        self.posts: list[Int32] = []
        self.runs: list[Int32] = []
        self.rows: list[Int64] = []

    def add(self, projection: Projection) -> int:
        """Append a projection: with shared weights where that does better, else as a list.

        Returns the largest sum of |weights| onto one neuron, or more.
        """
        found, row = shared(projection.map, self.bits, self.one), _total(self.rows)
        common = self.index[projection.source], projection.delay
        if found is not None:
            stride = found.weights[0].size
            self.projections.append((*common, SHARED, _total(self.weights), row, stride))
            self.rows.append(found.limits + _total(self.runs))
            self.runs.append(found.runs)
            self.weights.append(found.weights.ravel())
            return found.most
        matrix, first = _source_rows(projection, self.bits), _total(self.posts)
        posts, values = matrix.indices.astype(np.int32), integers(matrix.data, self.one)
        most = int(np.bincount(posts, np.abs(values)).max(initial=0))
        degree = int(np.diff(matrix.indptr).max(initial=0))
        if degree <= MOST_FEW:
            self.projections.append((*common, FEW, first, row, degree))
            posts, values = _padded(matrix, posts, degree), _padded(matrix, values, degree)
        else:
            self.projections.append((*common, LISTED, 0, row, 0))
            self.rows.append(matrix.indptr.astype(np.int64) + first)
        self.posts.append(posts)
        self.listed.append(values)
        return most

    def wiring(self, populations: Sequence[tuple[int, ...]]) -> Wiring:
        """Return all projections so far as a Wiring, with these rows of populations."""
        return Wiring(
            np.array(populations, np.int64).reshape(-1, len(POPULATION_FIELDS)),
            np.array(self.projections, np.int64).reshape(-1, len(PROJECTION_FIELDS)),
            np.concatenate([*self.weights, np.zeros(0, np.int32)]),
            np.concatenate([*self.listed, np.zeros(0, np.int32)]),
            np.concatenate([*self.posts, np.zeros(0, np.int32)]),
            np.concatenate([*self.runs, np.zeros((0, 3), np.int32)]),
            np.concatenate([*self.rows, np.zeros(0, np.int64)]),
        )


def _padded(matrix: sparse.csr_array, values: Int32, degree: int) -> Int32:
    """Return `values` of a sparse matrix's entries with `degree` of them in each row, 0 added."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    padded = np.zeros((matrix.shape[0], degree), np.int32)
    padded[rows, np.arange(len(values)) - matrix.indptr[rows]] = values
    return padded.ravel()


def _total(arrays: Sequence[NDArray[Any]]) -> int:
    return sum(map(len, arrays))


def channels_last(shape: Shape) -> Int64:
    """Return for each neuron in (H, W, C) order its index in (C, H, W) order."""
    return _last(np.arange(prod(shape)).reshape(shape))


def to_integers(program: Program, name: str, currents: Floats) -> Int32:
    """Return currents (B, *shape) of one population as integers (B, N), channels last.

    Raises BackendError where they are too large for the kernel.
    """
    flat = currents.reshape(len(currents), -1)
    order = channels_last(program.shapes[program.names.index(name)])
    values = integers(flat[:, order], program.one)
    largest = int(np.abs(values).max(initial=0))
    if largest > LARGEST_VALUE:
        what = f"an input current of {largest / program.one:.3g} thresholds per step or more"
        raise BackendError([Problem(name, what, "normalise the images as in training")])
    return values


def per_population(program: Program, p: int, values: Int32) -> Int32:
    """Return the part of `values`, an array over all neurons, that belongs to population p."""
    offset, size = program.populations[p, :2]
    return values[offset : offset + size]


def _last(values: NDArray[Any]) -> NDArray[Any]:
    image = values.reshape(image_shape(values.shape))
    return np.asarray(np.moveaxis(image, 0, -1).ravel())


def _per_neuron(members: Sequence[Population], values: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return values that broadcast to their populations' shapes, one population after another."""
    return np.concatenate([_last(np.broadcast_to(v, p.shape)) for p, v in zip(members, values)])


def _source_rows(projection: Projection, bits: int) -> sparse.csr_array:
    """Return the synapses as a matrix (source, target), both channels last."""
    sizes = prod(projection.map.in_shape), prod(projection.map.out_shape)
    pre, post, weight = (np.concatenate(part) for part in zip(*synapses(projection.map, bits)))
    rank_in, rank_out = np.empty(sizes[0], np.int64), np.empty(sizes[1], np.int64)
    rank_in[channels_last(projection.map.in_shape)] = np.arange(sizes[0])
    rank_out[channels_last(projection.map.out_shape)] = np.arange(sizes[1])
    return sparse.csr_array((weight, (rank_in[pre], rank_out[post])), sizes)
