"""Images and labels from the user's files: which reader takes which, and archives themselves."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spinn_convert.errors import DataError, Problem
from spinn_convert.files import photos, tables
from spinn_convert.files.archive import Arrays, read_arrays, shape_of
from spinn_convert.files.collection import Collection, drawn, label_problems
from spinn_convert.files.decoded import Decoded
from spinn_convert.linear.ops import Floats, Shape

KEYS = (
    "images (N, *input shape) and labels (N,) for testing, calibration_images of the training set;"
    " optional: scale, mean (C,), std (C,) with network input = (images * scale - mean) / std"
)

GIVE = (
    "give with --data a folder with one folder per class, a list of files, or another form of"
    " docs/data.md"
)
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False)
class Images:
    """Raw images (N, *input shape), of any type, and how they become the network's input.

    A slice is that input, float32 (B, *input shape): (raw * scale - mean) / std, computed for these
    images only. So any number of images needs no more memory than `raw`, which stays in the file
    if it is large and not compressed. scale: a number. mean, std: (C,) or (1,).
    """

    raw: NDArray[np.generic]
    scale: float = 1.0
    mean: Floats = field(default_factory=lambda: np.zeros(1, np.float32))
    std: Floats = field(default_factory=lambda: np.ones(1, np.float32))

    def __len__(self) -> int:
        return len(self.raw)

    def first(self, count: int) -> Images:
        """Return the first `count` images, still not computed."""
        return replace(self, raw=self.raw[:count])

    def __getitem__(self, some: slice) -> Floats:
        values = self.raw[some].astype(np.float32)
        ones = (1,) * (values.ndim - 2)
        values *= np.float32(self.scale)
        values -= self.mean.reshape(-1, *ones)
        values /= self.std.reshape(-1, *ones)
        return np.ascontiguousarray(values)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Test images (N, *image shape) with labels (N,), and images of the training set.

    A slice of `images` or `calibration` is the model's input, float32. calibration: M images of
    the training set, from which scales are measured; none (M = 0) where none are known.
    calibration_labels: (M,), None if unknown. classes: their names by label, () if unknown. said:
    lines on what was read, for the user to check; "" of an archive.
    """

    images: Images | Decoded
    labels: NDArray[np.int64]
    calibration: Images | Decoded
    calibration_labels: NDArray[np.int64] | None = None
    classes: tuple[str, ...] = ()
    said: str = ""


def image_shape(path: Path) -> Shape | None:
    """Return the shape of one image of an .npz, None if there is no such file or array."""
    shape = shape_of(path, "images")
    return None if shape is None else shape[1:]


def collected(path: Path, labelled: bool) -> Collection:
    """Return the images of a folder or a file that is no .npz, still not read.

    labelled: whether labels are needed. Raises DataError where it cannot be read.
    """
    if not path.exists():
        raise DataError([Problem(str(path), "no such file or folder", GIVE)])
    try:
        return _collected(path, labelled)
    except OSError as error:
        raise DataError([Problem(str(path), f"cannot be read ({error})", GIVE)]) from error


def _collected(path: Path, labelled: bool) -> Collection:
    if path.is_dir():
        saved = (path / tables.SAVED).is_file()
        return tables.arrow(path, labelled) if saved else photos.folder(path, labelled)
    if path.suffix.lower() in photos.LISTS:
        return photos.listed(path, labelled)
    for suffixes, reader in tables.READERS:
        if path.suffix.lower() in suffixes:
            return reader(path, labelled)
    known = (".npz", *photos.LISTS, *(suffix for some, _ in tables.READERS for suffix in some))
    fix = f"give a folder with one folder per class, or a file: {', '.join(known)}"
    raise DataError([Problem(str(path), "is no file of images that is known", fix)])


def load_dataset(
    path: Path,
    shape: Shape,
    classes: int | None = None,
    integers: bool = False,
    calibrated: bool = True,
) -> Dataset:
    """Read the .npz with the arrays of KEYS.

    shape: of one image. classes: labels must be below this number; None if it is unknown. integers:
    whether the model takes integers, such as uint8 pixels; integer images then need no `scale`.
    calibrated: whether `calibration_images` must be there. Raises DataError that lists every array
    that is missing or does not fit the model.
    """
    arrays = _read(path)
    wanted = ("images", "labels", *(("calibration_images",) if calibrated else ()))
    missing = [key for key in wanted if key not in arrays]
    if missing:
        what, fix = f"has no array {', '.join(missing)}", f"store {KEYS}"
        if missing == ["calibration_images"]:
            fix = f"name training images with --calibration, or {fix}"
        raise DataError([Problem(str(path), what, fix)])
    problems = [
        problem
        for name in ("images", "calibration_images")
        if name in arrays
        for problem in image_problems(
            f"{path}, {name}", arrays[name], shape, integers or "scale" in arrays
        )
    ]
    problems += label_problems(
        f"{path}, labels", arrays["labels"], arrays["images"].shape[:1], classes
    )
    if "calibration_labels" in arrays and "calibration_images" in arrays:
        where, sizes = f"{path}, calibration_labels", arrays["calibration_images"].shape[:1]
        problems += label_problems(where, arrays["calibration_labels"], sizes, classes)
    problems += scaling_problems(path, arrays, shape)
    if problems:
        raise DataError(problems)
    how, labels = scaling(arrays), arrays.get("calibration_labels")
    none = np.zeros((0, *shape), np.float32)
    return Dataset(
        Images(arrays["images"], *how),
        arrays["labels"].astype(np.int64),
        Images(arrays.get("calibration_images", none), *how),
        None if labels is None else labels.astype(np.int64),
    )


