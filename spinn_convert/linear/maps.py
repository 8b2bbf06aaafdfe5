"""Linear maps between two populations: compose, apply, count, and expand to synapses.

A map stays a short chain of typed operators until a backend wants synapses; then it is expanded
piece by piece, so that no full list of a large projection is ever held.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from spinn_convert.linear.blocks import Blocks, blocks, entries, flat
from spinn_convert.linear.ops import (
    Conv,
    Dense,
    Floats,
    Gather,
    LinearOp,
    Scale,
    Shape,
    linear_shape,
)
from spinn_convert.linear.share import ALL, Share

if TYPE_CHECKING:
    import torch

PIECE = 4_000_000
"""Synapses that are listed at a time."""

MOST_ZEROS = 2**24
"""A grouped convolution is merged with its neighbour by filling the weights between its groups with
zeros, unless these would be more than this."""

Synapses = tuple[NDArray[np.int64], NDArray[np.int64], Floats]
"""Indices of source and target neurons, and weights; three arrays of one length."""


@dataclass(frozen=True, eq=False)
class LinearMap:
    """A chain of linear operators from a tensor of `in_shape`; the empty chain is the identity."""

    in_shape: Shape
    ops: tuple[LinearOp, ...] = ()

    @property
    def out_shape(self) -> Shape:
        """Shape of the result."""
        shape = self.in_shape
        for op in self.ops:
            shape = linear_shape(op, shape)
        return shape


def then(first: LinearMap, *ops: LinearOp) -> LinearMap:
    """Return `first` followed by `ops`, neighbours merged where that makes no more weights."""
    chain, shapes = list(first.ops), [first.in_shape]
    for op in chain:
        shapes.append(linear_shape(op, shapes[-1]))
    waiting = list(reversed(ops))
    while waiting:
        op = waiting.pop()
        if chain and isinstance(chain[-1], Scale) and isinstance(op, Gather):
            shapes.pop()
            waiting += [_scale_behind(chain.pop(), op, shapes[-1]), op]
            continue
        while chain and (merged := _merge(chain[-1], op, shapes[-2])) is not None:
            chain.pop()
            shapes.pop()
            op = merged
        if not _is_identity(op, shapes[-1]):
            chain.append(op)
            shapes.append(linear_shape(op, shapes[-1]))
    return LinearMap(first.in_shape, tuple(chain))


def _is_identity(op: LinearOp, shape: Shape) -> bool:
    if isinstance(op, Scale):
        return bool((op.factor == 1).all())
    if isinstance(op, Gather):
        return op.shape == shape and _is_reshape(op, shape)
    return False


def _merge(a: LinearOp, b: LinearOp, shape: Shape) -> LinearOp | None:
    """Return one operator equal to `a` (on a tensor of `shape`) then `b`, or None."""
    if isinstance(b, Scale):
        return _scaled_after(a, b, shape)
    if isinstance(a, Scale):
        return _scaled_before(a, b, shape)
    if isinstance(a, Conv) and isinstance(b, Conv) and (_pointwise(a) or _pointwise(b)):
        return None if max(map(_zeros, (a, b))) > MOST_ZEROS else _compose_convs(a, b)
    if isinstance(a, Gather) and isinstance(b, Gather):
        index = np.where(b.index < 0, -1, a.index[np.maximum(b.index, 0)])
        return Gather(index.astype(np.int32), b.shape)
    if isinstance(a, Gather) and isinstance(b, Dense) and _is_reshape(a, shape):
        return b
    return None


def _scale_behind(scale: LinearOp, gather: Gather, shape: Shape) -> Scale:
    """Return the scale after `gather` that equals `scale` before it, on a tensor of `shape`."""
    factor = scale.factor if isinstance(scale, Scale) else np.ones(1, np.float32)
    if factor.size == 1:
        return Scale(factor.reshape((1,) * len(gather.shape)))
    moved = np.broadcast_to(factor, shape).ravel()[gather.index].reshape(gather.shape[0], -1)
    copied = gather.index.reshape(moved.shape) >= 0
    rows = np.arange(len(moved))
    per_channel = moved[rows, copied.argmax(1)]
    if ((moved == per_channel[:, None]) | ~copied).all():
        return Scale(per_channel.reshape(-1, *(1,) * (len(gather.shape) - 1)))
    return Scale(moved.reshape(gather.shape))


def _scaled_after(a: LinearOp, scale: Scale, shape: Shape) -> LinearOp | None:
    if isinstance(a, Scale):
        return Scale(np.asarray(a.factor * scale.factor, np.float32))
    factors = _per_channel(scale, linear_shape(a, shape))
    if factors is None or not isinstance(a, Conv | Dense):
        return None
    return _with_weight(a, a.weight * factors.reshape(-1, *(1,) * (a.weight.ndim - 1)))


def _scaled_before(scale: Scale, b: LinearOp, shape: Shape) -> LinearOp | None:
    if isinstance(b, Dense):
        return Dense(b.weight * np.broadcast_to(scale.factor, shape).ravel())
    factors = _per_channel(scale, shape)
    if factors is None or not isinstance(b, Conv):
        return None
    weight = b.weight.reshape(b.groups, -1, *b.weight.shape[1:])
    weight = weight * factors.reshape(b.groups, 1, -1, 1, 1)
    return _with_weight(b, weight.reshape(b.weight.shape))


def _is_reshape(op: Gather, shape: Shape) -> bool:
    return op.index.size == prod(shape) and bool((op.index == np.arange(op.index.size)).all())


def _pointwise(op: Conv) -> bool:
    return op.weight.shape[2:] == (1, 1) and op.stride == (1, 1) and not any(op.pads)


def _compose_convs(a: Conv, b: Conv) -> Conv:
    """Return one convolution equal to `a` then `b`, one of which has a 1x1 kernel."""
    first, second = _ungrouped(a), _ungrouped(b)
    weight = np.tensordot(second, first, (1, 0)).transpose(0, 3, 1, 4, 2, 5)
    kernel = a.weight.shape[2] * b.weight.shape[2], a.weight.shape[3] * b.weight.shape[3]
    other = a if _pointwise(b) else b
    weight = np.ascontiguousarray(weight.reshape(*weight.shape[:2], *kernel), np.float32)
    return Conv(weight, other.stride, other.dilation, other.pads)


def _zeros(op: Conv) -> int:
    """Return how many zeros `_ungrouped` fills in."""
    return op.weight.size * (op.groups - 1)


def _ungrouped(op: Conv) -> Floats:
    """Return the weights as (O, I, kH, kW), zero between groups."""
    out, per_group, *kernel = op.weight.shape
    if op.groups == 1:
        return op.weight
    full = np.zeros((op.groups, out // op.groups, op.groups, per_group, *kernel), np.float32)
    group = np.arange(op.groups)
    full[group, :, group] = op.weight.reshape(op.groups, -1, per_group, *kernel)
    return full.reshape(out, op.groups * per_group, *kernel)


def _with_weight(op: Conv | Dense, weight: Floats) -> Conv | Dense:
    weight = np.ascontiguousarray(weight, np.float32)
    if isinstance(op, Dense):
        return Dense(weight)
    return Conv(weight, op.stride, op.dilation, op.pads, op.groups)


def _per_channel(scale: Scale, shape: Shape) -> Floats | None:
    """Return the factors (C,) when the scale is constant over space, else None."""
    factor = scale.factor.reshape((1,) * (len(shape) - scale.factor.ndim) + scale.factor.shape)
    if any(size != 1 for size in factor.shape[1:]):
        return None
    return np.broadcast_to(factor.reshape(-1), shape[:1])


def apply(linear: LinearMap, x: torch.Tensor) -> torch.Tensor:
    """Apply the map to a batch (B, *in_shape); returns (B, *out_shape)."""
    import torch

    for op in linear.ops:
        if isinstance(op, Conv):
            top, left, bottom, right = op.pads
            padding = (top, left)
            if (top, left) != (bottom, right):
                x, padding = torch.nn.functional.pad(x, (left, right, top, bottom)), (0, 0)
            weight = _tensor(op.weight, x)
            x = torch.nn.functional.conv2d(
                x, weight, None, op.stride, padding, op.dilation, op.groups
            )
        elif isinstance(op, Dense):
            x = x.flatten(1) @ _tensor(op.weight, x).T
        elif isinstance(op, Scale):
            x = x * _tensor(op.factor, x)
        else:
            index = torch.from_numpy(op.index.astype(np.int64)).to(x.device)
            padded = torch.nn.functional.pad(x.flatten(1), (0, 1))
            x = padded[:, index].reshape(-1, *op.shape)
    return x


def _tensor(values: Floats, like: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.from_numpy(np.require(values, requirements=["C", "W"])).to(like)


def on_grid(values: NDArray[np.floating], bits: int) -> Floats:
    """Round to multiples of 2^-bits."""
    with np.errstate(over="ignore"):  # what overflows is infinite, and refused or reported as that
        return np.asarray(np.ldexp(np.rint(np.ldexp(values, bits)), -bits), np.float32)


@lru_cache(maxsize=2)
def blocks_of(linear: LinearMap) -> Blocks:
    """Return a map as a sum of blocks; the last ones are kept, as who lists also counts."""
    return blocks(linear.ops, linear.in_shape)


def fan_out(linear: LinearMap, bits: int) -> NDArray[np.int64]:
    """Return the number of synapses that leave each input neuron, shape `in_shape`.

    Counts the weights that are not zero when rounded to 2^-bits, as `synapses` yields them.
    """
    first = linear.ops[0] if linear.ops else None
    if isinstance(first, Gather) and _copies_once(first):
        rest = fan_out(LinearMap(first.shape, linear.ops[1:]), bits).ravel()
        counts = np.zeros(prod(linear.in_shape), np.int64)
        counts[first.index[first.index >= 0]] = rest[first.index >= 0]
        return counts.reshape(linear.in_shape)
    if isinstance(first, Dense) and len(linear.ops) == 1:
        return np.asarray((on_grid(first.weight, bits) != 0).sum(0)).reshape(linear.in_shape)
    parts = blocks_of(linear)
    total = np.zeros((parts.channels[0].shape[1], parts.places[0].shape[1]), np.int64)
    for channels, places in zip(parts.channels, parts.places):
        _, source, weight = entries(channels)
        used = source[on_grid(weight, bits) != 0]
        targets = np.bincount(used, minlength=len(total))
        total += np.multiply.outer(targets, np.bincount(places.indices, minlength=total.shape[1]))
    return total.reshape(linear.in_shape)


def _copies_once(op: Gather) -> bool:
    """Return if no input element is copied twice."""
    copied = op.index[op.index >= 0]
    return bool(np.bincount(copied, minlength=1).max(initial=0) <= 1)


def synapses(linear: LinearMap, bits: int, share: Share = ALL) -> Iterator[Synapses]:
    """Yield (pre, post, weight) arrays, weights rounded to 2^-bits and never zero.

    Neuron indices are those of the flattened (C, H, W) tensors, the targets only those of `share`.
    No array has more than PIECE elements, unless a single weight stands for more synapses.
    """
    parts = blocks_of(linear)
    for channels, places in zip(parts.channels, parts.places):
        (output, source, weight), seen = entries(channels), places.tocoo()
        weight = on_grid(weight, bits)
        kept = np.flatnonzero(weight)
        pre = source[kept].astype(np.int64) * places.shape[1]
        post = output[kept].astype(np.int64) * places.shape[0]
        for rest in range(share.ranks):  # of the number of a channel's first neuron
            at = np.flatnonzero((seen.row + rest - share.first) % share.ranks == 0)
            some = np.flatnonzero(post % share.ranks == rest)
            if not len(at):
                continue
            for begin in range(0, len(some), step := max(1, PIECE // len(at))):
                piece = some[begin : begin + step]
                yield (
                    np.add.outer(pre[piece], seen.col[at]).ravel(),
                    np.add.outer(post[piece], seen.row[at]).ravel(),
                    np.repeat(weight[kept[piece]], len(at)),
                )


def matrix(linear: LinearMap) -> sparse.csr_array:
    """Return the whole map as a sparse matrix (post, pre), float32."""
    return flat(blocks_of(linear))
