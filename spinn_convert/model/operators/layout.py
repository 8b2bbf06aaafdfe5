"""Operators that only name or order elements anew, and those that do nothing at inference."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Literal

import numpy as np

from spinn_convert.linear.ops import Shape
from spinn_convert.model.operators.registry import Array, Tensor, Unsupported, Value, reads
from spinn_convert.model.operators.steps import elements, gathered, integers, own_axes

FLOATING = {1: "FLOAT", 10: "FLOAT16", 11: "DOUBLE"}


@reads("Flatten")
def flatten(x: Tensor, *, axis: int = 1) -> Value:
    """Reshape to a vector."""
    rank = len(x.shape) + 1
    if not -rank <= axis <= rank:
        raise Unsupported(f"axis={axis} of a tensor of rank {rank}")
    own = (axis + rank if axis < 0 else axis) - 1
    if own < 0 or prod(x.shape[:own]) != 1:
        raise Unsupported(f"axis={axis} flattens into the batch axis", "flatten from axis 1 on")
    return gathered(x, elements(x.shape).ravel())


@reads("Reshape")
def reshape(x: Tensor, shape: Array, *, allowzero: Literal[0, 1] = 0) -> Value:
    """Reshape that leaves the batch axis alone."""
    full: Shape = (1, *x.shape)
    wanted = integers(shape)
    if not allowzero:
        if any(size == 0 and axis >= len(full) for axis, size in enumerate(wanted)):
            raise Unsupported(f"shape={wanted} keeps an axis that {full} does not have")
        wanted = [full[axis] if size == 0 else size for axis, size in enumerate(wanted)]
    known = prod(size for size in wanted if size != -1)
    if wanted.count(-1) == 1 and known:
        wanted[wanted.index(-1)] = prod(full) // known
    if min(wanted, default=0) < 1 or prod(wanted) != prod(full):
        raise Unsupported(f"shape={integers(shape)} of a tensor {full}")
    if wanted[0] != 1:
        raise Unsupported(
            f"shape={integers(shape)} of a tensor {full} moves the batch axis",
            "keep the images of a batch apart",
        )
    return gathered(x, elements(x.shape).reshape(wanted[1:]))


@reads("Squeeze")
def squeeze(
    x: Tensor, axes_input: Array | None = None, *, axes: Sequence[int] | None = None
) -> Value:
    """Remove axes of size 1."""
    given = axes if axes_input is None else integers(axes_input)
    if given is None or not len(given):
        raise Unsupported("no axes given: for one image that is the batch axis too", "name them")
    own = own_axes(integers(given), len(x.shape) + 1)
    if any(x.shape[axis] != 1 for axis in own):
        raise Unsupported(f"axes={integers(given)} of a tensor {('batch', *x.shape)}")
    return gathered(x, elements(x.shape).squeeze(own))


@reads("Unsqueeze")
def unsqueeze(
    x: Tensor, axes_input: Array | None = None, *, axes: Sequence[int] | None = None
) -> Value:
    """Insert axes of size 1."""
    given = axes if axes_input is None else axes_input
    if given is None:
        raise Unsupported("no axes given")
    wanted = integers(given)
    own = own_axes(wanted, len(x.shape) + 1 + len(wanted))
    return gathered(x, np.expand_dims(elements(x.shape), own))


@reads("Transpose")
def transpose(x: Tensor, *, perm: Sequence[int] | None = None) -> Value:
    """Order the axes anew; the batch axis stays the first."""
    rank = len(x.shape) + 1
    order = list(range(rank))[::-1] if perm is None else list(perm)
    if sorted(order) != list(range(rank)):
        raise Unsupported(f"perm={order} of a tensor of rank {rank}")
    if order[0] != 0:
        raise Unsupported(f"perm={order} moves the batch axis", "keep the batch axis first")
    return gathered(x, elements(x.shape).transpose([axis - 1 for axis in order[1:]]))


@reads("DepthToSpace")
def depth_to_space(x: Tensor, *, blocksize: int, mode: Literal["DCR", "CRD"] = "DCR") -> Value:
    """Blocks of channels become blocks of space."""
    _check_blocks(x, blocksize, (blocksize**2, 1, 1))
    depth, (_, height, width) = x.shape[0] // blocksize**2, x.shape
    if mode == "DCR":
        blocks = elements(x.shape).reshape(blocksize, blocksize, depth, height, width)
        moved = blocks.transpose(2, 3, 0, 4, 1)
    else:
        blocks = elements(x.shape).reshape(depth, blocksize, blocksize, height, width)
        moved = blocks.transpose(0, 3, 1, 4, 2)
    return gathered(x, moved.reshape(depth, height * blocksize, width * blocksize))


@reads("SpaceToDepth")
def space_to_depth(x: Tensor, *, blocksize: int, mode: Literal["DCR", "CRD"] = "DCR") -> Value:
    """Blocks of space become blocks of channels."""
    _check_blocks(x, blocksize, (1, blocksize, blocksize))
    depth, height, width = x.shape[0], x.shape[1] // blocksize, x.shape[2] // blocksize
    blocks = elements(x.shape).reshape(depth, height, blocksize, width, blocksize)
    order = (2, 4, 0, 1, 3) if mode == "DCR" else (0, 2, 4, 1, 3)
    return gathered(x, blocks.transpose(order).reshape(depth * blocksize**2, height, width))


def _check_blocks(x: Tensor, blocksize: int, divisors: Sequence[int]) -> None:
    fits = len(x.shape) == 3 and blocksize > 0
    if not fits or any(size % divisor for size, divisor in zip(x.shape, divisors)):
        raise Unsupported(f"blocksize={blocksize} of a tensor {('batch', *x.shape)}")


@reads("Identity")
def identity(x: Tensor) -> Tensor:
    """Nothing."""
    return x


@reads("Dropout")
def dropout(
    x: Tensor,
    ratio_input: Array | None = None,
    training_mode: Array | None = None,
    *,
    ratio: float = 0.5,
    seed: int | None = None,
) -> Tensor:
    """Nothing at inference."""
    if training_mode is not None and training_mode.any():
        raise Unsupported("training_mode=1", "export the model in evaluation mode")
    return x


@reads("Cast")
def cast(
    x: Tensor | Array,
    *,
    to: int,
    saturate: Literal[1] = 1,
    round_mode: Literal["up", "down", "nearest"] = "up",
) -> Tensor | Array:
    """Nothing between the floating point types; the two options concern 8-bit types only."""
    if to not in FLOATING:
        raise Unsupported(f"to={to}; a tensor stays one of {', '.join(FLOATING.values())}")
    return x if isinstance(x, Tensor) else x.astype(np.float32)


@reads("Constant")
def constant(
    *,
    value: Array | None = None,
    value_float: float | None = None,
    value_floats: Sequence[float] | None = None,
    value_int: int | None = None,
    value_ints: Sequence[int] | None = None,
) -> Array:
    """Give a constant that onnxruntime has left as a node."""
    floats = [v for v in (value_float, value_floats) if v is not None]
    ints = [v for v in (value_int, value_ints) if v is not None]
    if (value is not None) + len(floats) + len(ints) != 1:
        raise Unsupported("it has no value, or several")
    if value is not None:
        return value
    return np.asarray(floats[0], np.float32) if floats else np.asarray(ints[0], np.int64)
