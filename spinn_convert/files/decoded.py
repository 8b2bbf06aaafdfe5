"""Images that become a model's input when they are needed, one file or row at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from spinn_convert.errors import DataError, Problem
from spinn_convert.files import pictures, preprocess
from spinn_convert.files.collection import Collection
from spinn_convert.files.pictures import by_threads
from spinn_convert.files.preprocess import Preprocess
from spinn_convert.linear.ops import Floats, Shape

KEPT = 2**26
"""Bytes of images that are kept after they have been read; calibration reads them three times."""
OVERHEAD = 200
"""Bytes of an array's own."""
HEADERS = 20_000
"""Pictures whose headers are read before anything is computed, in a second or two."""
NAMED = 4
"""Pictures that one message names."""


@dataclass(frozen=True, eq=False)
class Decoded:
    """Images that are read when they are needed; a slice is the model's input, float32.

    read: returns what is stored of the image with a number, such as its pixels. finish: makes
    (B, *shape) of a list of these. order: numbers of the images (N,). shape: of one image.
    threads: that read. kept: what was read, as far as KEPT goes, by number; the others are read
    again. prepared: whether pictures are made the model's input by a Preprocess.
    """

    read: Callable[[int], NDArray[Any]]
    finish: Callable[[list[NDArray[Any]]], Floats]
    order: NDArray[np.int64]
    shape: Shape
    threads: int = 1
    kept: dict[int, NDArray[Any]] = field(default_factory=dict)
    prepared: bool = False

    def __len__(self) -> int:
        return len(self.order)

    def first(self, count: int) -> Decoded:
        """Return the first `count` images, still not read."""
        return replace(self, order=self.order[:count])

    def __getitem__(self, some: slice) -> Floats:
        numbers = [int(number) for number in self.order[some]]
        if not numbers:
            return np.zeros((0, *self.shape), np.float32)
        missing = [number for number in numbers if number not in self.kept]
        found = dict(zip(missing, by_threads(self.read, missing, self.threads)))
        values = self.finish([found[n] if n in found else self.kept[n] for n in numbers])
        for number, image in found.items():
            if (len(self.kept) + 1) * (image.nbytes + OVERHEAD) <= KEPT:
                self.kept[number] = image
        return values


def of_arrays(found: Collection, order: NDArray[np.int64], shape: Shape, threads: int) -> Decoded:
    """Return arrays that are a model's input already; shape: of one image.

    Raises DataError if the first of them is not.
    """
    images = Decoded(partial(_array, found, shape), _stacked, order, shape, threads)
    images[:1]
    return images


def of_pictures(
    found: Collection,
    order: NDArray[np.int64],
    how: Preprocess,
    shape: Shape,
    integers: bool,
    threads: int,
) -> Decoded:
    """Return pictures that are prepared for a model's input; shape: of one image.

    integers: whether the model takes integers. Raises DataError if the first of them cannot be, or
    the headers of HEADERS say so.
    """
    channels, last = _channels(found.where, shape)
    _check_channels(how, channels)
    area = (shape[0], shape[1]) if last else (shape[1], shape[2])
    _check_sizes(found, order, how, area, threads)
    values = preprocess.numbers_of(how, channels, integers)
    read = partial(_pixels, found, how, channels, area)
    finish = partial(_looked_up, values, last)
    images = Decoded(read, finish, order, shape, threads, prepared=True)
    images[:1]
    return images


def _array(found: Collection, shape: Shape, number: int) -> NDArray[Any]:
    """Return an array as it is stored; raises DataError if it is no input of the model."""
    values = np.asarray(found.read(number))
    if values.shape != shape:
        what, fix = f"shape {values.shape}; the model takes {shape}", f"store {shape}"
        if values.shape == (*shape[1:], shape[0]):
            fix += "; these are channels last: transpose(2, 0, 1)"
        raise DataError([Problem(found.names[number], what, fix)])
    if values.dtype.kind not in "fui" or not np.isfinite(values).all():
        what = f"dtype {values.dtype}, or NaN or infinite values"
        raise DataError([Problem(found.names[number], what, "store finite numbers, float32")])
    return values


def _pixels(
    found: Collection, how: Preprocess, channels: int, area: tuple[int, int], number: int
) -> NDArray[np.uint8]:
    """Return the pixels (channels, *area) of a picture; raises DataError if it is none."""
    name, item = found.names[number], found.read(number)
    if isinstance(item, Path):
        picture = pictures.read(item, channels)
    else:
        picture = pictures.coloured(name, _picture(name, item), channels)
    pixels = preprocess.pixels_of(how, picture)
    if pixels.shape[1:] != area:
        raise DataError([_missized(name, how, (picture.height, picture.width), area)])
    return pixels


