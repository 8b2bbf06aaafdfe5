"""Which output positions of a convolution see which input positions, by element of its kernel."""

from __future__ import annotations

from collections.abc import Iterator

from spinn_convert.linear.ops import Conv, Shape, linear_shape


def kernel_elements(op: Conv, shape: Shape) -> Iterator[tuple[int, int, slice, slice]]:
    """Yield (ky, kx, output rows, output columns) for each element (ky, kx) of the kernel.

    At these outputs the element falls on an input of the tensor (C, H, W) of `shape`, not on
    padding. Elements that fall on padding everywhere are left out.
    """
    _, out_height, out_width = linear_shape(op, shape)
    top, left = op.pads[:2]
    for ky in range(op.weight.shape[2]):
        rows = seen_outputs(ky * op.dilation[0] - top, op.stride[0], shape[1], out_height)
        for kx in range(op.weight.shape[3]):
            columns = seen_outputs(kx * op.dilation[1] - left, op.stride[1], shape[2], out_width)
            if rows.start < rows.stop and columns.start < columns.stop:
                yield ky, kx, rows, columns


def seen_outputs(offset: int, stride: int, size: int, positions: int) -> slice:
    """Return the output positions o with 0 <= o * stride + offset < size."""
    return slice(max(0, -(offset // stride)), min(positions, (size - 1 - offset) // stride + 1))


def seen_inputs(op: Conv, ky: int, kx: int, rows: slice, columns: slice) -> tuple[slice, slice]:
    """Return the input rows and columns that element (ky, kx) falls on at these outputs."""
    found = []
    for axis, k, seen in ((0, ky, rows), (1, kx, columns)):
        stride, offset = op.stride[axis], k * op.dilation[axis] - op.pads[axis]
        found.append(
            slice(seen.start * stride + offset, (seen.stop - 1) * stride + offset + 1, stride)
        )
    return found[0], found[1]
