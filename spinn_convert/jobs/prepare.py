"""The first steps of every job: read the model and its images, and convert it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spinn_convert.conversion.steps import converted, draft
from spinn_convert.errors import DataError, ModelError, Problem
from spinn_convert.files.data import Dataset, image_shape, load_dataset
from spinn_convert.files.scenes import Scenes, load_scenes
from spinn_convert.jobs.recipe import Recipe
from spinn_convert.model.classes import number_of
from spinn_convert.model.detector import kind_of, read_heads
from spinn_convert.model.load import Model, load
from spinn_convert.network import store
from spinn_convert.network.recording import Watch, unwatched
from spinn_convert.network.records import Network

NETWORK = "network.npz"


@dataclass(frozen=True)
class Source:
    """The input of a job: an ONNX file, or the network.npz that was made from one.

    path: of that file. data: .npz of images and labels, or for a detector COCO's file or folder;
    None for the ONNX file's path with the suffix .npz, or without suffix. onnx: the file that a
    network.npz was made from; None for the path stored in it. recipe: how an ONNX file is
    converted; None for the default method. threads: of the CPU.
    """

    path: Path
    data: Path | None = None
    onnx: Path | None = None
    recipe: Recipe | None = None
    threads: int = 1

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


def prepare(source: Source) -> Prepared:
    """Read the model and its images, and the network, or make a draft of it.

    Raises ModelError, DataError or ConversionError that says what is missing or does not fit.
    """
    if source.onnx is not None and not source.is_network:
        what, fix = f"{source.path} is an ONNX file itself", "leave --onnx out"
        raise DataError([Problem(f"--onnx {source.onnx}", what, fix)])
    if source.is_network:
        found = stored(source)
        model, data = model_of(source, found)
    else:
        data = data_of(source, source.path)
        model, recipe = load(source.path, image_shape(data)), source.recipe or Recipe()
        found = recipe.onto(draft(model, recipe.method))
    return Prepared(source, model, dataset_of(model, data), found)


def model_of(source: Source, network: Network) -> tuple[Model, Path]:
    """Return the model that the network of a source was made from, and where its images are.

    Raises DataError if the ONNX file is not found or is another one, ModelError if it is damaged.
    """
    path = _origin(source, network)
    data = data_of(source, path)
    model = load(path, image_shape(data))
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


def dataset_of(model: Model, data: Path) -> Dataset | Scenes:
    """Read the images of a classifier, or of a detector with what is on them.

    Raises DataError that says what is missing or does not fit, also for a detector's anchors.
    """
    if kind_of(model) == "classifier":
        return load_dataset(data, model.image_shape, number_of(model), model.takes_integers)
    if kind_of(model) == "heads of a detector":
        read_heads(model)
    return load_scenes(data, model.image_shape)


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
    images = prepared.dataset.calibration
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
