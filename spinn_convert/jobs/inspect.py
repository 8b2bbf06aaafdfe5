"""Show the populations of a model or of a converted network; nothing is simulated or written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from spinn_convert.conversion.method import Method
from spinn_convert.conversion.steps import converted, draft
from spinn_convert.errors import ConversionError, DataError, Problem
from spinn_convert.jobs.prepare import Source, data_of, dataset_of, stored
from spinn_convert.jobs.recipe import Recipe
from spinn_convert.model.images import image_shape
from spinn_convert.model.load import load
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

    Where no images are named and MODEL.npz is missing or does not fit, the scales are 1, with a
    warning. Raises the errors of every step.
    """
    if source.is_network:
        return Inspected(converted_already(source))
    data, reading = data_of(source, source.path), source.reading
    model = load(source.path, image_shape(data, reading.preprocess))
    method, told = _unsimulated((source.recipe or Recipe()).method), any(_given(source).values())
    if not told and not data.exists():
        return Inspected(draft(model, method), "no images found: scales are not known")
    some = None if source.data is None and reading.calibration is not None else data
    try:
        images = dataset_of(model, some, reading, labels=False).calibration[:IMAGES]
        return Inspected(converted(model, images, method, source.threads))
    except (DataError, ConversionError) as error:
        if told:
            raise
        return Inspected(draft(model, method), f"scales are not known: {error}")


def converted_already(source: Source) -> Network:
    """Return a stored network, whose scales need no images; raises DataError where some are."""
    what, fix = "has no effect: the network's scales are known", "leave it out"
    given = {name: value for name, value in _given(source).items() if value is not None}
    if given:
        raise DataError([Problem(f"{name} {value}", what, fix) for name, value in given.items()])
    return stored(source)


def _given(source: Source) -> dict[str, Any]:
    """Return the options that say which images, by name; None where they were not given."""
    reading = source.reading
    return {
        "--data": source.data,
        "--calibration": reading.calibration,
        "--calibration-images": reading.count,
        "--preprocess": reading.preprocess,
    }


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
