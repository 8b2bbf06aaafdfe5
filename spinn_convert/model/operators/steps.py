"""The few ways in which readers build steps: chains of linear operators and index maps.

An index map is an integer array of the output's shape that names, for each of its elements, the
element of the flattened input that it copies, or -1 for zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

from spinn_convert.linear.ops import Affine, Conv, Floats, Gather, LinearOp, Shape
from spinn_convert.model.operators.registry import ONE_MORE, Array, Step, Tensor, Unsupported, Value

Index = NDArray[np.int64]


def float32(values: Array) -> Floats:
    """Return the values as contiguous, writable float32 (torch warns of read-only arrays)."""
    return np.require(values, np.float32, ["C", "W"])


def integers(values: Array | Sequence[int]) -> list[int]:
    """Return the values of a list, or of a constant that has at most one axis."""
    if isinstance(values, np.ndarray):
        if values.ndim > 1 or values.dtype.kind not in "iu":
            raise Unsupported(
                f"a constant {values.dtype}{list(values.shape)} where integers belong"
            )
        values = values.ravel().tolist()
    return list(values)


def scalar(value: Array) -> float:
    """Return the one value of a constant."""
    if value.size != 1:
        raise Unsupported(f"a constant of shape {value.shape} where one value belongs")
    return float(value.reshape(()))


def linear(x: Value, *ops: LinearOp, bias: Floats | None = None) -> Step:
    """Return the chain of operators, then the bias."""
    return Step(Affine(ops, bias), (x,))


def elements(shape: Shape) -> Index:
    """Return the index map of the identity on a tensor."""
    return np.arange(prod(shape), dtype=np.int64).reshape(shape)


def gather(index: Index) -> Gather:
    """Return the operator of an index map."""
    if not index.shape:
        raise Unsupported("its result has no axis but the batch", ONE_MORE)
    if 0 in index.shape:
        raise Unsupported(f"its result of shape {index.shape} is empty")
    return Gather(np.ascontiguousarray(index.ravel(), np.int32), index.shape)


def gathered(x: Tensor, index: Index) -> Value:
    """Return the tensor seen through an index map; the tensor itself if nothing moves."""
    if index.shape == x.shape and bool((index == elements(x.shape)).all()):
        return x
    return linear(x, gather(index))


def mixed(shape: Shape, axes: Sequence[int], weight: Floats) -> tuple[LinearOp, LinearOp]:
    """Return operators that multiply `axes`, flattened to R elements, by a matrix (M, R).

    The result has the shape (M, product of all other axes, 1).
    """
    kept = [axis for axis in range(len(shape)) if axis not in axes]
    index = elements(shape).transpose(*axes, *kept).reshape(weight.shape[1], -1, 1)
    return gather(index), Conv(float32(weight)[:, :, None, None])


def own_axis(axis: int, rank: int) -> int:
    """Return the axis that `axis` of the tensor with batch, of `rank`, is without the batch."""
    if not -rank <= axis < rank:
        raise Unsupported(f"axis={axis} of a tensor of rank {rank}")
    if axis % rank == 0:
        raise Unsupported(f"axis={axis} is the batch axis", "keep the images of a batch apart")
    return axis % rank - 1


def own_axes(axes: Sequence[int], rank: int) -> tuple[int, ...]:
    """Return several axes without the batch; none may be named twice."""
    own = tuple(own_axis(axis, rank) for axis in axes)
    if len(set(own)) < len(own):
        raise Unsupported(f"axes={list(axes)} names an axis twice")
    return own


def without_batch(values: Array, rank: int) -> Floats:
    """Strip the batch axis of a constant that broadcasts to (batch, *shape of `rank`)."""
    if values.ndim > rank + 1:
        raise Unsupported(f"a constant of shape {values.shape} on a tensor of rank {rank + 1}")
    if values.ndim == rank + 1:
        if len(values) != 1:
            raise Unsupported(f"a constant of shape {values.shape} differs along the batch axis")
        values = values[0]
    return float32(values)


def broadcast(*shapes: Shape) -> Shape:
    """Return the shape that all broadcast to, the batch axis (of size 1) included."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError as error:
        listed = ", ".join(str(shape) for shape in shapes)
        raise Unsupported(f"shapes {listed} do not broadcast to each other") from error


def repeated(shape: Shape, wanted: Shape) -> tuple[LinearOp, ...]:
    """Return the operators that repeat a tensor along its axes of size 1, none if it fits."""
    return () if shape == wanted else (gather(np.broadcast_to(elements(shape), wanted)),)


def bias_of(values: Array, shape: Shape) -> Floats:
    """Return a bias for a tensor: (C, 1, ...) where it is constant over space, else the shape."""
    values = values.reshape((1,) * (len(shape) - values.ndim) + values.shape)
    over_space = values.shape[1:] == (1,) * (len(shape) - 1)
    wanted = shape[:1] + (1,) * (len(shape) - 1) if over_space else shape
    return float32(np.broadcast_to(values, wanted))
