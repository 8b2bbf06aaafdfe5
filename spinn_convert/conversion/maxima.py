"""Max pooling by integrate-and-fire neurons alone: max(a, b) = b + relu(a - b).

Neuron b and the difference neuron relu(a - b) project to the same targets with the same weights,
so that the sum needs no neuron. A window of k x k elements takes k^2 - 1 difference neurons, first
along its rows, then along its columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

from spinn_convert.conversion.value import Value, added, gathered, negated
from spinn_convert.linear.ops import Gather, Ints, MaxPool, Shape, pooled_shape

Rectify = Callable[[Value], Value]
"""Called with a - b; returns the value of a new layer of difference neurons."""
Valid = NDArray[np.bool_]
"""Per position along one axis, whether there is an input element, not padding."""


def maximum(value: Value, op: MaxPool, rectify: Rectify) -> Value:
    """Return the maximum over windows; `rectify` makes the layers that it needs."""
    shape = pooled_shape(op, value.shape)
    for axis in (2, 1):
        elements = _window_elements(op, axis - 1, value.shape[axis], shape[axis])
        value = _along(value, axis, elements, rectify)
    return value


def _window_elements(op: MaxPool, axis: int, size: int, positions: int) -> list[Ints]:
    """Return, for each element of the window, its input position in every window, -1 in padding.

    axis: 0 or 1 of the window. size: of the input along it. positions: number of windows.
    """
    start = np.arange(positions) * op.stride[axis] - op.pads[axis]
    seen = [start + k * op.dilation[axis] for k in range(op.kernel[axis])]
    return [np.where((at >= 0) & (at < size), at, -1).astype(np.int32) for at in seen]


def _along(value: Value, axis: int, elements: Sequence[Ints], rectify: Rectify) -> Value:
    """Return the maximum along one axis, pair by pair; padding is left out of every pair."""
    items = [(_picked(value, axis, element), element >= 0) for element in elements]
    while len(items) > 1:
        pairs = [_pair(a, b, axis, rectify) for a, b in zip(items[::2], items[1::2])]
        items = pairs + items[len(pairs) * 2 :]
    return items[0][0]


def _pair(
    a: tuple[Value, Valid], b: tuple[Value, Valid], axis: int, rectify: Rectify
) -> tuple[Value, Valid]:
    """Return the maximum of two values where both are valid, else the one that is, and where."""
    (small, with_small), (large, with_large) = sorted((a, b), key=lambda item: item[1].sum())
    both, only_small = with_small & with_large, with_small & ~with_large
    larger = large
    if both.any():
        parts = _kept(small, axis, both), negated(_kept(large, axis, both))
        larger = added(larger, rectify(added(*parts)))
    if only_small.any():
        larger = added(larger, _kept(small, axis, only_small))
    return larger, with_small | with_large


def _kept(value: Value, axis: int, kept: Valid) -> Value:
    """Return the value with zeros wherever a position along the axis is not kept."""
    if kept.all():
        return value
    return _picked(value, axis, np.where(kept, np.arange(len(kept)), -1).astype(np.int32))


def _picked(value: Value, axis: int, positions: Ints) -> Value:
    """Return the value at `positions` along the axis; -1 gives zero."""
    index = np.arange(prod(value.shape), dtype=np.int32).reshape(value.shape)
    picked = np.take(index, positions, axis)
    off: Shape = tuple(len(positions) if a == axis else 1 for a in range(len(value.shape)))
    index = np.where(positions.reshape(off) < 0, np.int32(-1), picked)
    return gathered(value, Gather(np.ascontiguousarray(index.ravel()), index.shape))
