"""ONNX file -> spiking network: fold, calibrate, convert, verify, correct."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace

import numpy as np

from spinn_convert.conversion.calibrate import Calibration, calibrate
from spinn_convert.conversion.constant_reset import with_constant_reset
from spinn_convert.conversion.convert import convert, settled
from spinn_convert.conversion.correct import correct
from spinn_convert.conversion.fold import Layer, fold
from spinn_convert.conversion.method import Method
from spinn_convert.conversion.verify import verify
from spinn_convert.errors import ModelError, Problem
from spinn_convert.linear.ops import Floats
from spinn_convert.model import fingerprint, host
from spinn_convert.model.host import ImageSequence
from spinn_convert.model.load import Model, with_mean_pooling
from spinn_convert.network.copies import multiplied
from spinn_convert.network.recording import Settings, Watch, unwatched
from spinn_convert.network.records import Network, neurons
from spinn_convert.network.timing import default_steps
from spinn_convert.ranks import by_first

CHECKED_IMAGES = 4
"""Calibration images on which `verify` compares the network with onnxruntime."""
CORRECTING_IMAGES = 100
"""Calibration images that are simulated to correct initial potentials, if memory allows."""
SIZING_IMAGES = 64
"""Calibration images on which the ranges of a board's fixed-point numbers, or the constants of a
reset, are measured."""
MOST_SPIKES = 500_000_000
"""Spikes in memory while initial potentials are corrected: 2 GB at 4 bytes each."""
LARGEST_RATE = 0.15
"""Mean spikes per neuron and step from which their number is estimated; the ResNets of the
examples have 0.07 to 0.13."""


def folded(model: Model, method: Method) -> tuple[Model, tuple[Layer, ...]]:
    """Return the model to convert, and its layers.

    That is the given model, unless method.max_pool replaces maxima by means. Raises ModelError
    for a model without ReLU or Clip behind a layer with weights.
    """
    if method.max_pool == "average":
        model = with_mean_pooling(model)
    layers = fold(model.graph)
    if not any(layer.kind == "spiking" for layer in layers):
        what = "no rectifier (Relu, Clip) follows a layer with weights: nothing would spike"
        fix = "export a network with ReLU between its layers"
        raise ModelError([Problem(str(model.path), what, fix)])
    return model, layers


def draft(model: Model, method: Method) -> Network:
    """Return the network with all scales 1, which takes no images.

    Populations, shapes and synapses are final; weights and potentials are not.
    """
    model, layers = folded(model, method)
    ones = {layer.name: np.ones(1, np.float32) for layer in layers}
    network = _with_copies(model, layers, ones, method)
    if method.reset == "subtract":
        return network
    zero = np.zeros(1, np.float32)
    unset = (replace(p, v_reset=zero if p.kind == "spiking" else None) for p in network.populations)
    return replace(network, populations=tuple(unset))


@by_first
def converted(
    model: Model, images: ImageSequence, method: Method, threads: int, watch: Watch = unwatched
) -> Network:
    """Return the network of a model, calibrated on images (B, *image shape) and verified.

    Raises ConversionError for channels that are zero on all images, and where the rates of the
    network differ from the activations of the file.
    """
    converting, layers = folded(model, method)
    method = settled(method, layers)
    calibration = calibrate(converting, layers, images, method, threads, watch("calibrate"))
    return scaled(converting, layers, images, calibration, method, threads, watch)


def scaled(
    model: Model,
    layers: tuple[Layer, ...],
    images: ImageSequence,
    calibration: Calibration,
    method: Method,
    threads: int,
    watch: Watch = unwatched,
    correcting: int = CORRECTING_IMAGES,
) -> Network:
    """Return the network with the scales of a calibration, verified and then corrected.

    model, layers: as `folded` returns them. images: calibration images (B, *image shape).
    correcting: on how many of the first images initial potentials and biases are corrected, unless
    these make more than MOST_SPIKES.
    """
    network = _with_copies(model, layers, calibration.scales, method)
    network = _with_floored(network, calibration)
    known = {fingerprint.KEY: fingerprint.as_text(fingerprint.of(images))}
    network = replace(network, made_from={**network.made_from, **known})
    verify(model, layers, network, images[:CHECKED_IMAGES], threads)
    if method.corrects:
        steps = method.horizon or 12 + network.depth // 2
        fitting = MOST_SPIKES / (LARGEST_RATE * steps * neurons(network))
        some = images[: int(np.clip(fitting, 1, correcting))]
        values = host.core_input(model, some, threads)
        network = correct(
            network,
            values,
            steps,
            method.potentials,
            method.correct_bias,
            threads,
            watch("potentials"),
        )
    if method.reset == "constant":
        values = host.core_input(model, images[:SIZING_IMAGES], threads)
        settings = Settings(default_steps(network), threads)
        network = with_constant_reset(network, values, settings)
    return network


def _with_copies(
    model: Model, layers: tuple[Layer, ...], scales: Mapping[str, Floats], method: Method
) -> Network:
    """Return the network with copies of its first layers, before any correction."""
    network = convert(layers, scales, method, _made_from(model, method))
    return multiplied(network, method.copies, method.copied_layers)


def _with_floored(network: Network, calibration: Calibration) -> Network:
    """Return the network, which says how many channels of which layers got a larger scale."""
    if not calibration.floored:
        return network
    counts = {name: len(channels) for name, channels in calibration.floored.items()}
    return replace(network, made_from={**network.made_from, "floored": json.dumps(counts)})


def _made_from(model: Model, method: Method) -> dict[str, str]:
    return {
        "path": str(model.path),
        "sha256": model.source.sha256,
        "before": ", ".join(model.before),
        "after": ", ".join(model.after),
        "method": json.dumps(asdict(method)),
    }
