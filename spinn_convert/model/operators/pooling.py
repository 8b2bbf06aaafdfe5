"""Pooling: averages are linear, maxima need neurons of their own."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Literal

import numpy as np

from spinn_convert.linear.ops import Conv, Floats, LinearOp, MaxPool, Scale, Shape
from spinn_convert.model.operators.registry import Array, Step, Tensor, Unsupported, Value, reads
from spinn_convert.model.operators.steps import (
    Index,
    elements,
    float32,
    gather,
    gathered,
    integers,
    linear,
    mixed,
    own_axes,
)
from spinn_convert.model.operators.windows import AutoPad, Axis, Windows, windows


@reads("MaxPool")
def max_pool(
    x: Tensor,
    *,
    kernel_shape: Sequence[int],
    auto_pad: AutoPad = "NOTSET",
    ceil_mode: Literal[0, 1] = 0,
    dilations: Sequence[int] = (1, 1),
    pads: Sequence[int] = (0, 0, 0, 0),
    storage_order: Literal[0] = 0,
    strides: Sequence[int] = (1, 1),
) -> Value:
    """Maximum over windows; a window of one element is an index map."""
    placed = windows(x.shape, kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)
    for axis in (placed.rows, placed.columns):
        if not _counts(axis, 0, axis.size).all():
            raise Unsupported(f"pads={list(placed.pads)}: a window has nothing but padding")
    if placed.kernel == (1, 1):
        rows, columns = placed.rows.taps()[:, 0], placed.columns.taps()[:, 0]
        return gathered(x, elements(x.shape)[:, rows][:, :, columns])
    return Step(MaxPool(placed.kernel, placed.stride, placed.dilation, placed.pads), (x,))


@reads("GlobalMaxPool")
def global_max_pool(x: Tensor) -> Value:
    """Maximum over space, which stays as (C, 1, 1)."""
    return max_pool(x, kernel_shape=x.shape[1:])


@reads("AveragePool")
def average_pool(
    x: Tensor,
    *,
    kernel_shape: Sequence[int],
    auto_pad: AutoPad = "NOTSET",
    ceil_mode: Literal[0, 1] = 0,
    count_include_pad: Literal[0, 1] = 0,
    dilations: Sequence[int] = (1, 1),
    pads: Sequence[int] = (0, 0, 0, 0),
    strides: Sequence[int] = (1, 1),
) -> Step:
    """Mean over windows; a window with nothing but padding gives 0."""
    placed = windows(x.shape, kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)
    weight = np.full((x.shape[0], 1, *placed.kernel), 1 / prod(placed.kernel), np.float32)
    ops: list[LinearOp] = [Conv(weight, placed.stride, placed.dilation, placed.pads, x.shape[0])]
    factor = _correction(placed, bool(count_include_pad))
    if (factor != 1).any():
        ops.append(Scale(factor))
    return linear(x, *ops)


def _correction(placed: Windows, include_pad: bool) -> Floats:
    """Return kernel size / divisor of every window, (1, H, W)."""
    counted = []
    for axis in (placed.rows, placed.columns):
        low, high = (-axis.begin, axis.size + axis.end) if include_pad else (0, axis.size)
        counted.append(np.maximum(_counts(axis, low, high), 1))
    return float32(prod(placed.kernel) / np.multiply.outer(*counted))[None]


def _counts(axis: Axis, low: int, high: int) -> Index:
    """Return how many taps of each window lie from `low` to before `high`."""
    taps = axis.taps()
    counts: Index = ((taps >= low) & (taps < high)).sum(1)
    return counts


@reads("GlobalAveragePool")
def global_average_pool(x: Tensor) -> Value:
    """Mean over space, which stays with size 1."""
    if len(x.shape) < 2:
        raise Unsupported(f"a tensor of rank {len(x.shape) + 1} has no space")
    return _reduced(x, tuple(range(1, len(x.shape))), 1, mean=True)


@reads("ReduceMean")
def reduce_mean(
    x: Tensor,
    axes_input: Array | None = None,
    *,
    axes: Sequence[int] | None = None,
    keepdims: Literal[0, 1] = 1,
    noop_with_empty_axes: Literal[0, 1] = 0,
) -> Value:
    """Mean over any axes but the batch."""
    chosen = _axes(x, axes if axes_input is None else axes_input, noop_with_empty_axes)
    return _reduced(x, chosen, keepdims, mean=True)


@reads("ReduceSum")
def reduce_sum(
    x: Tensor,
    axes_input: Array | None = None,
    *,
    axes: Sequence[int] | None = None,
    keepdims: Literal[0, 1] = 1,
    noop_with_empty_axes: Literal[0, 1] = 0,
) -> Value:
    """Sum over any axes but the batch."""
    chosen = _axes(x, axes if axes_input is None else axes_input, noop_with_empty_axes)
    return _reduced(x, chosen, keepdims, mean=False)


def _axes(x: Tensor, axes: Sequence[int] | Array | None, noop: int) -> tuple[int, ...]:
    chosen = [] if axes is None else integers(axes)
    if not chosen and not noop:
        raise Unsupported("no axes given: that is all, with the batch axis", "name the axes")
    return own_axes(chosen, len(x.shape) + 1)


def _reduced(x: Tensor, axes: tuple[int, ...], keepdims: int, mean: bool) -> Value:
    """Return the sum or mean over axes, (1, 2) of a map as a depthwise convolution."""
    if not axes:
        return x
    count = prod(x.shape[axis] for axis in axes)
    value = 1 / count if mean else 1.0
    ops: tuple[LinearOp, ...]
    if len(x.shape) == 3 and sorted(axes) == [1, 2]:
        ops = (Conv(np.full((x.shape[0], 1, *x.shape[1:]), value, np.float32), groups=x.shape[0]),)
        shape: Shape = (x.shape[0], 1, 1)
    else:
        kept = prod(x.shape) // count
        ops = mixed(x.shape, axes, np.full((1, count), value, np.float32))
        shape = (1, kept, 1)
    reduced = [1 if axis in axes else size for axis, size in enumerate(x.shape)]
    wanted = reduced if keepdims else [s for axis, s in enumerate(x.shape) if axis not in axes]
    if tuple(wanted) != shape:
        ops = (*ops, gather(elements(shape).reshape(wanted)))
    return linear(x, *ops)
