"""Images with boxes, for detectors: a COCO file beside its pictures, or an .npz."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from spinn_convert.errors import DataError, Problem
from spinn_convert.files import pictures
from spinn_convert.files.archive import Arrays, read_arrays
from spinn_convert.files.collection import drawn
from spinn_convert.files.data import Images, image_problems, scaling, scaling_problems
from spinn_convert.linear.ops import Floats, Shape

NPZ_KEYS = (
    "images (N, *input shape), boxes (M, 4) as left, top, right, bottom in pixels, labels (M,),"
    " boxes_per_image (N,) and calibration_images of the training set; optional: scale, mean, std"
)
CALIBRATION = ("calibration", "train2017")
"""Folders, beside the pictures or their folder, of training images to measure scales on."""
MOST_CALIBRATION = 1000
"""Pictures of such a folder that are used, the first by name; of another, drawn from it."""


@dataclass(frozen=True, eq=False)
class Truth:
    """What is on one image: boxes (n, 4) as left, top, right, bottom in pixels, labels (n,).

    crowd: (n,) bool, boxes around many things that are not to be found one by one. size: of the
    picture, (rows, columns); boxes are in its pixels. scale: pixels of the model's input for each.
    """

    boxes: Floats
    labels: NDArray[np.int64]
    crowd: NDArray[np.bool_]
    size: tuple[int, int]
    scale: float = 1.0


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures that are read when they are needed; a slice is the model's input, float32.

    Each is scaled to fit into `shape` (C, H, W), its sides in proportion; what remains to the right
    and below is black. Pixels are from 0 to 1 then.
    """

    paths: tuple[Path, ...]
    shape: Shape

    def __len__(self) -> int:
        return len(self.paths)

    def first(self, count: int) -> Pictures:
        """Return the first `count` pictures, still not read."""
        return replace(self, paths=self.paths[:count])

    def __getitem__(self, some: slice) -> Floats:
        paths = self.paths[some]
        found = np.zeros((len(paths), *self.shape), np.float32)
        for image, path in zip(found, paths):
            pixels = _pixels(path, self.shape)
            image[:, : pixels.shape[1], : pixels.shape[2]] = pixels
        return found


@dataclass(frozen=True, eq=False)
class Scenes:
    """Test images with what is on them, and images of the training set to measure scales on.

    names: of the classes, by label.
    """

    images: Images | Pictures
    truth: tuple[Truth, ...]
    calibration: Images | Pictures
    names: Mapping[int, str]


def load_scenes(
    path: Path, shape: Shape, calibration: Path | None = None, count: int | None = None
) -> Scenes:
    """Read an .npz with the arrays of NPZ_KEYS, a COCO file, or a folder with one.

    shape: of the model's input, (C, H, W). calibration: a folder of pictures to measure scales on,
    of which `count` are drawn; None for the usual places. Raises DataError that lists all that is
    missing or does not fit.
    """
    if path.suffix == ".npz":
        scenes = _from_npz(path, shape)
        if calibration is None:
            return scenes
        return replace(scenes, calibration=Pictures(tuple(_drawn(calibration, count)), shape))
    if len(shape) != 3 or shape[0] not in (1, 3):
        what = f"the model takes {shape}; pictures have 1 or 3 channels"
        raise DataError([Problem(str(path), what, f"give an .npz of {NPZ_KEYS}")])
    file = _annotations(path)
    try:
        content = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        what, fix = f"cannot be read as JSON ({error})", "give annotations in COCO's format"
        raise DataError([Problem(str(file), what, fix)]) from error
    training = _calibration(file) if calibration is None else _drawn(calibration, count)
    return _from_coco(file, content, shape, training)


def _annotations(path: Path) -> Path:
    """Return the COCO file of a folder, or the path itself."""
    if not path.is_dir():
        if path.exists():
            return path
        fix = f"give with --data a COCO file, its folder, or an .npz of {NPZ_KEYS}"
        raise DataError([Problem(str(path), "no such file or folder", fix)])
    found = sorted(path.glob("*.json"))
    if len(found) != 1:
        what = f"holds {len(found)} JSON files; one of annotations is expected"
        raise DataError([Problem(str(path), what, "name the file itself with --data")])
    return found[0]


