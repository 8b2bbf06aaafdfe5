"""Express projections of a plan as kernels between channels, or say why that is impossible.

sPyNNaker's ConvolutionConnector connects one 2-D population, here a channel, to another.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinn_convert.linear.maps import LinearMap, on_grid
from spinn_convert.linear.ops import Conv, Scale, Shape

LARGEST_WEIGHT = 32767
"""Largest |weight|, LSBs: kernels are int16 (ConvolutionConnector.get_encoded_kernel_weights
overflows silently), and the binary cannot negate -32768."""

Kernel = NDArray[np.int64]
"""Weights (K, K) between two channels, in LSBs."""


@dataclass(frozen=True, eq=False)
class Kernels:
    """Integer weights (O, I / groups, K, K) in LSBs, of a cross-correlation with stride 1."""

    weights: NDArray[np.int64]
    groups: int
    padding: int

    def pairs(self) -> Iterator[tuple[int, int, Kernel]]:
        """Yield (source channel, target channel, kernel) of every kernel that is not all zero."""
        outputs, inputs = self.weights.shape[:2]
        for target, row in enumerate(self.weights):
            first = target // (outputs // self.groups) * inputs
            for source, kernel in enumerate(row):
                if kernel.any():
                    yield first + source, target, kernel


def kernels(linear: LinearMap) -> Kernels | str:
    """Return the kernels of a map whose weights are in LSBs, or why it has none."""
    if len(linear.in_shape) != 3 or len(linear.out_shape) != 3:
        return f"joins shapes {linear.in_shape} and {linear.out_shape}, not both (C, H, W)"
    if len(linear.ops) > 1:
        return f"is a chain of {len(linear.ops)} operators"
    op = linear.ops[0] if linear.ops else Scale(np.ones((1, 1, 1), np.float32))
    if isinstance(op, Scale):
        found = _pointwise(op, linear.in_shape)
    elif isinstance(op, Conv):
        found = _convolution(op)
    else:
        return f"is a {type(op).__name__}, not a convolution"
    if isinstance(found, Kernels) and np.abs(found.weights).max(initial=0) > LARGEST_WEIGHT:
        return f"has weights beyond {LARGEST_WEIGHT:,} LSBs, the largest of a kernel"
    return found


def own_kernel(self_weight: int) -> tuple[float, int]:
    """Return the weight, LSBs, and the number of kernels of each channel onto itself.

    self_weight: their sum, the threshold. It is 32,768 LSBs in layers whose only input is the
    image; that takes two kernels.
    """
    count = -(-self_weight // LARGEST_WEIGHT)
    return -self_weight / count, count


def _pointwise(op: Scale, shape: Shape) -> Kernels | str:
    factor = op.factor.reshape((1,) * (3 - op.factor.ndim) + op.factor.shape)
    if factor.shape[1:] != (1, 1):
        return "scales the neurons of a channel differently"
    weights = np.broadcast_to(factor.reshape(-1), shape[:1]).reshape(-1, 1, 1, 1)
    return Kernels(on_grid(weights, 0).astype(np.int64), shape[0], 0)


def _convolution(op: Conv) -> Kernels | str:
    if op.stride != (1, 1):
        return f"has stride {op.stride}: sPyNNaker's kernels are wrong unless it is 1"
    if op.dilation != (1, 1):
        return f"has dilation {op.dilation}"
    height, width = op.weight.shape[2:]
    if height != width or height % 2 == 0:
        return f"has kernels of {height} x {width}: only odd squares were verified"
    if len(set(op.pads)) != 1:
        return f"has asymmetric padding {op.pads}"
    if op.pads[0] > height // 2:
        return f"is padded by {op.pads[0]}, which is more than half a kernel"
    return Kernels(on_grid(op.weight, 0).astype(np.int64), op.groups, op.pads[0])
