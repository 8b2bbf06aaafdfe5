"""Any linear map between feature maps as one convolution, where it is one.

Other tools know convolutions only, often those with a square kernel, the same padding on both
sides, no dilation and no groups. A chain of operators, a scale, a strided slice or a mean is such a
convolution if every output place sees the input places around it in the same way; zeros around the
kernel make it square.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

from spinn_convert.linear.blocks import Blocks
from spinn_convert.linear.kernel_elements import seen_outputs
from spinn_convert.linear.maps import LinearMap, blocks_of
from spinn_convert.linear.ops import Conv, Floats, Pair

MOST_WEIGHTS = 2**27
"""Weights of a kernel at most, zeros included: half a gigabyte."""

Pairs = NDArray[np.int64]
"""Rows (output, input) of positions along one axis, or of places."""


def as_convolution(linear: LinearMap) -> Conv | str:
    """Return the convolution with a square kernel that equals the map, or why there is none.

    Its padding is the same at top and bottom, and at left and right; it has no dilation and one
    group. The reason completes a sentence that begins with the map.
    """
    before, after = linear.in_shape, linear.out_shape
    if len(before) != 3 or len(after) != 3:
        return f"makes the shape {after} of {before}, not a feature map of another"
    parts = blocks_of(linear)
    if not parts.places:
        return "connects nothing"
    if parts.places[0].shape[1] != before[1] * before[2]:
        return "moves values between channels and places"
    seen = [_seen(p.tocoo().coords, after[2], before[2]) for p in parts.places]
    strides = [
        _stride(
            [pairs[:, axis] for pairs in seen],
            after[1 + axis],
            before[1 + axis],
            prod(op.stride[axis] for op in linear.ops if isinstance(op, Conv)),
        )
        for axis in (0, 1)
    ]
    if strides[0] is None or strides[1] is None:
        return "does not treat all places alike"
    return _convolution(parts, seen, (strides[0], strides[1]), before[1:], after[1:])


def _seen(
    coordinates: tuple[NDArray[np.integer], ...], out_width: int, in_width: int
) -> NDArray[np.int64]:
    """Return for connected places [[output row, input row], [output column, input column]]."""
    post, pre = (np.asarray(c, np.int64) for c in coordinates)
    rows = np.stack([post // out_width, pre // in_width], -1)
    return np.stack([rows, np.stack([post % out_width, pre % in_width], -1)], 1)


def _stride(seen: Sequence[Pairs], outputs: int, inputs: int, usual: int) -> int | None:
    """Return the step between the inputs that neighbouring outputs see, along one axis.

    usual: as the convolutions say. Others, of slices, are no longer than fit into the input: in
    long steps over padding, every place would have a part of the kernel to itself.
    """
    unique = [np.unique(pairs, axis=0) for pairs in seen]
    if outputs == 1:  # a single step is as long as one likes
        return max(inputs, 2)
    strides: list[int] = [usual, *range(1, inputs // (outputs - 1) + 1)]
    for stride in strides:
        if all(_alike(pairs, stride, outputs, inputs) for pairs in unique):
            return stride
    return None


def _alike(pairs: Pairs, stride: int, outputs: int, inputs: int) -> bool:
    """Return if every offset of an input is seen by all outputs at which it is inside."""
    offsets, counts = np.unique(pairs[:, 1] - stride * pairs[:, 0], return_counts=True)
    return all(
        count == _many(int(offset), stride, inputs, outputs)
        for offset, count in zip(offsets, counts)
    )


def _many(offset: int, stride: int, inputs: int, outputs: int) -> int:
    seen = seen_outputs(offset, stride, inputs, outputs)
    return int(seen.stop) - int(seen.start)


def _convolution(
    parts: Blocks,
    seen: Sequence[NDArray[np.int64]],
    stride: Pair,
    inputs: tuple[int, ...],
    outputs: tuple[int, ...],
) -> Conv | str:
    offsets = [pairs[:, :, 1] - np.array(stride) * pairs[:, :, 0] for pairs in seen]
    everyone = np.concatenate(offsets)
    least, kernel = everyone.min(0), np.ptp(everyone, axis=0) + 1
    found = _squared(kernel, -least, stride, inputs, outputs)
    if found is None:
        return "needs a kernel that is not square"
    size, padding = found
    shape = (*parts.channels[0].shape, size, size)
    if np.prod(shape, dtype=float) > MOST_WEIGHTS:
        return f"is a convolution with more than {MOST_WEIGHTS:,} weights"
    weight: Floats = np.zeros(shape, np.float32)
    for channels, some in zip(parts.channels, offsets):
        for (y, x), count in zip(*np.unique(some, axis=0, return_counts=True)):
            rows, columns = (
                _many(int(at), stride[axis], inputs[axis], outputs[axis])
                for axis, at in enumerate((y, x))
            )
            if count != rows * columns:
                return "does not treat all places alike"
            full = channels if isinstance(channels, np.ndarray) else channels.toarray()
            weight[:, :, y + padding[0], x + padding[1]] += full
    return Conv(weight, stride, pads=(*padding, *padding))


def _squared(
    kernel: NDArray[np.int64],
    before: NDArray[np.int64],
    stride: Pair,
    inputs: tuple[int, ...],
    outputs: tuple[int, ...],
) -> tuple[int, Pair] | None:
    """Return the smallest square (size, padding) that holds a kernel with padding `before` it."""
    axes = [*zip(kernel.tolist(), before.tolist(), stride, inputs, outputs)]
    for size in range(int(kernel.max()), int(kernel.max()) + max(inputs) + 1):
        padding = [_padding(size, *axis) for axis in axes]
        if padding[0] is not None and padding[1] is not None:
            return size, (padding[0], padding[1])
    return None


def _padding(
    size: int, kernel: int, before: int, stride: int, inputs: int, outputs: int
) -> int | None:
    """Return the padding of both sides with which a kernel of `size` fits in `outputs` times."""
    for padding in range(max(before, 0), before + size - kernel + 1):
        if 0 <= inputs + 2 * padding - size - (outputs - 1) * stride < stride:
            return padding
    return None
