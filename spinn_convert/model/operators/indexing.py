"""Operators that pick, repeat, pad and join elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from spinn_convert.linear.ops import Sum
from spinn_convert.model.operators.registry import (
    Array,
    OutputCount,
    Step,
    Tensor,
    Unsupported,
    Value,
    reads,
)
from spinn_convert.model.operators.steps import (
    Index,
    bias_of,
    broadcast,
    elements,
    float32,
    gathered,
    integers,
    linear,
    own_axis,
    scalar,
)

EVERYTHING = 2**31 - 1


@reads("Slice")
def slice_(
    x: Tensor,
    starts_input: Array | None = None,
    ends_input: Array | None = None,
    axes_input: Array | None = None,
    steps_input: Array | None = None,
    *,
    starts: Sequence[int] = (),
    ends: Sequence[int] = (),
    axes: Sequence[int] | None = None,
) -> Value:
    """Every step-th element from start to before end."""
    begin = integers(starts if starts_input is None else starts_input)
    end = integers(ends if ends_input is None else ends_input)
    given = axes if axes_input is None else axes_input
    along = list(range(len(begin))) if given is None else integers(given)
    step = [1] * len(begin) if steps_input is None else integers(steps_input)
    rank = len(x.shape) + 1
    named = [axis % rank for axis in along]
    if not len(begin) == len(end) == len(along) == len(step) or len(set(named)) < len(named):
        raise Unsupported(f"starts={begin}, ends={end}, axes={along}, steps={step}")
    index = elements(x.shape)
    for axis, first, last, stride in zip(along, begin, end, step):
        if stride == 0:
            raise Unsupported("a step of 0")
        if axis % rank == 0 and -rank <= axis and first == 0 and last >= EVERYTHING and stride == 1:
            continue
        own = own_axis(axis, rank)
        index = index.take(_range(x.shape[own], first, last, stride), own)
    return gathered(x, index)


def _range(size: int, start: int, end: int, step: int) -> range:
    """Return the positions of a slice, clamped as ONNX says."""
    start, end = (value + size if value < 0 else value for value in (start, end))
    if step > 0:
        return range(min(max(start, 0), size), min(max(end, 0), size), step)
    return range(min(max(start, 0), size - 1), min(max(end, -1), size - 1), step)


@reads("Split")
def split(
    x: Tensor,
    split_input: Array | None = None,
    *,
    axis: int = 0,
    split: Sequence[int] | None = None,
    num_outputs: int | None = None,
    outputs: OutputCount,
) -> tuple[Value, ...]:
    """Cut along one axis; without sizes into equal parts, the last of which may be smaller."""
    own = own_axis(axis, len(x.shape) + 1)
    size, given = x.shape[own], split if split_input is None else split_input
    if given is not None:
        sizes = integers(given)
    elif num_outputs is not None:
        part = -(-size // outputs)
        sizes = [min(part, size - part * place) for place in range(outputs)]
    else:
        sizes = [size // outputs] * outputs
    if num_outputs not in (None, outputs) or len(sizes) != outputs:
        raise Unsupported(f"{outputs} outputs with split={sizes}, num_outputs={num_outputs}")
    if min(sizes) < 1 or sum(sizes) != size:
        raise Unsupported(f"split={sizes} of an axis of {size} elements")
    parts = np.split(elements(x.shape), np.cumsum(sizes)[:-1].tolist(), own)
    return tuple(gathered(x, part) for part in parts)


@reads("Gather")
def gather_(x: Tensor, indices: Array, *, axis: int = 0) -> Value:
    """Pick elements along one axis."""
    own = own_axis(axis, len(x.shape) + 1)
    size = x.shape[own]
    if indices.dtype.kind not in "iu" or ((indices < -size) | (indices >= size)).any():
        raise Unsupported(f"indices beyond an axis of {size} elements")
    return gathered(x, elements(x.shape).take(indices, own, mode="wrap"))


@reads("Expand")
def expand(x: Tensor, shape: Array) -> Value:
    """Repeat along axes of size 1."""
    wanted = tuple(integers(shape))
    if min(wanted, default=1) < 1 or len(wanted) > len(x.shape) + 1:
        raise Unsupported(f"shape={list(wanted)} of a tensor {('batch', *x.shape)}")
    full = broadcast((1, *x.shape), wanted)
    if full[0] != 1:
        raise Unsupported(f"shape={list(wanted)} repeats along the batch axis")
    return gathered(x, np.broadcast_to(elements(x.shape), full[1:]))


@reads("Tile")
def tile(x: Tensor, repeats: Array) -> Value:
    """Repeat the whole tensor along axes."""
    times = integers(repeats)
    if len(times) != len(x.shape) + 1 or min(times) < 1:
        raise Unsupported(f"repeats={times} of a tensor {('batch', *x.shape)}")
    if times[0] != 1:
        raise Unsupported(f"repeats={times} repeats along the batch axis")
    return gathered(x, np.tile(elements(x.shape), times[1:]))


@reads("Concat")
def concat(*parts: Tensor | Array, axis: int) -> Value:
    """Join tensors and constants along one axis."""
    shapes = [part.shape if isinstance(part, Array) else (1, *part.shape) for part in parts]
    rank = len(shapes[0]) if shapes else 0
    tensors = [part for part in parts if isinstance(part, Tensor)]
    if not tensors:
        raise Unsupported("all its inputs are constant")
    own = own_axis(axis, rank)
    rests = {(len(shape), *shape[: own + 1], *shape[own + 2 :]) for shape in shapes}
    if len(rests) > 1 or any(shape[0] != 1 for shape in shapes):
        raise Unsupported(f"shapes {', '.join(map(str, shapes))} along axis {axis}")
    steps = [_placed(tensor, parts, own) for tensor in dict.fromkeys(tensors)]
    joined = steps[0] if len(steps) == 1 else Step(Sum(), tuple(steps))
    if len(tensors) == len(parts):
        return joined
    filled = [np.zeros(p.shape, np.float32) if isinstance(p, Tensor) else p[0] for p in parts]
    bias = np.concatenate([float32(values) for values in filled], own)
    return linear(joined, bias=bias_of(bias, bias.shape))


def _placed(tensor: Tensor, parts: Sequence[Tensor | Array], axis: int) -> Value:
    """Return one tensor at all its places in a concatenation, zero elsewhere."""
    maps: list[Index] = []
    for part in parts:
        if isinstance(part, Tensor):
            same = part == tensor
            maps.append(elements(part.shape) if same else np.full(part.shape, -1, np.int64))
        else:
            maps.append(np.full(part.shape[1:], -1, np.int64))
    return gathered(tensor, np.concatenate(maps, axis))


@reads("Pad")
def pad(
    x: Tensor,
    pads_input: Array | None = None,
    constant_value: Array | None = None,
    axes: Array | None = None,
    *,
    mode: Literal["constant", "reflect", "edge", "wrap"] = "constant",
    pads: Sequence[int] | None = None,
    value: float = 0.0,
) -> Value:
    """Pad; a negative padding cuts off."""
    given = pads if pads_input is None else pads_input
    if given is None:
        raise Unsupported("no pads given")
    rank, sizes = len(x.shape) + 1, integers(given)
    along = list(range(rank)) if axes is None else integers(axes)
    named = {axis % rank for axis in along if -rank <= axis < rank}
    if len(sizes) != 2 * len(along) or len(named) < len(along):
        raise Unsupported(f"pads={sizes}, axes={along} of a tensor of rank {rank}")
    index = elements(x.shape)
    for axis, begin, end in zip(along, sizes, sizes[len(along) :]):
        if begin or end:
            index = _padded(index, own_axis(axis, rank), (begin, end), mode)
    filling = value if constant_value is None else scalar(constant_value)
    padded = gathered(x, index)
    if mode != "constant" or filling == 0 or (index >= 0).all():
        return padded
    bias = np.where(index < 0, np.float32(filling), np.float32(0))
    return linear(padded, bias=bias_of(bias, index.shape))


def _padded(index: Index, axis: int, pads: tuple[int, int], mode: str) -> Index:
    """Return the index map with one axis cut or padded."""
    size = index.shape[axis]
    cut = np.moveaxis(index, axis, 0)[max(0, -pads[0]) : max(0, size - max(0, -pads[1]))]
    begin, end = max(0, pads[0]), max(0, pads[1])
    widths = [(begin, end), *[(0, 0)] * (index.ndim - 1)]
    if mode == "constant":
        padded = np.pad(cut, widths, constant_values=-1)
    elif len(cut) == 0 or (mode == "reflect" and max(begin, end) >= len(cut)):
        raise Unsupported(f"pads={list(pads)}, mode={mode!r} of an axis of {size} elements")
    elif mode == "reflect":
        padded = np.pad(cut, widths, mode="reflect")
    else:
        padded = np.pad(cut, widths, mode="edge" if mode == "edge" else "wrap")
    return np.moveaxis(padded, 0, axis)
