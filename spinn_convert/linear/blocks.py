"""A linear map as a sum of Kronecker products: matrices of channels times matrices of places.

A place is a spatial position (row, column), flattened. A convolution does the same at every place:
each element of its kernel is a matrix (out, in) between channels, applied to all pairs of places
(output, input) that this element connects. Chains of convolutions, poolings and index maps stay
such sums, so that synapses are counted and listed without ever multiplying out the matrix of the
whole chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from spinn_convert.linear.kernel_elements import kernel_elements, seen_inputs
from spinn_convert.linear.ops import Conv, Dense, Floats, Gather, Ints, LinearOp, Scale, Shape
from spinn_convert.linear.ops import linear_shape as shape_after

Channels: TypeAlias = sparse.csr_array | Floats
"""Matrix (out, in) between channels: sparse, or dense where that is smaller and faster."""
DENSE = 0.1
"""Share of non-zero entries above which it is dense."""
MOST_PATTERNS = 64
"""A Gather that treats places in more different ways, by channel, or a Scale with more different
columns, becomes one sparse matrix instead of that many blocks."""


@dataclass(frozen=True, eq=False)
class Blocks:
    """The sum over k of kron(channels[k], places[k]), float32.

    channels: matrices (O, I). places: matrices (P, Q) of ones; no two have an entry in common.
    """

    channels: tuple[Channels, ...]
    places: tuple[sparse.csr_array, ...]


def blocks(ops: Sequence[LinearOp], shape: Shape) -> Blocks:
    """Return the blocks of a chain of operators on a tensor of `shape`."""
    channels, places = _view(shape)
    total = Blocks((_eye(channels),), (_eye(places),))
    for position, op in enumerate(ops):
        step = _blocks_of(op, shape)
        total = step if position == 0 else _product(total, step)
        shape = shape_after(op, shape)
    return total


def flat(total: Blocks) -> sparse.csr_array:
    """Return the whole matrix (O * P, I * Q)."""
    parts = [
        sparse.kron(sparse.csr_array(c), s, format="csr")
        for c, s in zip(total.channels, total.places)
    ]
    matrix = parts[0]
    for part in parts[1:]:
        matrix = matrix + part
    return sparse.csr_array(matrix)


def entries(channels: Channels) -> tuple[NDArray[np.integer], NDArray[np.integer], Floats]:
    """Return the non-zero (output, input, weight) of a matrix between channels."""
    if isinstance(channels, np.ndarray):
        output, source = np.nonzero(channels)
        return output, source, channels[output, source]
    listed = channels.tocoo()
    return listed.row, listed.col, listed.data


def _compact(channels: Channels) -> Channels:
    if isinstance(channels, np.ndarray):
        return channels
    filled = channels.nnz > DENSE * prod(channels.shape)
    return channels.toarray() if filled else sparse.csr_array(channels)


def _view(shape: Shape) -> tuple[int, int]:
    return shape[0], prod(shape[1:])


def _eye(size: int) -> sparse.csr_array:
    return sparse.csr_array(sparse.eye_array(size, dtype=np.float32))


def _ones(post: Ints, pre: Ints, shape: tuple[int, int]) -> sparse.csr_array:
    return sparse.csr_array((np.ones(len(post), np.float32), (post, pre)), shape)


def _blocks_of(op: LinearOp, shape: Shape) -> Blocks:
    if isinstance(op, Conv):
        return _of_conv(op, shape)
    if isinstance(op, Dense):
        return Blocks((op.weight,), (_eye(1),))
    if isinstance(op, Scale):
        return _of_scale(op, shape)
    return _of_gather(op, shape)


def _of_conv(op: Conv, shape: Shape) -> Blocks:
    """Return a block per kernel element; those with equal weights, as of a mean, share one."""
    out_shape = shape_after(op, shape)
    inputs = np.arange(prod(shape[1:]), dtype=np.int32).reshape(shape[1:])
    outputs = np.arange(prod(out_shape[1:]), dtype=np.int32).reshape(out_shape[1:])
    found: dict[bytes, tuple[Channels, list[Ints], list[Ints]]] = {}
    for ky, kx, rows, columns in kernel_elements(op, shape):
        weight = np.ascontiguousarray(op.weight[:, :, ky, kx])
        key = weight.tobytes()
        if key not in found:
            found[key] = _between(weight, op.groups), [], []
        y, x = seen_inputs(op, ky, kx, rows, columns)
        found[key][1].append(outputs[rows, columns].ravel())
        found[key][2].append(inputs[y, x].ravel())
    size = outputs.size, inputs.size
    places = [_ones(np.concatenate(p), np.concatenate(q), size) for _, p, q in found.values()]
    return Blocks(tuple(between for between, _, _ in found.values()), tuple(places))


def _between(weight: Floats, groups: int) -> Channels:
    """Return weights (O, I / groups) of one kernel element as a matrix (O, I)."""
    if groups == 1 and np.count_nonzero(weight) > DENSE * weight.size:
        return weight
    target, source = np.nonzero(weight)
    channel = source + target // (len(weight) // groups) * weight.shape[1]
    size = len(weight), groups * weight.shape[1]
    return _compact(sparse.csr_array((weight[target, source], (target, channel)), size))


def _of_scale(op: Scale, shape: Shape) -> Blocks:
    channels, places = _view(shape)
    factor = np.broadcast_to(op.factor, shape).reshape(channels, places)
    if (factor == factor[:, :1]).all():
        return Blocks((_diagonal(factor[:, 0]),), (_eye(places),))
    columns, which = np.unique(factor, axis=1, return_inverse=True)
    if columns.shape[1] > MOST_PATTERNS:
        return Blocks((_diagonal(factor.ravel()),), (_eye(1),))
    return Blocks(
        tuple(map(_diagonal, columns.T)),
        tuple(_diagonal((which == k).astype(np.float32)) for k in range(columns.shape[1])),
    )


def _diagonal(values: Floats) -> sparse.csr_array:
    at = np.flatnonzero(values).astype(np.int32)
    size = len(values), len(values)
    return sparse.csr_array((values[at].astype(np.float32), (at, at)), size)


def _of_gather(op: Gather, shape: Shape) -> Blocks:
    """Return a block per pattern of copied places, if every channel copies from one channel only.

    Otherwise, or with more than MOST_PATTERNS, a single block.
    """
    (channels, places), (inputs, input_places) = _view(op.shape), _view(shape)
    index = op.index.reshape(channels, places)
    source = np.where(index < 0, -1, index // input_places).max(1)
    pattern = np.where(index < 0, -1, index % input_places)
    patterns, which = np.unique(pattern, axis=0, return_inverse=True)
    uniform = ((index < 0) | (index // input_places == source[:, None])).all()
    if not uniform or len(patterns) > MOST_PATTERNS:
        post = np.flatnonzero(op.index >= 0).astype(np.int32)
        return Blocks((_ones(post, op.index[post], (op.index.size, prod(shape))),), (_eye(1),))
    between, seen = [], []
    for k, row in enumerate(patterns):
        target = np.flatnonzero((which == k) & (source >= 0)).astype(np.int32)
        at = np.flatnonzero(row >= 0).astype(np.int32)
        between.append(_ones(target, source[target].astype(np.int32), (channels, inputs)))
        seen.append(_ones(at, row[at].astype(np.int32), (places, input_places)))
    kept = [(_compact(c), s) for c, s in zip(between, seen) if c.nnz and s.nnz]
    return _disjoint(kept, (channels, inputs), (places, input_places))


def _product(first: Blocks, second: Blocks) -> Blocks:
    """Return `second` after `first`."""
    if (
        second.channels[0].shape[1] != first.channels[0].shape[0]
        or second.places[0].shape[1] != first.places[0].shape[0]
    ):
        one = (_eye(1),)
        first, second = Blocks((flat(first),), one), Blocks((flat(second),), one)
    pairs = []
    for c_first, s_first in zip(first.channels, first.places):
        for c_second, s_second in zip(second.channels, second.places):
            seen = sparse.csr_array(s_second @ s_first)
            if seen.nnz:
                pairs.append((_compact(c_second @ c_first), seen))
    size = second.channels[0].shape[0], first.channels[0].shape[1]
    return _disjoint(pairs, size, (second.places[0].shape[0], first.places[0].shape[1]))


def _disjoint(
    pairs: Sequence[tuple[Channels, sparse.csr_array]],
    channels: tuple[int, int],
    places: tuple[int, int],
) -> Blocks:
    """Regroup a sum of kron(C, S) so that no entry is in more than one S.

    channels, places: shapes of every C and S.
    """
    if not pairs:
        return Blocks((sparse.csr_array(channels),), (sparse.csr_array(places),))
    coordinates = [s.tocoo() for _, s in pairs]
    keys = np.concatenate([c.row.astype(np.int64) * places[1] + c.col for c in coordinates])
    counts = np.concatenate([c.data for c in coordinates])
    unique, which = np.unique(keys, return_inverse=True)
    if len(unique) == len(keys) and (counts == 1).all():
        return Blocks(tuple(c for c, _ in pairs), tuple(s for _, s in pairs))
    pair = np.repeat(np.arange(len(pairs)), [c.nnz for c in coordinates])
    mixes, kind = _kinds(which, pair, counts, len(pairs))
    order = np.argsort(kind, kind="stable")
    ends = np.cumsum(np.bincount(kind, minlength=len(mixes)))[:-1]
    post, pre = (unique // places[1]).astype(np.int32), (unique % places[1]).astype(np.int32)
    return Blocks(
        tuple(_mixed([c for c, _ in pairs], mix) for mix in mixes),
        tuple(_ones(post[some], pre[some], places) for some in np.split(order, ends)),
    )


def _kinds(
    which: NDArray[np.integer], pair: NDArray[np.integer], counts: Floats, pairs: int
) -> tuple[Floats, NDArray[np.integer]]:
    """Return the different rows of a sparse matrix, (kinds, pairs), and of which kind each row is.

    which, pair, counts: row, column and value of its entries. Rows are compared by the sum of their
    values, each times a random number of its column; whether the rows of a kind really are equal is
    checked.
    """
    rng, rows = np.random.default_rng(0), int(which.max()) + 1
    while True:
        codes = rng.integers(1 << 63, size=pairs, dtype=np.uint64)
        sums = np.zeros(rows, np.uint64)
        np.add.at(sums, which, codes[pair] * counts.astype(np.uint64))
        _, first, kind = np.unique(sums, return_index=True, return_inverse=True)
        place = np.full(rows, -1)
        place[first] = np.arange(len(first))
        shown = place[which] >= 0
        mixes = np.zeros((len(first), pairs), np.float32)
        mixes[place[which[shown]], pair[shown]] = counts[shown]
        same = (mixes[kind[which], pair] == counts).all()
        if same and (np.bincount(which) == np.count_nonzero(mixes, 1)[kind]).all():
            return mixes, kind


def _mixed(matrices: Sequence[Channels], shares: Floats) -> Channels:
    used = [m * share for m, share in zip(matrices, shares) if share]
    total = used[0]
    for matrix in used[1:]:
        total = total + matrix
    return _compact(total)