def load_training(
    path: Path, shape: Shape, integers: bool
) -> tuple[Images, NDArray[np.int64] | None]:
    """Return the images of an .npz to calibrate on, with their labels if it has any.

    They are its `calibration_images`, or else its `images`. Raises DataError as `load_dataset`.
    """
    arrays = _read(path)
    kind = "calibration_" if "calibration_images" in arrays else ""
    if f"{kind}images" not in arrays:
        fix = f"store {KEYS}"
        raise DataError([Problem(str(path), "has no array images", fix)])
    images, labels = arrays[f"{kind}images"], arrays.get(f"{kind}labels")
    problems = image_problems(f"{path}, {kind}images", images, shape, integers or "scale" in arrays)
    problems += scaling_problems(path, arrays, shape)
    if labels is not None:
        problems += label_problems(f"{path}, {kind}labels", labels, images.shape[:1], None)
    if problems:
        raise DataError(problems)
    return Images(images, *scaling(arrays)), None if labels is None else labels.astype(np.int64)


def scaling(arrays: Arrays) -> tuple[float, Floats, Floats]:
    """Return scale, mean and std of an archive, with their defaults."""
    return (
        float(np.asarray(arrays.get("scale", np.ones(1)), np.float32).reshape(-1)[0]),
        np.asarray(arrays.get("mean", np.zeros(1)), np.float32),
        np.asarray(arrays.get("std", np.ones(1)), np.float32),
    )


def load_labels(path: Path) -> NDArray[np.int64]:
    """Return labels (N,) of an .npz, of an .npy, or of anything that `collected` reads.

    They are in the order in which the images are presented. Raises DataError if the file is
    missing, damaged, or holds anything but one axis of integers.
    """
    if path.suffix == ".npz":
        arrays = _read(path)
        if "labels" not in arrays:
            raise DataError([Problem(str(path), "has no array labels", f"store {KEYS}")])
        labels = arrays["labels"]
    elif path.suffix == ".npy":
        labels = tables.read_npy(path)
    else:
        found = collected(path, labelled=True)
        known = np.asarray(found.labels)
        labels = known[drawn(known, len(known))] if found.by_class else known
    problems = label_problems(str(path), labels, labels.shape[:1] or (0,), None)
    if problems:
        raise DataError(problems)
    return np.asarray(labels, np.int64)


def _read(path: Path) -> Arrays:
    if not path.exists():
        fix = f"{GIVE}, such as an .npz of {KEYS}"
        raise DataError([Problem(str(path), "no such file", fix)])
    return read_arrays(path, "an archive of images", f"write it with numpy.savez: {KEYS}")


def scaling_problems(path: Path, arrays: Arrays, shape: Shape) -> list[Problem]:
    """Return what is wrong with scale, mean and std, once converted to float32."""
    problems = []
    for name, sizes in (("scale", (1,)), ("mean", (1, *shape[:1])), ("std", (1, *shape[:1]))):
        where, value = f"{path}, {name}", arrays.get(name, np.ones(1))
        if value.dtype.kind not in "fui":
            problems.append(Problem(where, f"dtype {value.dtype}", "store numbers"))
            continue
        with np.errstate(over="ignore"):
            numbers = value.astype(np.float32)
        if value.size not in sizes or not np.isfinite(numbers).all():
            allowed = (
                "one number" if len(sizes) == 1 else f"one number, or one per channel {sizes[1:]}"
            )
            what = f"shape {value.shape}, values {value.ravel()[:4]}; expected {allowed}"
            problems.append(Problem(where, what, "store finite values"))
        elif name == "std" and not (numbers > 0).all():
            problems.append(Problem(where, "not above zero", "store standard deviations"))
    return problems


def image_problems(
    where: str, images: NDArray[np.generic], shape: Shape, scaled: bool
) -> list[Problem]:
    """Return what is wrong with images; scaled: whether integers are turned into numbers."""
    if images.ndim < 1 or len(images) == 0:
        return [Problem(where, "holds no images", "store at least one image")]
    if images.shape[1:] != shape:
        fix = f"store images as (N, {', '.join(map(str, shape))})"
        if images.shape[1:] == (*shape[1:], shape[0]):
            fix += "; these are channels last: images.transpose(0, 3, 1, 2)"
        return [Problem(where, f"shape {images.shape}; the model takes {shape}", fix)]
    if images.dtype.kind not in "fui":
        return [Problem(where, f"dtype {images.dtype}", "store float32 or uint8 images")]
    if images.dtype.kind in "ui" and not scaled:
        what = f"dtype {images.dtype} without the array `scale`"
        fix = "store scale (1/255 if the model was trained on pixels from 0 to 1), mean and std"
        return [Problem(where, what, fix)]
    if images.dtype.kind == "f" and not -LARGEST <= images.min() <= images.max() <= LARGEST:
        return [Problem(where, "NaN or infinite pixels", "store finite images, as float32")]
    return []
