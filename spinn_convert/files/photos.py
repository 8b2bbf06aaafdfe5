"""Pictures with labels: a folder with one folder per class, or a list of files."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spinn_convert.errors import DataError, Problem
from spinn_convert.files import pictures
from spinn_convert.files.collection import CLASSES, Collection, Labels, class_names
from spinn_convert.files.pictures import EXTENSIONS

LISTS = (".txt", ".csv", ".tsv")
LAYOUT = "put the pictures of each class into a folder of its own, such as FOLDER/cat/1.jpg"
ADD = f"add some ({', '.join(EXTENSIONS)})"
ONE_PER_LINE = "write a path and a label on each line, such as val/1.jpg,65"


def folder(path: Path, labelled: bool) -> Collection:
    """Read a folder with one folder per class, as torchvision's ImageFolder does.

    Labels count the folders by name from 0, or are the lines of CLASSES. labelled: whether labels
    are needed; pictures may otherwise lie in the folder itself. Raises DataError for classes
    without pictures, for pictures without class, and for names that CLASSES lacks.
    """
    names = sorted(entry.name for entry in os.scandir(path) if entry.is_dir())
    loose = [p for p in sorted(path.iterdir()) if p.name.lower().endswith(EXTENSIONS)]
    if not names and loose and not labelled:
        return _collection(path, loose, None, ())
    if not names:
        what = "pictures lie in it without a class" if loose else "holds no class folders"
        raise DataError([Problem(str(path), what, _instead(path))])
    order = class_names(path) or tuple(names)
    found = {name: pictures.in_folder(path / name) for name in names}
    problems = [
        Problem(str(path / name), "no picture in this class", f"{ADD}, or take the folder away")
        for name, files in found.items()
        if not files
    ]
    unknown = [name for name in names if name not in order]
    if unknown:
        what = f"{', '.join(unknown[:4])} {'is' if len(unknown) == 1 else 'are'} not in {CLASSES}"
        problems.append(Problem(str(path), what, f"name every class folder in {CLASSES}"))
    if problems:
        raise DataError(problems[:8])
    labels = np.repeat([order.index(name) for name in names], [*map(len, found.values())])
    files = [file for some in found.values() for file in some]
    return _collection(path, files, labels.astype(np.int64), order)


def _instead(path: Path) -> str:
    """Return what to do with a folder without class folders."""
    arrays = sorted(file.name for file in path.iterdir() if file.suffix in (".npy", ".npz"))
    return f"give {path / arrays[0]}" if arrays else LAYOUT


def listed(path: Path, labelled: bool) -> Collection:
    """Read a list of files: a path and a label per line, with a comma, tab or space between.

    Paths are relative to the list; labels are numbers from 0, or names in CLASSES beside it. Lines
    that are empty or begin with # are left out, and so is a first line of headings. labelled:
    whether labels are needed. Raises DataError for lines without label and files that are missing.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise DataError([Problem(str(path), f"cannot be read ({error})", ONE_PER_LINE)]) from error
    rows = [(number, _cells(line)) for number, line in enumerate(lines, 1) if _says(line)]
    order, folder_ = class_names(path.parent), path.parent
    if rows and _are_headings(rows[0][1], folder_, order):
        rows = rows[1:]
    if not rows:
        raise DataError([Problem(str(path), "names no pictures", ONE_PER_LINE)])
    files = [folder_ / cells[0] for _, cells in rows]
    problems = _missing(path, [(number, file) for (number, _), file in zip(rows, files)])
    labels: list[int] = []
    if labelled or all(len(cells) > 1 for _, cells in rows):
        labels, wrong = _labels(path, rows, order)
        problems += wrong
    if problems:
        raise DataError(problems)
    return _collection(path, files, np.array(labels, np.int64) if labels else None, order)


def _says(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _cells(line: str) -> list[str]:
    """Return path and label of a line, which may be separated in three ways; a path may be all."""
    for separator in ("\t", ","):
        if separator in line:
            return [cell.strip() for cell in next(csv.reader([line], delimiter=separator))]
    path, _, label = line.strip().rpartition(" ")
    return [path.strip(), label] if path and label.isdecimal() else [line.strip()]


def _are_headings(cells: list[str], place: Path, order: Sequence[str]) -> bool:
    known = len(cells) > 1 and (_number(cells[1]) is not None or cells[1] in order)
    return not known and not (place / cells[0]).is_file() and len(cells) > 1


def _missing(path: Path, files: Sequence[tuple[int, Path]]) -> list[Problem]:
    missing = [(number, file) for number, file in files if not file.is_file()]
    if not missing:
        return []
    number, file = missing[0]
    what = f"{len(missing)} of {len(files)} pictures are not there, the first is {file}"
    return [Problem(f"{path}, line {number}", what, "write paths relative to the list")]


def _labels(
    path: Path, rows: Sequence[tuple[int, list[str]]], order: Sequence[str]
) -> tuple[list[int], list[Problem]]:
    """Return the label of every line, and what is wrong with the first that has none."""
    places, labels = {name: number for number, name in enumerate(order)}, []
    for number, cells in rows:
        text = cells[1] if len(cells) > 1 else ""
        label = places.get(text, _number(text))
        if label is None:
            what = f"the label {text!r} is no number" if text else f"no label after {cells[0]}"
            fix = ONE_PER_LINE if not text else f"give a number from 0, or a name in {CLASSES}"
            return [], [Problem(f"{path}, line {number}", what, fix)]
        labels.append(label)
    return labels, []


def _number(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def _collection(
    path: Path, files: Sequence[Path], labels: Labels | None, classes: tuple[str, ...]
) -> Collection:
    """Return pictures, which `files.pictures` reads by their paths."""
    names = [str(file) for file in files]
    by_class = labels is not None and path.is_dir()
    return Collection(
        str(path), files.__getitem__, names, labels, classes, tuple(files), by_class=by_class
    )
