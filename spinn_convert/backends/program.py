"""Network -> flat integer arrays that the event-driven kernel walks through.

Potentials and weights are integers in units of 2^-(bits + 1) thresholds, so sums are exact. Neurons
are stored channels last: the targets of one spike along a row of a feature map are then contiguous.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from spinn_convert.linear import LinearMap, on_grid, synapses
from spinn_convert.network import Network, Population, Projection, out_degrees
from spinn_convert.ops import Conv, Shape

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]

POPULATION_FIELDS = ("offset", "size", "spiking", "release", "first", "last", "height", "width", "channels")
PROJECTION_FIELDS = (
    "source", "delay", "is_conv", "weights", "rows", "kernel_y", "kernel_x", "stride_y", "stride_x",
    "top", "left",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Program:
    """The network as arrays; one row per population and per projection (fields as named above).

    one: the threshold. bias, v_init, out_degree: per neuron, populations one after another.
    weights: of convolutions, (I, kH, kW, O) with kW in the order of the targets; of others, the
    values of a sparse matrix whose rows (by source neuron) start at `rows` and end in `posts`.
    """

    names: tuple[str, ...]
    shapes: tuple[Shape, ...]
    one: int
    populations: Int64
    projections: Int64
    bias: Int32
    v_init: Int32
    out_degree: Int64
    weights: Int32
    posts: Int32
    rows: Int64


def compile_program(network: Network) -> Program:
    """Return the program of a network; synapses of its analog input are left out."""
    one = 1 << (network.bits + 1)
    members = [p for p in network.populations if p.kind != "input"]
    index = {p.name: i for i, p in enumerate(members)}
    degrees = out_degrees(network)
    populations, projections = [], []
    weights: list[Int32] = []
    posts: list[Int32] = []
    rows: list[Int64] = []
    offset = 0
    for population in members:
        incoming = [p for p in network.incoming(population) if p.source in index]
        shape = _image_shape(population.shape)
        span = (len(projections), len(projections) + len(incoming))
        spiking = int(population.kind == "spiking")
        populations.append(
            (offset, population.size, spiking, population.release, *span, shape[1], shape[2], shape[0])
        )
        offset += population.size
        for projection in incoming:
            where = (sum(map(len, weights)), sum(map(len, rows)))
            conv = _plain_conv(projection.map)
            if conv is not None:
                weights.append(_integers(_conv_weights(conv, network.bits), one))
                posts.append(np.zeros(weights[-1].size, np.int32))
                geometry = (*conv.weight.shape[2:], *conv.stride, *conv.pads[:2])
            else:
                matrix = _source_rows(projection, network.bits)
                weights.append(_integers(matrix.data, one))
                posts.append(matrix.indices.astype(np.int32))
                rows.append(matrix.indptr.astype(np.int64) + where[0])
                geometry = (0,) * 6
            source = index[projection.source]
            projections.append((source, projection.delay, int(conv is not None), *where, *geometry))
    return Program(
        tuple(index),
        tuple(p.shape for p in members),
        one,
        np.array(populations, np.int64).reshape(-1, len(POPULATION_FIELDS)),
        np.array(projections, np.int64).reshape(-1, len(PROJECTION_FIELDS)),
        _per_neuron(((p, on_grid(p.bias, network.bits)) for p in members), one),
        _per_neuron(((p, p.v_init) for p in members), one),
        np.concatenate([_last(degrees.get(p.name, np.zeros(p.shape, np.int64))) for p in members]),
        np.concatenate([*weights, np.zeros(0, np.int32)]),
        np.concatenate([*posts, np.zeros(0, np.int32)]),
        np.concatenate([*rows, np.zeros(0, np.int64)]),
    )


def channels_last(shape: Shape) -> Int64:
    """Return for each neuron in (H, W, C) order its index in (C, H, W) order."""
    return _last(np.arange(prod(shape)).reshape(shape))


def to_integers(program: Program, name: str, currents: NDArray[np.float32]) -> Int32:
    """Return currents (B, *shape) of one population as integers (B, N), channels last."""
    flat = currents.reshape(len(currents), -1)
    order = channels_last(program.shapes[program.names.index(name)])
    return _integers(flat[:, order], program.one)


def _image_shape(shape: Shape) -> Shape:
    return shape if len(shape) == 3 else (prod(shape), 1, 1)


def _last(values: NDArray[np.generic]) -> Int64:
    image = values.reshape(_image_shape(values.shape))
    return np.moveaxis(image, 0, -1).ravel()


def _integers(values: NDArray[np.floating], one: int) -> Int32:
    return np.rint(values.astype(np.float64) * one).astype(np.int32)


def _per_neuron(values: Iterable[tuple[Population, NDArray[np.float32]]], one: int) -> Int32:
    full = [_last(np.broadcast_to(value, population.shape)) for population, value in values]
    return _integers(np.concatenate(full), one)


def _plain_conv(linear: LinearMap) -> Conv | None:
    """Return the convolution if the kernel can run it directly, else None."""
    if len(linear.ops) != 1 or not isinstance(linear.ops[0], Conv):
        return None
    op = linear.ops[0]
    return op if op.groups == 1 and op.dilation == (1, 1) else None


def _conv_weights(op: Conv, bits: int) -> NDArray[np.float32]:
    """Order by (source channel, ky, kx by phase of the stride and descending, target channel)."""
    stride, width = op.stride[1], op.weight.shape[3]
    order = [kx for phase in range(stride) for kx in reversed(range(phase, width, stride))]
    return on_grid(op.weight.transpose(1, 2, 3, 0)[:, :, order], bits).ravel()


def _source_rows(projection: Projection, bits: int) -> sparse.csr_array:
    """Return the synapses as a matrix (source, target), both channels last."""
    sizes = prod(projection.map.in_shape), prod(projection.map.out_shape)
    pre, post, weight = (np.concatenate(part) for part in zip(*synapses(projection.map, bits)))
    rank_in, rank_out = np.empty(sizes[0], np.int64), np.empty(sizes[1], np.int64)
    rank_in[channels_last(projection.map.in_shape)] = np.arange(sizes[0])
    rank_out[channels_last(projection.map.out_shape)] = np.arange(sizes[1])
    return sparse.csr_array((weight, (rank_in[pre], rank_out[post])), sizes)
