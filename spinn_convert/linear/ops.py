"""The operators of a graph: four linear ones, a sum, and two that need neurons (Relu, MaxPool).

Every linear ONNX operator is a chain of the four: average pooling is a depthwise `Conv`, batch
normalisation a `Scale`, slicing, concatenation and upsampling a `Gather`. Tensors have no batch
axis; feature maps are (C, H, W), vectors (N,).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, prod

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Shape = tuple[int, ...]
Pair = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Conv:
    """2-D cross-correlation; weight (O, I / groups, kH, kW), pads (top, left, bottom, right)."""

    weight: Floats
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    groups: int = 1


@dataclass(frozen=True, eq=False)
class Dense:
    """Matrix (out, in) times the flattened input; the output is a vector."""

    weight: Floats


@dataclass(frozen=True, eq=False)
class Scale:
    """Elementwise product with `factor`, which broadcasts to the shape of the input."""

    factor: Floats


@dataclass(frozen=True, eq=False)
class Gather:
    """Output element i is input element index[i], both flattened; -1 gives zero."""

    index: Ints
    shape: Shape


LinearOp = Conv | Dense | Scale | Gather


@dataclass(frozen=True, eq=False)
class Input:
    """The graph's input."""


@dataclass(frozen=True, eq=False)
class Affine:
    """A chain of linear operators, then a bias (broadcast to the output's shape)."""

    ops: tuple[LinearOp, ...] = ()
    bias: Floats | None = None


@dataclass(frozen=True, eq=False)
class Sum:
    """Elementwise sum of all inputs, which have one shape."""


@dataclass(frozen=True, eq=False)
class Relu:
    """min(max(x, 0), ceiling)."""

    ceiling: float = inf


@dataclass(frozen=True, eq=False)
class MaxPool:
    """Maximum over a window (height, width); padding (top, left, bottom, right) is left out."""

    kernel: Pair
    stride: Pair
    dilation: Pair = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)


Op = Input | Affine | Sum | Relu | MaxPool


def window_positions(size: int, kernel: int, stride: int, dilation: int, pads: Pair) -> int:
    """Return how many windows fit along one axis of `size` elements; pads: (before, after)."""
    return (size + sum(pads) - dilation * (kernel - 1) - 1) // stride + 1


def pooled_shape(op: MaxPool, shape: Shape) -> Shape:
    """Return the output shape of a max pooling of a map (C, H, W)."""
    top, left, bottom, right = op.pads
    height = window_positions(shape[1], op.kernel[0], op.stride[0], op.dilation[0], (top, bottom))
    width = window_positions(shape[2], op.kernel[1], op.stride[1], op.dilation[1], (left, right))
    return shape[0], height, width


def linear_shape(op: LinearOp, shape: Shape) -> Shape:
    """Return the output shape of a linear operator; ValueError when it does not fit `shape`."""
    if isinstance(op, Conv):
        if len(shape) != 3 or shape[0] != op.weight.shape[1] * op.groups:
            raise ValueError(f"a convolution with weights {op.weight.shape} on shape {shape}")
        kernel, (top, left, bottom, right) = op.weight.shape[2:], op.pads
        height = window_positions(shape[1], kernel[0], op.stride[0], op.dilation[0], (top, bottom))
        width = window_positions(shape[2], kernel[1], op.stride[1], op.dilation[1], (left, right))
        if min(height, width) < 1:
            raise ValueError(f"a window of {kernel} does not fit into shape {shape}")
        return op.weight.shape[0], height, width
    if isinstance(op, Dense):
        if op.weight.shape[1] != prod(shape):
            raise ValueError(f"a matrix of shape {op.weight.shape} on {prod(shape)} elements")
        return (op.weight.shape[0],)
    if isinstance(op, Scale):
        if np.broadcast_shapes(op.factor.shape, shape) != shape:
            raise ValueError(f"a factor of shape {op.factor.shape} on shape {shape}")
        return shape
    if op.index.size and op.index.max() >= prod(shape):
        raise ValueError(f"index {op.index.max()} of shape {shape}")
    return op.shape
