"""Images with a label each, wherever they are: what a file or a folder is read as."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinn_convert.errors import DataError, Problem
from spinn_convert.linear.ops import Shape

Labels = NDArray[np.int64]
CLASSES = "classes.txt"
"""Names of classes in the model's order, one per line, in a folder of images or beside it."""
SEED = 0


@dataclass(frozen=True, eq=False)
class Collection:
    """N images as they are stored, with labels (N,), None if there are none.

    where: they are, for messages. read: returns image i, a Pillow picture or an array. names: of
    the images, for messages. classes: names by label. paths: files of pictures. by_class: whether
    they are stored class after class. together: whether several threads may read.
    """

    where: str
    read: Callable[[int], Any]
    names: Sequence[str]
    labels: Labels | None
    classes: tuple[str, ...] = ()
    paths: tuple[Path, ...] = ()
    by_class: bool = False
    together: bool = True

    def __len__(self) -> int:
        return len(self.names)


class Numbered(Sequence[str]):
    """Names of images that have none: `WHERE, image 0` and so on."""

    def __init__(self, where: str, count: int) -> None:
        self._where, self._numbers = where, range(count)

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, number: Any) -> Any:
        """Return the name of one image."""
        return f"{self._where}, image {self._numbers[number]}"


def drawn(labels: Labels | None, count: int) -> NDArray[np.int64]:
    """Return the numbers of `count` images (N,) in a random order, always the same.

    Of every class as many as of any other, as far as they last: one of each class in turns. labels:
    (N,), or None to draw from all alike.
    """
    order = np.random.default_rng(SEED).permutation(count)
    if labels is None:
        return order
    turn, shuffled = np.empty(count, np.int64), labels[order]
    sort = np.argsort(shuffled, kind="stable")
    _, begins, sizes = np.unique(shuffled[sort], return_index=True, return_counts=True)
    turn[sort] = np.arange(count) - np.repeat(begins, sizes)
    return order[np.lexsort((shuffled, turn))]


def class_names(folder: Path) -> tuple[str, ...]:
    """Return the lines of CLASSES in a folder or beside it; none if there is no such file."""
    for place in (folder / CLASSES, folder.absolute().parent / CLASSES):
        if place.is_file():
            lines = place.read_text(encoding="utf-8", errors="replace").splitlines()
            names = tuple(line.strip() for line in lines if line.strip())
            if len(set(names)) < len(names):
                twice = next(name for name in names if names.count(name) > 1)
                what = f"names the class {twice} twice"
                raise DataError([Problem(str(place), what, "give one class per line")])
            return names
    return ()


def label_problems(
    where: str, labels: NDArray[np.generic], images: Shape, classes: int | None
) -> list[Problem]:
    """Return what is wrong with labels; images: (N,). classes: how many; None if unknown."""
    if labels.shape != images:
        what = f"shape {labels.shape} for {sum(images)} images"
        return [Problem(where, what, "store one label per image")]
    if labels.dtype.kind not in "ui":
        return [Problem(where, f"dtype {labels.dtype}", "store integers")]
    values = labels.astype(np.int64)
    if classes is None:
        return []
    wrong = np.flatnonzero((values < 0) | (values >= classes))
    if len(wrong):
        what = f"label {labels[wrong[0]]} of image {wrong[0]}; the model has {classes} classes"
        return [Problem(where, what, f"labels run from 0 to {classes - 1}")]
    return []