def _from_coco(file: Path, content: Any, shape: Shape, calibration: list[Path]) -> Scenes:
    fix = "give annotations in COCO's format: images, annotations with bbox, categories"
    try:
        images = [(int(i["id"]), str(i["file_name"])) for i in content["images"]]
        names = {int(c["id"]): str(c["name"]) for c in content["categories"]}
        rows: dict[int, list[tuple[list[float], int, bool]]] = {number: [] for number, _ in images}
        strange = []
        for note in content["annotations"]:
            left, top, width, height = map(float, note["bbox"])
            label, crowd = int(note["category_id"]), bool(note.get("iscrowd", 0))
            if int(note["image_id"]) not in rows or label not in names:
                strange.append(note.get("id"))
                continue
            box = [left, top, left + width, top + height]
            rows[int(note["image_id"])].append((box, label, crowd))
    except (KeyError, TypeError, ValueError) as error:
        what = f"is not in COCO's format: {type(error).__name__} {error}"
        raise DataError([Problem(str(file), what, fix)]) from error
    problems = []
    if not images:
        problems.append(Problem(str(file), "names no images", fix))
    if strange:
        what = f"annotation {strange[0]} is of an image or a category that the file does not list"
        problems.append(Problem(str(file), what, "list every image and category"))
    paths = [_place(file, name) for _, name in images]
    missing = [name for (_, name), path in zip(images, paths) if path is None]
    if missing:
        what = f"{len(missing)} of {len(images)} images are not there, the first is {missing[0]}"
        problems.append(Problem(str(file), what, f"put them beside it, or into {_folder(file)}/"))
    if not calibration:
        what = "no images to calibrate on"
        fix = f"put some hundred training images into {file.parent / CALIBRATION[0]}"
        problems.append(Problem(str(file), what, f"{fix}, or name their folder with --calibration"))
    if problems:
        raise DataError(problems)
    sizes = pictures.sizes([path for path in paths if path] + calibration)
    truth = [_truth(rows[number], size, shape) for (number, _), size in zip(images, sizes)]
    problems = [
        Problem(f"{file}, {name}", f"the box {box} is not on the image of {t.size}", "correct it")
        for (_, name), t in zip(images, truth)
        for box in t.boxes[_outside(t)][:1].tolist()
    ]
    if problems:
        raise DataError(problems)
    test = Pictures(tuple(path for path in paths if path), shape)
    return Scenes(test, tuple(truth), Pictures(tuple(calibration), shape), names)


def _folder(file: Path) -> str:
    """Return where COCO keeps the images of instances_val2017.json: val2017."""
    return file.stem.removeprefix("instances_") if file.stem.startswith("instances_") else "images"


def _place(file: Path, name: str) -> Path | None:
    folders = file.parent, file.parent / _folder(file), file.parent.parent / _folder(file)
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def _calibration(file: Path) -> list[Path]:
    for folder in (
        place / name for place in (file.parent, file.parent.parent) for name in CALIBRATION
    ):
        found = [p for p in folder.glob("*") if p.suffix.lower() in pictures.EXTENSIONS]
        if found:
            return sorted(found)[:MOST_CALIBRATION]
    return []


def _drawn(folder: Path, count: int | None) -> list[Path]:
    """Return pictures of a folder and of those in it, drawn at random, always the same."""
    found = pictures.in_folder(folder)
    if not found:
        what = "is no folder with pictures" if folder.exists() else "no such folder"
        fix = f"give a folder of training images ({', '.join(pictures.EXTENSIONS)})"
        raise DataError([Problem(f"--calibration {folder}", what, fix)])
    if count is not None and count > len(found):
        what, fix = f"there are {len(found)} pictures in {folder}", f"use {len(found)} at most"
        raise DataError([Problem(f"--calibration-images {count}", what, fix)])
    return [found[i] for i in drawn(None, len(found))[: count or MOST_CALIBRATION]]


def _truth(
    rows: Sequence[tuple[list[float], int, bool]], size: tuple[int, int], shape: Shape
) -> Truth:
    boxes = np.array([box for box, _, _ in rows], np.float32).reshape(-1, 4)
    labels = np.array([label for _, label, _ in rows], np.int64)
    crowd = np.array([crowd for _, _, crowd in rows], bool)
    return Truth(boxes, labels, crowd, size, _fitting(size, shape))


