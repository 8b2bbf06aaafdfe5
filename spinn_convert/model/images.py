"""The user's images, from whatever file or folder, as a model takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from spinn_convert.errors import DataError, Problem
from spinn_convert.files import data as files
from spinn_convert.files import decoded, preprocess, tables
from spinn_convert.files.collection import CLASSES, Collection, drawn, label_problems
from spinn_convert.files.data import Dataset, Images
from spinn_convert.files.decoded import Decoded
from spinn_convert.files.metadata import from_properties
from spinn_convert.files.preprocess import Preprocess
from spinn_convert.files.tables import TorchDataset
from spinn_convert.linear.ops import Shape
from spinn_convert.model import host
from spinn_convert.model.load import Model

CALIBRATION = 1000
"""Images that are drawn from those of --calibration, where no number is given."""
OF_BYTES = 0.1
"""Slope of what a file does first, below which its input must be pixels from 0 to 255: 1/255, by a
standard deviation of 0.04 or more."""
LEARNT = ("BatchNormalization",)
"""Operators before the first weights that are trained, and say nothing of how pictures are."""
NAMED = 4
"""Classes that are printed of each end."""
AS_TRAINED = (
    "say how the model was trained: --preprocess imagenet, or to_tensor (pixels from 0 to 1), or"
    " such as resize=256,crop=224,mean=0.5,std=0.25"
)


@dataclass(frozen=True)
class Reading:
    """How images are read.

    calibration: where images of the training set are, from which scales are measured; None for
    those in an archive of test images. count: how many of them to draw (`files.collection.drawn`);
    None for all in the archive, and for CALIBRATION of others. preprocess: a text of
    `files.preprocess.FORM`; None for what the ONNX file says. threads: that read files.
    """

    calibration: Path | TorchDataset | None = None
    count: int | None = None
    preprocess: str | None = None
    threads: int = 1


@dataclass(frozen=True)
class _Wanted:
    """What images are read for: a model, whose labels are below `classes` (None: any)."""

    model: Model
    classes: int | None
    reading: Reading


def image_shape(data: Path, text: str | None) -> Shape | None:
    """Return what is known of an image before the model is: its shape, or (rows, columns)."""
    if data.suffix == ".npz" or text is None:
        return files.image_shape(data)
    return preprocess.read(text).crop


def load_dataset(
    model: Model,
    data: Path | TorchDataset | None,
    classes: int | None,
    reading: Reading,
    calibrated: bool = True,
) -> Dataset:
    """Read images with labels for a classifier.

    data: None for images to calibrate on only. classes: labels must be below this number; None if
    any may be. calibrated: whether images to calibrate on must be there. Raises DataError for all
    that is missing or does not fit the model, as far as it is known before the images are read.
    """
    wanted = _Wanted(model, classes, reading)
    dataset = _tested(wanted, data, calibrated)
    if reading.calibration is not None:
        dataset = _calibrated(wanted, dataset, reading.calibration)
    prepared = [s.prepared for s in (dataset.images, dataset.calibration) if isinstance(s, Decoded)]
    if reading.preprocess is not None and not any(prepared):
        what = "has no effect: numbers in an .npz, and floats, are not prepared"
        fix = "leave it out; an .npz says scale, mean and std itself"
        raise DataError([Problem(f"--preprocess {reading.preprocess}", what, fix)])
    return dataset


def _tested(wanted: _Wanted, data: Path | TorchDataset | None, calibrated: bool) -> Dataset:
    """Return the test images; of an archive, with its own images to calibrate on."""
    model, reading = wanted.model, wanted.reading
    if data is None:
        return _empty(model)
    own = calibrated and reading.calibration is None
    if not _is_archive(data):
        return _collected(wanted, data, [uncalibrated(str(data))] if own and _exists(data) else [])
    size, integers = model.image_shape, model.takes_integers
    dataset = files.load_dataset(Path(str(data)), size, wanted.classes, integers, own)
    if reading.calibration is None and reading.count is not None:
        return _some_of(dataset, reading.count)
    return dataset


def _is_archive(source: Path | TorchDataset | None) -> bool:
    return isinstance(source, Path) and source.suffix == ".npz"


def _exists(source: Path | TorchDataset) -> bool:
    return not isinstance(source, Path) or source.exists()


def uncalibrated(where: str) -> Problem:
    """Return that data has no images to calibrate on; where: the data."""
    train = Path(where).parent / "train"
    named = train if train.is_dir() and train != Path(where) else "PATH"
    fix = f"give --calibration {named}, images of the training set in any form that --data takes"
    return Problem(where, "has no images to calibrate on", fix)


def _preprocess(model: Model, text: str | None) -> Preprocess | None:
    """Return how pictures are made the model's input, by the text or the ONNX file's metadata."""
    if text is not None:
        return preprocess.read(text)
    entries = {entry.key: entry.value for entry in model.source.proto.metadata_props}
    how = from_properties(f"{model.path}, metadata", entries)
    return Preprocess() if how is None and model.takes_integers else how


def _collected(wanted: _Wanted, data: Path | TorchDataset, problems: Sequence[Problem]) -> Dataset:
    """Return test images with labels, in their order; of a folder, one of each class in turns.

    Raises DataError with the problems that are known besides.
    """
    try:
        found = _collection(wanted, data, labelled=True)
        labels = np.asarray(found.labels, np.int64)
        order = drawn(labels, len(found)) if found.by_class else np.arange(len(found))
        images = _images(wanted, found, order)
    except DataError as error:
        raise DataError([*error.problems, *problems]) from error
    if problems:
        raise DataError(problems)
    return replace(
        _empty(wanted.model),
        images=images,
        labels=labels[order],
        classes=found.classes,
        said=_said(wanted, found, images),
    )


def _empty(model: Model) -> Dataset:
    none = Images(np.zeros((0, *model.image_shape), np.float32))
    return Dataset(none, np.zeros(0, np.int64), none)


def _calibrated(wanted: _Wanted, dataset: Dataset, source: Path | TorchDataset) -> Dataset:
    """Return the dataset with images of another source to calibrate on."""
    count = wanted.reading.count
    if isinstance(source, Path) and source.suffix == ".npz":
        model = wanted.model
        training = files.load_training(source, model.image_shape, model.takes_integers)
        dataset = replace(dataset, calibration=training[0], calibration_labels=training[1])
        dataset = _some_of(dataset, count or min(CALIBRATION, len(training[0])))
        said = f"calibrated on {len(dataset.calibration):,} of {len(training[0]):,} in {source}"
    else:
        found = _collection(wanted, source, labelled=False)
        _check_count(found.where, count, len(found))
        order = drawn(found.labels, len(found))[: count or CALIBRATION]
        images, labels = _images(wanted, found, order), found.labels
        dataset = replace(
            dataset,
            calibration=images,
            calibration_labels=None if labels is None else labels[order].astype(np.int64),
        )
        alike = "" if labels is None else ", of each class alike"
        said = f"calibrated on {len(order):,} of {len(found):,} in {found.where}{alike}"
    return replace(dataset, said="\n".join(filter(None, (dataset.said, said))))


def _some_of(dataset: Dataset, count: int) -> Dataset:
    """Return the dataset with some of its calibration images, drawn from an archive."""
    images, labels = dataset.calibration, dataset.calibration_labels
    _check_count("the archive", count, len(images))
    order = drawn(labels, len(images))[:count]
    chosen = replace(images, raw=images.raw[order]) if isinstance(images, Images) else images
    known = None if labels is None else labels[order]
    return replace(dataset, calibration=chosen, calibration_labels=known)


def _check_count(where: str, count: int | None, available: int) -> None:
    if count is not None and count > available:
        what = f"there are {available} images in {where}"
        fix = f"use {available} at most"
        raise DataError([Problem(f"--calibration-images {count}", what, fix)])


def _collection(wanted: _Wanted, source: Path | TorchDataset, labelled: bool) -> Collection:
    """Return the images of a source; raises DataError for labels that are not the model's."""
    if isinstance(source, Path):
        found = files.collected(source, labelled)
    else:
        found = tables.torch_dataset(source, labelled)
    if not len(found):
        raise DataError([Problem(found.where, "holds no images", "give at least one")])
    if found.labels is None:
        return found
    where, classes = f"{found.where}, labels", wanted.classes
    problems = label_problems(where, found.labels, (len(found),), classes)
    if found.by_class and classes is not None and len(found.classes) != classes:
        what = f"has {len(found.classes)} classes; the model has {classes}"
        fix = f"name all classes, in the model's order, in {Path(found.where) / CLASSES}"
        problems = [Problem(found.where, what, fix)]
    if problems:
        raise DataError(problems)
    return found


