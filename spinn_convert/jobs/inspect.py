"""Show the populations of a model or of a converted network; nothing is simulated or written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from spinn_convert.conversion.method import Method
from spinn_convert.conversion.steps import converted, draft
from spinn_convert.errors import ConversionError, DataError, Problem
from spinn_convert.files.data import Dataset, image_shape, load_dataset
from spinn_convert.files.scenes import Scenes, load_scenes
from spinn_convert.jobs.prepare import Source, data_of, stored
from spinn_convert.jobs.recipe import Recipe
from spinn_convert.model.detector import kind_of
from spinn_convert.model.load import Model, load
from spinn_convert.network.records import Network

IMAGES = 100
"""Calibration images from which scales are shown."""


@dataclass(frozen=True, eq=False)
class Inspected:
    """A network. warning: why its scales are not calibrated (all 1), if they are not."""

    network: Network
    warning: str = ""


def execute(source: Source) -> Inspected:
    """Return the network of a model, with scales from the first of its calibration images.

    If source.data is None and MODEL.npz is missing or does not fit, the scales are 1, with a
    warning. Raises the errors of every step.
    """
    if source.is_network:
        return Inspected(converted_already(source))
    data = data_of(source, source.path)
    model = load(source.path, image_shape(data))
    method = _unsimulated((source.recipe or Recipe()).method)
    if source.data is None and not data.exists():
        return Inspected(draft(model, method), "no images found: scales are not known")
    try:
        images = _dataset(model, data).calibration[:IMAGES]
        return Inspected(converted(model, images, method, source.threads))
    except (DataError, ConversionError) as error:
        if source.data is not None:
            raise
        return Inspected(draft(model, method), f"scales are not known: {error}")


def _dataset(model: Model, data: Path) -> Dataset | Scenes:
    """Return the images; a classifier's labels may be any, as nothing is scored."""
    if kind_of(model) != "classifier":
        return load_scenes(data, model.image_shape)
    return load_dataset(data, model.image_shape, None, model.takes_integers)


def converted_already(source: Source) -> Network:
    """Return a stored network, whose scales need no images; raises DataError where some are."""
    if source.data is not None:
        what, fix = "has no effect: the network's scales are known", "leave it out"
        raise DataError([Problem(f"--data {source.data}", what, fix)])
    return stored(source)


def _unsimulated(method: Method) -> Method:
    """Return the method without settings that need a simulation; they do not change the table."""
    return replace(
        method,
        potentials="fixed",
        correct_bias=False,
        horizon=None,
        reset="subtract",
        dead_channels="layer",
    )