def _fitting(size: tuple[int, int], shape: Shape) -> float:
    """Return by what a picture is scaled to fit into the model's input."""
    return min(shape[1] / size[0], shape[2] / size[1])


def _outside(truth: Truth) -> NDArray[np.bool_]:
    """Return which boxes reach a pixel or more over the picture's border, or have no area."""
    rows, columns = truth.size
    boxes = truth.boxes
    beyond = (boxes < -1).any(1) | (boxes > np.array([columns, rows, columns, rows]) + 1).any(1)
    return np.asarray(beyond | (boxes[:, 2:] <= boxes[:, :2]).any(1))


def _pixels(path: Path, shape: Shape) -> Floats:
    """Return a picture (C, h, w) in [0, 1], as large as fits into `shape`."""
    colours = pictures.read(path, shape[0])
    factor = _fitting((colours.height, colours.width), shape)
    size = round(colours.width * factor), round(colours.height * factor)
    if size != colours.size:
        colours = colours.resize(size, Image.Resampling.BILINEAR)
    pixels = np.asarray(colours, np.float32).reshape(size[1], size[0], shape[0]) / 255
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _from_npz(path: Path, shape: Shape) -> Scenes:
    arrays = _read(path)
    problems = [
        problem
        for name in ("images", "calibration_images")
        for problem in image_problems(f"{path}, {name}", arrays[name], shape, "scale" in arrays)
    ]
    problems += _box_problems(path, arrays) + scaling_problems(path, arrays, shape)
    if problems:
        raise DataError(problems)
    how, size = scaling(arrays), (shape[-2], shape[-1])
    ends = np.cumsum(arrays["boxes_per_image"].astype(np.int64))
    boxes = np.split(arrays["boxes"].astype(np.float32), ends[:-1])
    labels = np.split(arrays["labels"].astype(np.int64), ends[:-1])
    truth = [
        Truth(some, known, np.zeros(len(some), bool), size) for some, known in zip(boxes, labels)
    ]
    names = {int(label): str(label) for label in np.unique(arrays["labels"])}
    test, calibration = (Images(arrays[key], *how) for key in ("images", "calibration_images"))
    return Scenes(test, tuple(truth), calibration, names)


def _read(path: Path) -> Arrays:
    fix = f"store {NPZ_KEYS}"
    if not path.exists():
        fix = f"give with --data a COCO file, its folder, or an .npz of {NPZ_KEYS}"
        raise DataError([Problem(str(path), "no such file", fix)])
    arrays = read_arrays(path, "an archive of images", fix)
    wanted = ("images", "boxes", "labels", "boxes_per_image", "calibration_images")
    missing = [key for key in wanted if key not in arrays]
    if missing:
        raise DataError([Problem(str(path), f"has no array {', '.join(missing)}", fix)])
    return arrays


def _box_problems(path: Path, arrays: Arrays) -> list[Problem]:
    """Return what is wrong with boxes, labels and boxes_per_image."""
    boxes, labels, counts = (arrays[name] for name in ("boxes", "labels", "boxes_per_image"))
    if boxes.dtype.kind not in "fui" or boxes.shape != (len(labels), 4):
        what = f"shape {boxes.shape}, dtype {boxes.dtype}, for {len(labels)} labels"
        return [Problem(f"{path}, boxes", what, "store a box (left, top, right, bottom) per label")]
    if labels.ndim != 1 or labels.dtype.kind not in "ui":
        what = f"shape {labels.shape}, dtype {labels.dtype}"
        return [Problem(f"{path}, labels", what, "store an integer per box")]
    per_image = counts.shape == arrays["images"].shape[:1] and counts.dtype.kind in "ui"
    if not per_image or int(counts.sum()) != len(boxes) or counts.min(initial=0) < 0:
        what = f"shape {counts.shape}, sum {counts.sum()}, for {len(boxes)} boxes"
        return [Problem(f"{path}, boxes_per_image", what, "store how many boxes every image has")]
    numbers = boxes.astype(np.float64)
    right = np.isfinite(numbers).all(1) & (numbers[:, 2:] > numbers[:, :2]).all(1)
    wrong = np.flatnonzero(~right)
    if len(wrong):
        what = f"box {wrong[0]} is {boxes[wrong[0]].tolist()}"
        return [Problem(f"{path}, boxes", what, "store left < right and top < bottom")]
    return []
