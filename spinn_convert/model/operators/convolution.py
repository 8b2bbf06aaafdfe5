"""Convolution and its transpose."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spinn_convert.linear.ops import Conv, Floats, Pair
from spinn_convert.model.operators.registry import Array, Step, Tensor, Unsupported, reads
from spinn_convert.model.operators.steps import Index, elements, float32, gathered, linear
from spinn_convert.model.operators.windows import (
    SAME,
    AutoPad,
    check_pads,
    check_spatial,
    halves,
    windows,
)


@reads("Conv")
def conv(
    x: Tensor,
    w: Array,
    b: Array | None = None,
    *,
    auto_pad: AutoPad = "NOTSET",
    dilations: Sequence[int] = (1, 1),
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    pads: Sequence[int] = (0, 0, 0, 0),
    strides: Sequence[int] = (1, 1),
) -> Step:
    """2-D convolution."""
    _check_rank(x, w)
    _check_weights(x, w, group, kernel_shape, w.shape[1], len(w))
    placed = windows(x.shape, w.shape[2:], strides, dilations, pads, auto_pad)
    op = Conv(float32(w), placed.stride, placed.dilation, placed.pads, group)
    return linear(x, op, bias=_bias(b, len(w)))


def _check_rank(x: Tensor, w: Array) -> None:
    if w.ndim != 4 or len(x.shape) != 3:
        raise Unsupported(
            f"weights of shape {w.shape} on a tensor of rank {len(x.shape) + 1}",
            "only 2-D convolutions of (batch, channels, height, width) have a spiking form",
        )


def _check_weights(
    x: Tensor,
    w: Array,
    group: int,
    kernel_shape: Sequence[int] | None,
    per_group: int,
    outputs: int,
) -> None:
    """Check weights for `per_group` input channels per group and `outputs` channels in all."""
    if group < 1 or per_group * group != x.shape[0] or outputs % group or 0 in w.shape:
        raise Unsupported(f"group={group} with weights of shape {w.shape} on shape {x.shape}")
    if kernel_shape is not None and tuple(kernel_shape) != w.shape[2:]:
        raise Unsupported(f"kernel_shape={list(kernel_shape)} with weights of shape {w.shape}")


def _bias(b: Array | None, channels: int) -> Floats | None:
    if b is None:
        return None
    if b.shape != (channels,):
        raise Unsupported(f"a bias of shape {b.shape} for {channels} channels")
    return float32(b).reshape(-1, 1, 1)


@reads("ConvTranspose")
def conv_transpose(
    x: Tensor,
    w: Array,
    b: Array | None = None,
    *,
    auto_pad: AutoPad = "NOTSET",
    dilations: Sequence[int] = (1, 1),
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    output_padding: Sequence[int] = (0, 0),
    output_shape: Sequence[int] | None = None,
    pads: Sequence[int] = (0, 0, 0, 0),
    strides: Sequence[int] = (1, 1),
) -> Step:
    """Transpose of a 2-D convolution: zeros between the elements, then the mirrored kernel."""
    _check_rank(x, w)
    _check_weights(x, w, group, kernel_shape, len(w) // max(1, group), w.shape[1] * max(1, group))
    _check_steps(strides, dilations, output_padding)
    check_pads(pads, auto_pad)
    reaches = [dilation * (kernel - 1) for dilation, kernel in zip(dilations, w.shape[2:])]
    placed = zip(x.shape[1:], strides, reaches, output_padding)
    full = [(size - 1) * stride + 1 + reach + extra for size, stride, reach, extra in placed]
    if output_shape is None and auto_pad in SAME:
        output_shape = [size * stride for size, stride in zip(x.shape[1:], strides)]
    if output_shape is not None:
        pads = _pads_for(output_shape, full, auto_pad)
    if any(pads[axis] + pads[axis + 2] >= full[axis] for axis in range(2)):
        raise Unsupported(f"pads={list(pads)} leave nothing of a result of {full}")
    index, padding = elements(x.shape), []
    for axis, reach in enumerate(reaches):
        room = reach - pads[axis], reach - pads[axis + 2] + output_padding[axis]
        padding.append(room if min(room) >= 0 else (0, 0))
        index = _spread(index, 1 + axis, strides[axis], (0, 0) if min(room) >= 0 else room)
    (top, bottom), (left, right) = padding
    dilation = (dilations[0], dilations[1])
    op = Conv(_mirrored(w, group), (1, 1), dilation, (top, left, bottom, right), group)
    return linear(gathered(x, index), op, bias=_bias(b, len(op.weight)))


def _check_steps(
    strides: Sequence[int], dilations: Sequence[int], output_padding: Sequence[int]
) -> None:
    check_spatial("strides", strides)
    check_spatial("dilations", dilations)
    check_spatial("output_padding", output_padding, 0)
    if any(extra >= max(steps) for extra, *steps in zip(output_padding, strides, dilations)):
        raise Unsupported(f"output_padding={list(output_padding)} with strides={list(strides)}")


def _pads_for(output_shape: Sequence[int], full: Sequence[int], auto_pad: str) -> tuple[int, ...]:
    """Return the padding (top, left, bottom, right) that cuts the full result to a shape."""
    check_spatial("output_shape", output_shape)
    cut = [size - wanted for size, wanted in zip(full, output_shape)]
    if min(cut) < 0:
        raise Unsupported(
            f"an output of {list(output_shape)}, of which the kernel reaches {list(full)}",
            "use output_padding",
        )
    rows, columns = (halves(size, auto_pad == "SAME_UPPER") for size in cut)
    return rows[0], columns[0], rows[1], columns[1]


def _spread(index: Index, axis: int, stride: int, room: Pair) -> Index:
    """Return the map with stride - 1 zeros between neighbours, with room around it or cut."""
    size = index.shape[axis]
    places = np.arange(-room[0], (size - 1) * stride + 1 + room[1])
    source = places // stride
    real = (places % stride == 0) & (source >= 0) & (source < size)
    spread = index.take(np.where(real, source, 0), axis)
    np.moveaxis(spread, axis, -1)[..., ~real] = -1
    return spread


def _mirrored(w: Array, group: int) -> Floats:
    """Return the weights (I, O / groups, kH, kW) of a transpose as those of a convolution."""
    inputs, outputs, *kernel = w.shape
    grouped = float32(w).reshape(group, inputs // group, outputs, *kernel)
    swapped = grouped.swapaxes(1, 2).reshape(group * outputs, inputs // group, *kernel)
    return swapped[:, :, ::-1, ::-1].copy()
