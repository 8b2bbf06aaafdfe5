"""Pictures in files, read by Pillow."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from PIL import Image

from spinn_convert.errors import DataError, Problem

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""Of pictures, as in torchvision's ImageFolder."""
DEEP = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
"""Pillow's names for pictures of more than 8 bits, which it would clip at 255."""
REPLACE = "replace it, or take it out"
T = TypeVar("T")


def in_folder(folder: Path) -> list[Path]:
    """Return the pictures of a folder and of those in it, in torchvision's order."""
    return [
        Path(place, name)
        for place, _, names in sorted(os.walk(folder, followlinks=True))
        for name in sorted(names)
        if name.lower().endswith(EXTENSIONS)
    ]


def read(path: Path, channels: int) -> Image.Image:
    """Return a picture in RGB (3 channels) or L (1); raises DataError if it cannot be read."""
    try:
        with Image.open(path) as picture:
            return coloured(str(path), picture, channels)
    except DataError:
        raise
    except Exception as error:  # a damaged file raises almost any type in Pillow's readers
        what = f"cannot be read as a picture ({error})"
        raise DataError([Problem(str(path), what, REPLACE)]) from error


def coloured(where: str, picture: Image.Image, channels: int) -> Image.Image:
    """Return a picture in RGB (3 channels) or L (1); raises DataError for more than 8 bits."""
    if picture.mode in DEEP:
        what = f"has pixels of more than 8 bits (mode {picture.mode})"
        raise DataError([Problem(where, what, "store it with 8 bits per channel")])
    return picture.convert("RGB" if channels == 3 else "L")


def size_of(path: Path) -> tuple[int, int] | Problem:
    """Return (rows, columns) of a picture by its header, or what is wrong with it."""
    try:
        with Image.open(path) as picture:
            return picture.height, picture.width
    except Exception as error:  # as above
        return Problem(str(path), f"cannot be read as a picture ({error})", REPLACE)


def sizes(paths: Sequence[Path]) -> list[tuple[int, int]]:
    """Return (rows, columns) of pictures; raises DataError that names those that are none."""
    found = [size_of(path) for path in paths]
    problems = [size for size in found if isinstance(size, Problem)]
    if problems:
        raise DataError(problems)
    return [size for size in found if not isinstance(size, Problem)]


def by_threads(function: Callable[[int], T], numbers: Sequence[int], threads: int) -> list[T]:
    """Return what a function returns for each number; each thread takes a run of them."""
    if threads == 1 or len(numbers) < 2:
        return [function(number) for number in numbers]
    share = -(-len(numbers) // threads)
    runs = [numbers[start : start + share] for start in range(0, len(numbers), share)]
    with ThreadPoolExecutor(threads) as pool:
        return [
            found for part in pool.map(lambda run: [*map(function, run)], runs) for found in part
        ]
