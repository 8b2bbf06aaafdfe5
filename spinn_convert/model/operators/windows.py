"""Where the windows of a convolution or a pooling lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np

from spinn_convert.linear.ops import Pair, Shape
from spinn_convert.model.operators.registry import Unsupported
from spinn_convert.model.operators.steps import Index

AutoPad = Literal["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]

SAME = ("SAME_UPPER", "SAME_LOWER")
LARGEST = 2**25
"""Elements under one window, padding included."""


@dataclass(frozen=True)
class Axis:
    """The windows along one axis; `begin` and `end` are the padding of the file."""

    size: int
    kernel: int
    stride: int
    dilation: int
    begin: int
    end: int
    ceil: bool = False

    @property
    def extent(self) -> int:
        """Elements from the first to the last tap of a window."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def count(self) -> int:
        """Number of windows; with `ceil` also one that ends, but does not start, beyond the end."""
        room = self.size + self.begin + self.end - self.extent
        if not self.ceil:
            return room // self.stride + 1
        count = -(-room // self.stride) + 1
        return count - ((count - 1) * self.stride >= self.size + self.begin)

    @property
    def full_end(self) -> int:
        """Padding after the end with room for exactly `count` windows; the file's if it has."""
        needed = (self.count - 1) * self.stride + self.extent - self.size - self.begin
        return self.end if needed <= self.end < needed + self.stride else max(needed, 0)

    def taps(self) -> Index:
        """Return the input position (count, kernel) of every tap; padding lies outside."""
        starts = np.arange(self.count)[:, None] * self.stride - self.begin
        return starts + np.arange(self.kernel) * self.dilation


@dataclass(frozen=True)
class Windows:
    """The windows over the two axes of space."""

    rows: Axis
    columns: Axis

    @property
    def kernel(self) -> Pair:
        """Height and width of a window."""
        return self.rows.kernel, self.columns.kernel

    @property
    def stride(self) -> Pair:
        """Step between two windows."""
        return self.rows.stride, self.columns.stride

    @property
    def dilation(self) -> Pair:
        """Step between two taps of a window."""
        return self.rows.dilation, self.columns.dilation

    @property
    def pads(self) -> tuple[int, int, int, int]:
        """Padding (top, left, bottom, right) with room for every window."""
        rows, columns = self.rows, self.columns
        return rows.begin, columns.begin, rows.full_end, columns.full_end


def windows(
    shape: Shape,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Sequence[int],
    auto_pad: str,
    ceil_mode: int = 0,
) -> Windows:
    """Return the windows over a map (C, H, W)."""
    if len(shape) != 3:
        raise Unsupported(
            f"a window over a tensor of rank {len(shape) + 1}",
            "only maps (batch, channels, height, width) have windows here",
        )
    check_spatial("kernel_shape", kernel)
    check_spatial("strides", strides)
    check_spatial("dilations", dilations)
    check_pads(pads, auto_pad)
    if shape[0] * prod(kernel) > LARGEST:
        raise Unsupported(f"a window of {tuple(kernel)} over {shape[0]} channels is too large")
    if auto_pad in SAME and max(dilations) > 1:
        raise Unsupported(
            f"auto_pad={auto_pad!r} with dilations={list(dilations)}", "export the model with pads"
        )
    axes = []
    for axis, size in enumerate(shape[1:]):
        k, stride, dilation = kernel[axis], strides[axis], dilations[axis]
        begin, end = pads[axis], pads[axis + 2]
        if auto_pad in SAME:
            needed = max(0, (-(-size // stride) - 1) * stride + k - size)
            begin, end = halves(needed, auto_pad == "SAME_UPPER")
        axes.append(Axis(size, k, stride, dilation, begin, end, bool(ceil_mode)))
        if axes[-1].count < 1 or size + begin + end < axes[-1].extent:
            raise Unsupported(f"a window of {tuple(kernel)} does not fit into shape {shape}")
    return Windows(axes[0], axes[1])


def halves(total: int, upper: bool) -> Pair:
    """Split a padding into begin and end; an odd element goes to the end if `upper`."""
    small, large = total // 2, total - total // 2
    return (small, large) if upper else (large, small)


def check_spatial(name: str, values: Sequence[int], lowest: int = 1) -> None:
    """Refuse an attribute that is not two integers from `lowest` on."""
    if len(values) != 2 or min(values) < lowest:
        raise Unsupported(f"{name}={list(values)}; it must be two integers, {lowest} or more")


def check_pads(pads: Sequence[int], auto_pad: str) -> None:
    """Refuse a padding that is not four integers, or is there twice."""
    if len(pads) != 4 or min(pads) < 0:
        raise Unsupported(f"pads={list(pads)}; it must be four integers, 0 or more")
    if auto_pad != "NOTSET" and any(pads):
        raise Unsupported(f"pads={list(pads)} beside auto_pad={auto_pad!r}")