def _picture(name: str, item: Any) -> Image.Image:
    """Return the picture of an array (H, W), (C, H, W) or (H, W, C)."""
    if isinstance(item, Image.Image):
        return item
    values = np.asarray(item)
    if values.ndim == 3 and values.shape[0] in (1, 3) and values.shape[2] not in (1, 3):
        values = values.transpose(1, 2, 0)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] != 3):
        what = f"shape {values.shape} is no picture"
        raise DataError([Problem(name, what, "store (C, H, W) or (H, W, C), with 1 or 3 channels")])
    if values.min(initial=0) < 0 or values.max(initial=0) > 255:
        what = f"pixels from {values.min()} to {values.max()}"
        raise DataError([Problem(name, what, "store pixels from 0 to 255, uint8")])
    return Image.fromarray(np.ascontiguousarray(values, np.uint8))


def _channels(where: str, shape: Shape) -> tuple[int, bool]:
    """Return how many channels the model's pictures have, and whether these are the last axis."""
    if len(shape) == 3 and shape[0] in (1, 3):
        return shape[0], False
    if len(shape) == 3 and shape[2] in (1, 3):
        return shape[2], True
    what = f"pictures have 1 or 3 channels; the model takes {shape}"
    raise DataError([Problem(where, what, "store arrays, in an .npz or .npy")])


def _check_channels(how: Preprocess, channels: int) -> None:
    """Raise DataError where mean or std are of another number of channels."""
    for name, values in (("mean", how.mean), ("std", how.std)):
        if len(values) not in (1, channels):
            what = f"{len(values)} numbers; the model takes {channels} channel"
            fix = f"give one number, as {name}={values[0]}"
            raise DataError([Problem(f"--preprocess {name}", what, fix)])


def _check_sizes(
    found: Collection,
    order: NDArray[np.int64],
    how: Preprocess,
    area: tuple[int, int],
    threads: int,
) -> None:
    """Raise DataError for pictures that cannot be read, or do not become of the model's size."""
    if not found.paths:
        return
    numbers = [int(number) for number in order[:HEADERS]]
    sizes = pictures.by_threads(lambda i: pictures.size_of(found.paths[i]), numbers, threads)
    unread = [size for size in sizes if isinstance(size, Problem)]
    wrong = [
        (number, size)
        for number, size in zip(numbers, sizes)
        if not isinstance(size, Problem) and preprocess.size_after(how, size) != area
    ]
    problems = unread[:NAMED]
    if wrong:
        number, size = wrong[0]
        problem = _missized(found.names[number], how, size, area)
        others = f" (so are {len(wrong) - 1:,} others of {len(numbers):,})" * (len(wrong) > 1)
        problems.append(replace(problem, what=problem.what + others))
    if len(unread) > NAMED:
        what = f"{len(unread):,} of {len(numbers):,} files cannot be read"
        problems.append(Problem(found.where, what, pictures.REPLACE))
    if problems:
        raise DataError(problems)


def _missized(name: str, how: Preprocess, size: tuple[int, int], area: tuple[int, int]) -> Problem:
    """Return what is wrong with a picture that is not of the model's size when it is prepared."""
    became = preprocess.size_after(how, size)
    shown = [f"{rows} x {columns}" for rows, columns in (size, became, area)]
    what = f"is {shown[0]} pixels"
    what += f", {shown[1]} when resized and cropped" if became != size else ""
    wanted = f"resize={min(area)},crop={area[0]}x{area[1]}"
    fix = f"say how it is made so with --preprocess, as {wanted}"
    return Problem(name, f"{what}; the model takes {shown[2]}", fix)


def _looked_up(values: Floats, last: bool, pixels: Sequence[NDArray[np.uint8]]) -> Floats:
    """Return the input for pixels (C, H, W), by the table of its values (C, 256)."""
    stacked = np.stack(pixels)
    found = np.empty(stacked.shape, np.float32)
    for channel, table in enumerate(values):
        np.take(table, stacked[:, channel], out=found[:, channel], mode="clip")
    return np.ascontiguousarray(found.transpose(0, 2, 3, 1)) if last else found


def _stacked(arrays: Sequence[NDArray[Any]]) -> Floats:
    return np.stack(arrays).astype(np.float32)
