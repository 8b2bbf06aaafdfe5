"""ONNX file -> spiking network: load, fold, calibrate, convert, correct."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path

import numpy as np

from spinn_convert.conversion.calibrate import calibrate
from spinn_convert.conversion.convert import Method, convert
from spinn_convert.conversion.correct import correct
from spinn_convert.conversion.fold import Layer, fold
from spinn_convert.errors import ModelError, Problem
from spinn_convert.files.data import image_shape, load_dataset, normalised
from spinn_convert.linear.ops import Floats
from spinn_convert.model import host
from spinn_convert.model.load import Model, load
from spinn_convert.network import store
from spinn_convert.network.copies import multiplied
from spinn_convert.network.recording import Progress, silent
from spinn_convert.network.records import Network, neurons

INSPECTED_IMAGES = 100
CORRECTING_IMAGES = 100
MOST_SPIKES = 500_000_000
"""Held at a time while potentials are corrected: 2 GB."""
LARGEST_RATE = 0.15
"""Spikes per neuron and step, on average; the ResNets of the examples have 0.07 to 0.13."""


def read(path: Path, data: Path | None, max_pool: str) -> tuple[Model, tuple[Layer, ...]]:
    """Load and fold a model; images give the sizes that it leaves open. Raises ModelError."""
    model = load(path, image_shape(data_path(path, data)), max_pool)
    layers = fold(model.graph)
    if not any(layer.kind == "spiking" for layer in layers):
        what = "no rectifier (Relu, Clip) follows a layer with weights: nothing would spike"
        fix = "export a network with ReLU between its layers"
        raise ModelError([Problem(str(path), what, fix)])
    return model, layers


def classes(model: Model) -> int:
    """Return the number of classes; raises ModelError if the file's output is no vector."""
    shape = model.outputs[0][1]
    if len(model.outputs) != 1 or shape is None or prod(shape) != max(shape, default=0):
        shapes = ", ".join(f"{name} {shape or 'of any shape'}" for name, shape in model.outputs)
        what = f"has the outputs {shapes}; a classifier has one vector of logits"
        raise ModelError(
            [Problem(str(model.path), what, "export the model with its logits as output")]
        )
    return prod(shape)


def data_path(model: Path, given: Path | None) -> Path:
    """Return the images to use: those given, or the model's neighbour of the same stem."""
    return given or model.with_suffix(".npz")


def draft(model: Model, layers: tuple[Layer, ...], method: Method) -> Network:
    """Return the network with all scales 1: right in all but its weights."""
    ones = {layer.name: np.ones(1, np.float32) for layer in layers}
    return _converted(model, layers, ones, method)


def calibrated(
    model: Model,
    layers: tuple[Layer, ...],
    images: Floats,
    method: Method,
    threads: int,
    progress: Progress = silent,
    correcting: Progress = silent,
) -> Network:
    """Return the network with its scales from calibration images (B, *image shape).

    Initial potentials (and biases) are corrected on the first of them: 100, or as many as leave
    less than MOST_SPIKES.
    """
    scales = calibrate(model, layers, images, method, threads, progress).scales
    return scaled(model, layers, images, scales, method, threads, correcting)


def scaled(
    model: Model,
    layers: tuple[Layer, ...],
    images: Floats,
    scales: Mapping[str, Floats],
    method: Method,
    threads: int,
    progress: Progress = silent,
) -> Network:
    """Return the network with these scales; `images` as for `calibrated`."""
    network = _converted(model, layers, scales, method)
    if not method.corrects:
        return network
    steps = method.horizon or 12 + network.depth // 2
    fitting = MOST_SPIKES / (LARGEST_RATE * steps * neurons(network))
    values = host.core_input(model, images[: int(np.clip(fitting, 1, CORRECTING_IMAGES))], threads)
    return correct(
        network, values, steps, method.potentials, method.correct_bias, threads, progress
    )


def inspect(path: Path, data: Path | None, max_pool: str = "spiking") -> tuple[Network, bool]:
    """Return the network of a model, and whether its scales are real.

    path: an ONNX file or a network.npz. Scales come from the first images of the data, if there
    are any; without, they are 1.
    """
    if path.suffix == ".npz":
        return store.load(path), True
    model, layers = read(path, data, max_pool)
    found = data_path(path, data)
    method = Method(dead_channels="layer", potentials="fixed")
    if data is None and not found.exists():
        return draft(model, layers, method), False
    calibration = load_dataset(found, model.image_shape, None).calibration
    images = normalised(calibration, 0, INSPECTED_IMAGES)
    return calibrated(model, layers, images, method, 1), True


def _converted(
    model: Model, layers: tuple[Layer, ...], scales: Mapping[str, Floats], method: Method
) -> Network:
    """Return the network with its copies, nothing corrected."""
    network = convert(layers, scales, method, _made_from(model))
    return multiplied(network, method.copies, method.copied_layers)


def _made_from(model: Model) -> dict[str, str]:
    return {
        "path": str(model.path),
        "sha256": model.source.sha256,
        "before": ", ".join(model.before),
        "after": ", ".join(model.after),
    }
