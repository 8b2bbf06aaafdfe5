"""The first steps of every job: read the model and its images, and convert it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spinn_convert.conversion.steps import converted, draft
from spinn_convert.errors import DataError, ModelError, Problem
from spinn_convert.files.data import Dataset
from spinn_convert.files.scenes import Scenes, load_scenes
from spinn_convert.jobs.recipe import Recipe
from spinn_convert.linear.ops import Shape
from spinn_convert.model.classes import number_of
from spinn_convert.model.detector import kind_of, read_heads
from spinn_convert.model.host import ImageSequence
from spinn_convert.model.images import Reading, image_shape, load_dataset, uncalibrated
from spinn_convert.model.load import Model, load
from spinn_convert.network import store
from spinn_convert.network.recording import Watch, unwatched
from spinn_convert.network.records import Network

NETWORK = "network.npz"
READ_AS_IT_IS = Reading()


@dataclass(frozen=True)
class Source:
    """The input of a job: an ONNX file, or the network.npz that was made from one.

    path: of that file. data: images with labels, of any kind that `files.data` reads, or for a
    detector COCO's file or folder; None for the ONNX file's path with the suffix .npz, or without
    suffix. onnx: the file that a network.npz was made from; None for the path stored in it. recipe:
    how an ONNX file is converted; None for the default method. threads: of the CPU. reading: how
    the images are read. announce: called with a sentence on what was found.
    """

    path: Path
    data: Path | None = None
    onnx: Path | None = None
    recipe: Recipe | None = None
    threads: int = 1
    reading: Reading = READ_AS_IT_IS
    announce: Callable[[str], None] = lambda text: None

    @property
    def is_network(self) -> bool:
        """Whether the network is converted already."""
        return self.path.suffix == ".npz"

    @property
    def stem(self) -> str:
        """The first part of the names of result folders, such as MODEL of MODEL.spinn."""
        folder = self.path.absolute().parent.name
        return folder.removesuffix(".spinn") if self.path.name == NETWORK else self.path.stem


@dataclass(frozen=True, eq=False)
class Prepared:
    """A model with its images, and its network: converted, or a draft whose scales are all 1."""

    source: Source
    model: Model
    dataset: Dataset | Scenes
    network: Network


def prepare(source: Source, tested: bool = True) -> Prepared:
    """Read the model and its images, and the network, or make a draft of it.

    tested: whether test images are needed; else there are none (B = 0) where only images to
    calibrate on are given. Raises ModelError, DataError or ConversionError that says what is
    missing or does not fit.
    """
    if source.onnx is not None and not source.is_network:
        what, fix = f"{source.path} is an ONNX file itself", "leave --onnx out"
        raise DataError([Problem(f"--onnx {source.onnx}", what, fix)])
    if source.is_network:
        found = stored(source)
        model, data = model_of(source, found)
    else:
        data = data_of(source, source.path)
        model, recipe = load(source.path, _shape(source, data)), source.recipe or Recipe()
        found = recipe.onto(draft(model, recipe.method))
    untested = not tested and source.data is None and source.reading.calibration is not None
    some = None if untested else data
    dataset = dataset_of(model, some, source.reading, calibrated=not source.is_network)
    if isinstance(dataset, Dataset) and dataset.said:
        source.announce(dataset.said)
    return Prepared(source, model, dataset, found)


def _shape(source: Source, data: Path) -> Shape | None:
    """Return what is known of the shape of one image before the model is read."""
    return image_shape(data, source.reading.preprocess)


def model_of(source: Source, network: Network) -> tuple[Model, Path]:
    """Return the model that the network of a source was made from, and where its images are.

    Raises DataError if the ONNX file is not found or is another one, ModelError if it is damaged.
    """
    path = _origin(source, network)
    data = data_of(source, path)
    model = load(path, _shape(source, data))
    if network.made_from.get("sha256") != model.source.sha256:
        what = f"was converted from another model than {path}"
        fix = "name that model with --onnx, or convert again"
        raise DataError([Problem(str(source.path), what, fix)])
    return model, data


def data_of(source: Source, model: Path) -> Path:
    """Return where the images are: as given, MODEL.npz, or else the folder MODEL."""
    archive, folder = model.with_suffix(".npz"), model.with_suffix("")
    beside = folder if folder.is_dir() and not archive.exists() else archive
    return source.data or beside


def dataset_of(
    model: Model, data: Path | None, reading: Reading, calibrated: bool = True, labels: bool = True
) -> Dataset | Scenes:
    """Read the images of a classifier, or of a detector with what is on them.

    data: None for images to calibrate on only. calibrated: whether these must be there. labels:
    whether labels must be the model's. Raises DataError that says what is missing or does not fit,
    also for a detector's anchors.
    """
    if kind_of(model) == "classifier":
        classes = number_of(model) if labels else None
        return load_dataset(model, data, classes, reading, calibrated)
    if kind_of(model) == "heads of a detector" and labels:
        read_heads(model)
    if reading.preprocess is not None:
        what = "has no effect on a detector: its pictures are scaled to fit, with pixels from 0 to"
        raise DataError(
            [Problem(f"--preprocess {reading.preprocess}", f"{what} 1", "leave it out")]
        )
    folder = reading.calibration if isinstance(reading.calibration, Path) else None
    if reading.count is not None and folder is None:
        what, fix = "has no effect without --calibration", "name a folder of pictures with it"
        raise DataError([Problem(f"--calibration-images {reading.count}", what, fix)])
    scenes = data or data_of(Source(model.path), model.path)
    return load_scenes(scenes, model.image_shape, folder, reading.count)


def calibration_of(prepared: Prepared) -> ImageSequence:
    """Return the images to calibrate on; raises DataError where there are none."""
    images = prepared.dataset.calibration
    if not len(images):
        data = data_of(prepared.source, prepared.model.path)
        raise DataError([uncalibrated(str(data))])
    return images


def labelled(prepared: Prepared, doing: str) -> Dataset:
    """Return the images with a label each; raises ModelError for a detector."""
    if isinstance(prepared.dataset, Scenes):
        what, fix = f"is a detector; only classifiers are {doing}", "score it with `run`"
        raise ModelError([Problem(str(prepared.model.path), what, fix)])
    return prepared.dataset


def convert(prepared: Prepared, watch: Watch = unwatched) -> Network:
    """Return the network, calibrated and verified; a network.npz is returned as it is.

    Raises ConversionError as `conversion.steps.converted` does.
    """
    source, recipe = prepared.source, prepared.source.recipe or Recipe()
    if source.is_network:
        return prepared.network
    images = calibration_of(prepared)
    return recipe.onto(converted(prepared.model, images, recipe.method, source.threads, watch))


def stored(source: Source) -> Network:
    """Return a network that is converted already; raises DataError beside a method."""
    if source.recipe is not None:
        what = f"{source.path} is converted already: a method has no effect"
        fix = "give the ONNX file, or leave --method and --set out"
        raise DataError([Problem("--method", what, fix)])
    return store.load(source.path)


def method_of(network: Network) -> dict[str, Any]:
    """Return the settings that a network was converted with, if its file says so."""
    found: dict[str, Any] = json.loads(network.made_from.get("method", "{}"))
    return found


def _origin(source: Source, network: Network) -> Path:
    """Return the ONNX file that a network was made from; raises DataError if it is not found."""
    written = network.made_from.get("path", "")
    folder, name = source.path.absolute().parent, Path(written).name
    places = [source.onnx] if source.onnx else [Path(written), folder / name, folder.parent / name]
    for place in places:
        if place.is_file():
            return place
    what = f"the model it was made from is not at {' or '.join(map(str, places))}"
    raise DataError([Problem(str(source.path), what, "name the ONNX file with --onnx")])
