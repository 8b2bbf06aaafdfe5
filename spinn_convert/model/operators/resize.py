"""Resizing to the nearest element: an index map, computed in float32 as onnxruntime does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from spinn_convert.linear.ops import Floats
from spinn_convert.model.operators.registry import Array, Tensor, Unsupported, Value, reads
from spinn_convert.model.operators.steps import Index, bias_of, elements, gathered, integers, linear

F = np.float32
ZERO, ONE, HALF = F(0), F(1), F(0.5)
Coordinates = Literal[
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "tf_half_pixel_for_nn",
    "tf_crop_and_resize",
]
Rounding = Literal["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]
Policy = Literal["stretch", "not_larger", "not_smaller"]


@dataclass(frozen=True)
class Axis:
    """One axis to resize: sizes, scale, and the part of it to crop to."""

    size: int
    resized: int
    scale: np.float32
    start: np.float32 = ZERO
    end: np.float32 = ONE


@reads("Upsample")
def upsample(
    x: Tensor,
    scales_input: Array | None = None,
    *,
    mode: str = "nearest",
    scales: Sequence[float] | None = None,
) -> Value:
    """Repetition of elements by a factor per axis (before opset 10)."""
    if scales_input is None and scales is None:
        raise Unsupported("no scales given")
    factors = np.asarray(scales, F) if scales_input is None else scales_input
    _check_mode(mode)
    axes = _from_scales((1, *x.shape), factors, range(len(x.shape) + 1))
    return _resized(x, axes, "asymmetric", "simple")


@reads("Resize")
def resize(
    x: Tensor,
    roi: Array | None = None,
    scales: Array | None = None,
    sizes: Array | None = None,
    *,
    antialias: Literal[0] = 0,
    axes: Sequence[int] | None = None,
    coordinate_transformation_mode: Coordinates = "half_pixel",
    cubic_coeff_a: float = -0.75,
    exclude_outside: Literal[0] = 0,
    extrapolation_value: float = 0.0,
    keep_aspect_ratio_policy: Policy = "stretch",
    mode: str = "nearest",
    nearest_mode: Rounding = "round_prefer_floor",
) -> Value:
    """Nearest neighbours; the attributes of cubic interpolation mean nothing here."""
    _check_mode(mode)
    shape = (1, *x.shape)
    if scales is None and sizes is None:  # opset 10: the second input is the scales
        factors = np.zeros(0, F) if roi is None else roi
        return _resized(x, _from_scales(shape, factors, range(len(shape))), "asymmetric", "simple")
    along = [axis % len(shape) for axis in (range(len(shape)) if axes is None else axes)]
    if len(set(along)) < len(along):
        raise Unsupported(f"axes={axes} names an axis twice")
    by_scale = scales is not None and scales.size > 0
    if scales is not None and by_scale and (sizes is None or sizes.size == 0):
        resized = _from_scales(shape, scales, along)
    elif sizes is not None and sizes.size > 0 and not by_scale:
        resized = _from_sizes(shape, integers(sizes), along, keep_aspect_ratio_policy)
    else:
        raise Unsupported("needs either scales or sizes")
    if coordinate_transformation_mode == "tf_crop_and_resize":
        resized = _cropped(resized, roi, along)
    return _resized(x, resized, coordinate_transformation_mode, nearest_mode, extrapolation_value)


def _check_mode(mode: str) -> None:
    if mode != "nearest":
        raise Unsupported(
            f"mode={mode!r}; only the nearest neighbour is an index map",
            "train with mode='nearest'",
        )


def _from_scales(shape: Sequence[int], scales: Array, along: Sequence[int]) -> list[Axis]:
    if scales.ndim != 1 or len(scales) != len(along) or len(along) > len(shape):
        raise Unsupported(f"scales={scales.tolist()} of a tensor of rank {len(shape)}")
    if scales.dtype != F or not (np.isfinite(scales) & (scales > 0)).all():
        raise Unsupported(f"scales={scales.tolist()}; they must be above 0")
    axes = [Axis(size, size, ONE) for size in shape]
    for axis, scale in zip(along, scales):
        axes[axis] = Axis(shape[axis], int(scale * F(shape[axis])), scale)
    return axes


def _from_sizes(
    shape: Sequence[int], sizes: Sequence[int], along: Sequence[int], policy: Policy
) -> list[Axis]:
    if len(sizes) != len(along) or min(sizes) < 1:
        raise Unsupported(f"sizes={list(sizes)} of a tensor of rank {len(shape)}")
    scales = [F(wanted) / F(shape[axis]) for axis, wanted in zip(along, sizes)]
    wanted = list(sizes)
    if policy != "stretch":
        scale = min(scales) if policy == "not_larger" else max(scales)
        scales = [scale] * len(scales)
        wanted = [int(_round(scale * F(shape[axis]))) for axis in along]
    axes = [Axis(size, size, ONE) for size in shape]
    for axis, resized, scale in zip(along, wanted, scales):
        axes[axis] = Axis(shape[axis], resized, scale)
    return axes


def _cropped(axes: Sequence[Axis], roi: Array | None, along: Sequence[int]) -> list[Axis]:
    if roi is None or roi.shape != (2 * len(along),):
        raise Unsupported("coordinate_transformation_mode='tf_crop_and_resize' without its roi")
    cropped = list(axes)
    for place, axis in enumerate(along):
        old = cropped[axis]
        start, end = F(roi[place]), F(roi[len(along) + place])
        cropped[axis] = Axis(old.size, old.resized, old.scale, start, end)
    return cropped


def _resized(
    x: Tensor, axes: Sequence[Axis], coordinates: str, rounding: str, outside: float = 0.0
) -> Value:
    """Return the tensor resized along all axes, of which the first is the batch."""
    batch, *own = axes
    if batch.resized != 1 or batch.scale != 1:
        raise Unsupported(f"resizes the batch axis by {batch.scale:g}")
    if any(axis.resized < 1 for axis in own):
        raise Unsupported(f"its result of shape {[axis.resized for axis in own]} is empty")
    if all(axis.resized == axis.size for axis in own):
        return x
    index = elements(x.shape)
    lost = np.zeros(index.shape, bool)
    for place, axis in enumerate(own):
        source, inside = _sources(axis, coordinates, rounding)
        index = index.take(source, place)
        gone = np.expand_dims(~inside, [p for p in range(len(own)) if p != place])
        lost = lost.take(source, place) | gone
    resized = gathered(x, np.where(lost, -1, index))
    if outside == 0 or not lost.any():
        return resized
    return linear(resized, bias=bias_of(np.where(lost, F(outside), ZERO), index.shape))


def _sources(axis: Axis, coordinates: str, rounding: str) -> tuple[Index, Array]:
    """Return the source of every element along an axis, and if it lies inside the input."""
    inside = np.ones(axis.resized, bool)
    if axis.scale == 1:
        return np.arange(axis.resized), inside
    original = COORDINATES[coordinates](np.arange(axis.resized).astype(F), axis)
    if coordinates == "tf_crop_and_resize":
        inside = (original >= 0) & (original <= axis.size - 1)
    if rounding == "simple":
        nearest = np.ceil(original) if axis.scale < 1 else np.trunc(original)
    else:
        nearest = ROUNDINGS[rounding](original)
    return np.clip(nearest, 0, axis.size - 1).astype(np.int64), inside


def _round(values: Floats | np.float32) -> Floats:
    """Round to the nearest integer, halves away from zero."""
    return np.asarray(
        np.trunc(values) + np.where(abs(values - np.trunc(values)) >= HALF, np.sign(values), 0), F
    )


def _round_prefer_floor(values: Floats) -> Floats:
    return np.where(values == np.trunc(values) + HALF, np.floor(values), _round(values))


ROUNDINGS: dict[str, Callable[[Floats], Floats]] = {
    "round_prefer_floor": _round_prefer_floor,
    "round_prefer_ceil": _round,
    "floor": np.floor,
    "ceil": np.ceil,
}


def _asymmetric(place: Floats, axis: Axis) -> Floats:
    return place / axis.scale


def _half_pixel(place: Floats, axis: Axis) -> Floats:
    return (place + HALF) / axis.scale - HALF


def _pytorch_half_pixel(place: Floats, axis: Axis) -> Floats:
    return _half_pixel(place, axis) if axis.resized > 1 else np.zeros_like(place)


def _tf_half_pixel(place: Floats, axis: Axis) -> Floats:
    return (place + HALF) / axis.scale


def _align_corners(place: Floats, axis: Axis) -> Floats:
    if axis.resized == 1:
        return np.zeros_like(place)
    return place * F(axis.size - 1) / F(axis.resized - 1)


def _half_pixel_symmetric(place: Floats, axis: Axis) -> Floats:
    adjustment = F(axis.resized) / (axis.scale * F(axis.size))
    offset = F(axis.size) / F(2) * (ONE - adjustment)
    centred = float(offset) + (place.astype(np.float64) + 0.5) / float(axis.scale) - 0.5
    return centred.astype(F)


def _crop(place: Floats, axis: Axis) -> Floats:
    last = F(axis.size - 1)
    if axis.resized == 1:
        middle = 0.5 * float(axis.start + axis.end) * float(last)
        return np.full_like(place, middle)
    moved = place * (axis.end - axis.start) * last / F(axis.resized - 1)
    return axis.start * last + moved


COORDINATES: dict[str, Callable[[Floats, Axis], Floats]] = {
    "asymmetric": _asymmetric,
    "half_pixel": _half_pixel,
    "pytorch_half_pixel": _pytorch_half_pixel,
    "tf_half_pixel_for_nn": _tf_half_pixel,
    "align_corners": _align_corners,
    "half_pixel_symmetric": _half_pixel_symmetric,
    "tf_crop_and_resize": _crop,
}