def _said(wanted: _Wanted, found: Collection, images: Decoded) -> str:
    """Return what was found, for the user to check: which label is which class, and how read."""
    said = f"{len(found):,} images in {found.where}"
    names = [f"{label} {name}" for label, name in enumerate(found.classes)]
    if len(names) > 2 * NAMED:
        names = [*names[:NAMED], "...", *names[-NAMED:]]
    if names:
        said += f", labels: {', '.join(names)}"
    if images.prepared:
        said += f"; prepared by {_preprocess(wanted.model, wanted.reading.preprocess)}"
    return said


def _images(wanted: _Wanted, found: Collection, order: NDArray[np.int64]) -> Decoded:
    """Return images as the model takes them; raises DataError where they do not fit it."""
    model = wanted.model
    threads = wanted.reading.threads if found.together else 1
    sample = found.read(int(order[0]))
    stored = not isinstance(sample, (Path, Image.Image))
    if stored and (model.takes_integers or np.asarray(sample).dtype.kind not in "ui"):
        return decoded.of_arrays(found, order, model.image_shape, threads)
    how = _preprocess(model, wanted.reading.preprocess)
    if how is None:
        what = "holds pictures; which numbers the model takes for them is not known"
        raise DataError([Problem(found.where, what, AS_TRAINED)])
    _check_scaling(model, how)
    integers = model.takes_integers
    return decoded.of_pictures(found, order, how, model.image_shape, integers, threads)


def _check_scaling(model: Model, how: Preprocess) -> None:
    """Raise DataError where pictures would be scaled or normalised twice, or not be integers."""
    where = f"--preprocess {how}"
    if model.takes_integers:
        if how.normalises or how.scale not in (None, 1.0):
            what = f"{model.path} takes integers, which it scales itself"
            fix = "leave scale, mean and std out; say resize and crop only"
            raise DataError([Problem(where, what, fix)])
        return
    if not model.before:
        return
    ends = [np.full((1, *model.image_shape), value, np.float32) for value in (0, 1)]
    low, high = (host.core_input(model, image, 1) for image in ends)
    slope, doing = float(np.abs(high - low).max()), ", ".join(model.before)
    if 0 < slope < OF_BYTES and (how.scale is None or how.scale < OF_BYTES):
        what = f"{model.path} divides its input by {1 / slope:.3g} itself ({doing})"
        raise DataError([Problem(where, what, "add scale=1: pixels stay from 0 to 255")])
    changes = not np.allclose([low.min(), high.max()], [0, 1], atol=0.01)
    if how.normalises and changes and slope and not set(LEARNT) & set(model.before):
        what = f"{model.path} normalises its input itself ({doing}): that would be done twice"
        raise DataError([Problem(where, what, "leave mean and std out")])
