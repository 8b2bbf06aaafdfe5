"""Linear maps between two populations: compose, apply, count, and expand to synapses.

A map stays a short chain of typed operators until a backend wants synapses; then it is expanded
piece by piece, so that no full list of a large projection is ever held.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from spinn_convert.ops import Conv, Dense, Floats, Gather, LinearOp, Scale, Shape, linear_shape

if TYPE_CHECKING:
    import torch

Synapses = tuple[NDArray[np.int64], NDArray[np.int64], Floats]


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
    """Return `first` followed by `ops`, neighbours merged where the result is as small."""
    chain, shapes = list(first.ops), [first.in_shape]
    for op in chain:
        shapes.append(linear_shape(op, shapes[-1]))
    for op in ops:
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
        return _compose_convs(a, b)
    if isinstance(a, Gather) and isinstance(b, Gather):
        index = np.where(b.index < 0, -1, a.index[np.maximum(b.index, 0)])
        return Gather(index.astype(np.int32), b.shape)
    if isinstance(a, Gather) and isinstance(b, Dense) and _is_reshape(a, shape):
        return b
    return None


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
    """Return `b` after `a`, one of which is a 1x1 convolution; its synapses are the product's."""
    weight = np.einsum("mikl,omyx->oikylx", _ungrouped(a), _ungrouped(b))
    kernel = a.weight.shape[2] * b.weight.shape[2], a.weight.shape[3] * b.weight.shape[3]
    other = a if _pointwise(b) else b
    weight = np.ascontiguousarray(weight.reshape(*weight.shape[:2], *kernel), np.float32)
    return Conv(weight, other.stride, other.dilation, other.pads)


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
    return np.asarray(np.ldexp(np.rint(np.ldexp(values, bits)), -bits), np.float32)


def fan_out(linear: LinearMap, bits: int) -> NDArray[np.int64]:
    """Return the number of synapses that leave each input neuron, shape `in_shape`.

    Counts the weights that are not zero when rounded to 2^-bits, as `synapses` yields them.
    """
    if len(linear.ops) == 1 and isinstance(linear.ops[0], Conv):
        return _conv_fan_out(linear.ops[0], linear.in_shape, bits)
    counts = np.zeros(prod(linear.in_shape), np.int64)
    for pre, _, _ in synapses(linear, bits):
        counts += np.bincount(pre, minlength=counts.size)
    return counts.reshape(linear.in_shape)


def _conv_fan_out(op: Conv, shape: Shape, bits: int) -> NDArray[np.int64]:
    """Count by kernel tap, without expanding."""
    _, per_group, height, width = op.weight.shape
    used = (on_grid(op.weight, bits) != 0).reshape(op.groups, -1, per_group, height, width)
    targets = used.sum(1).reshape(shape[0], height, width)
    counts = np.zeros(shape, np.int64)
    for ky, kx, rows, columns in conv_taps(op, shape):
        y, x = _seen_inputs(op, ky, kx, rows, columns)
        counts[:, y, x] += targets[:, ky, kx, None, None]
    return counts


def synapses(linear: LinearMap, bits: int) -> Iterator[Synapses]:
    """Yield (pre, post, weight) arrays, weights rounded to 2^-bits and never zero.

    Neuron indices are those of the flattened (C, H, W) tensors.
    """
    if len(linear.ops) > 1:
        coo = matrix(linear).tocoo()
        pieces: Iterator[Synapses] = iter(
            [(coo.col.astype(np.int64), coo.row.astype(np.int64), coo.data)]
        )
    elif linear.ops:
        pieces = _expand(linear.ops[0], linear.in_shape)
    else:
        every = np.arange(prod(linear.in_shape))
        pieces = iter([(every, every, np.ones(every.size, np.float32))])
    for pre, post, weight in pieces:
        rounded = on_grid(weight, bits)
        kept = rounded != 0
        yield pre[kept], post[kept], rounded[kept]


def matrix(linear: LinearMap) -> sparse.csr_array:
    """Return the whole map as a sparse matrix (post, pre), float32."""
    shape, product = linear.in_shape, None
    for op in linear.ops:
        pre, post, weight = (np.concatenate(part) for part in zip(*_expand(op, shape)))
        size = prod(linear_shape(op, shape)), prod(shape)
        factor = sparse.csr_array((weight, (post, pre)), size)
        product = factor if product is None else factor @ product
        shape = linear_shape(op, shape)
    return (
        sparse.eye_array(prod(shape), dtype=np.float32, format="csr")
        if product is None
        else product
    )


def conv_taps(op: Conv, shape: Shape) -> Iterator[tuple[int, int, slice, slice]]:
    """Yield (ky, kx, output rows, output columns) that see a real input through that tap."""
    _, out_height, out_width = linear_shape(op, shape)
    top, left = op.pads[:2]
    for ky in range(op.weight.shape[2]):
        rows = _seen(ky * op.dilation[0] - top, op.stride[0], shape[1], out_height)
        for kx in range(op.weight.shape[3]):
            columns = _seen(kx * op.dilation[1] - left, op.stride[1], shape[2], out_width)
            if rows.start < rows.stop and columns.start < columns.stop:
                yield ky, kx, rows, columns


def _seen(offset: int, stride: int, size: int, positions: int) -> slice:
    """Return the output positions o with 0 <= o * stride + offset < size."""
    return slice(max(0, -(offset // stride)), min(positions, (size - 1 - offset) // stride + 1))


def _seen_inputs(op: Conv, ky: int, kx: int, rows: slice, columns: slice) -> tuple[slice, slice]:
    """Return the input rows and columns that `rows` and `columns` see through a tap."""
    found = []
    for axis, k, seen in ((0, ky, rows), (1, kx, columns)):
        stride, offset = op.stride[axis], k * op.dilation[axis] - op.pads[axis]
        found.append(
            slice(seen.start * stride + offset, (seen.stop - 1) * stride + offset + 1, stride)
        )
    return found[0], found[1]


def _expand(op: LinearOp, shape: Shape) -> Iterator[Synapses]:
    """Yield the non-zero entries of one operator as (pre, post, weight)."""
    if isinstance(op, Conv):
        yield from _expand_conv(op, shape)
    elif isinstance(op, Dense):
        post, pre = np.nonzero(op.weight)
        yield pre, post, op.weight[post, pre]
    elif isinstance(op, Scale):
        every = np.arange(prod(shape))
        yield every, every, np.broadcast_to(op.factor, shape).ravel()
    else:
        post = np.flatnonzero(op.index >= 0)
        yield op.index[post].astype(np.int64), post, np.ones(post.size, np.float32)


def _expand_conv(op: Conv, shape: Shape) -> Iterator[Synapses]:
    """Yield one piece per kernel tap."""
    inputs = np.arange(prod(shape)).reshape(shape)
    outputs = np.arange(prod(linear_shape(op, shape))).reshape(linear_shape(op, shape))
    per_group = len(op.weight) // op.groups
    for ky, kx, rows, columns in conv_taps(op, shape):
        target, source = np.nonzero(op.weight[:, :, ky, kx])
        channel = source + target // per_group * op.weight.shape[1]
        y, x = _seen_inputs(op, ky, kx, rows, columns)
        pre = inputs[:, y, x].reshape(shape[0], -1)[channel]
        post = outputs[:, rows, columns].reshape(len(op.weight), -1)[target]
        weight = np.repeat(op.weight[target, source, ky, kx], pre.shape[1])
        yield pre.ravel(), post.ravel(), weight
