"""Statistics of the ANN's activations, computed by onnxruntime: lambda of every layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinn_convert.conversion.convert import settled
from spinn_convert.conversion.fold import Layer
from spinn_convert.conversion.histogram import Statistics, passes
from spinn_convert.conversion.method import LEVELS, Method
from spinn_convert.errors import ConversionError, Problem
from spinn_convert.linear.ops import Floats
from spinn_convert.model import host
from spinn_convert.model.host import ImageSequence
from spinn_convert.model.load import Model
from spinn_convert.network.recording import Progress, silent

LEAST_OF_MEDIAN = 0.1
"""Of the layer's median lambda, for every channel. A channel that is active at a few pixels has a
percentile just above zero, of which its bias is hundreds of times as much, and more images do not
raise it. At the floor, such a channel is rounded by a tenth of what others are, at most. The floor
raises 4 % of the channels of a detector (mAP 0.505 with it, 0.503 of the ANN; also with 0.5; its
ReLU1 error is the same to three digits from 0.01 to 0.2), 10 % of an untrained MobileNetV2, one of
1,428 in ResNet-34, none in ResNet-18, -50 and -101."""
LARGEST_BIAS = 20
"""Thresholds per step, for layers whose median channel is itself hardly active.
With the floor above, biases are 2 thresholds at most in the ResNets, and 15 in the detector."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """What calibration images say about the spiking layers.

    scales: lambda of each, (C,) or (1,). floored: channels whose lambda would have been zero or
    next to it and is not their own, of each layer that has any.
    """

    scales: Mapping[str, Floats]
    floored: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class _Rows:
    """Activations that share lambdas: `number` rows of a tensor, negated if the sign is -1."""

    tensor: str
    sign: int
    number: int


def calibrate(
    model: Model,
    layers: Sequence[Layer],
    images: ImageSequence,
    method: Method,
    threads: int,
    progress: Progress = silent,
) -> Calibration:
    """Return lambda of every spiking layer, (C,) or (1,), over the images (B, *image shape).

    lambda is the percentile over images and space, or the maximum where the percentile is zero (a
    channel active in fewer positions than the percentile leaves out); per channel, it is at least
    LEAST_OF_MEDIAN of the layer's median, and |bias| / LARGEST_BIAS. With method.thresholds
    "mmse", it is what rounds the activations best to method.levels steps instead. Difference
    neurons of a max pooling get the lambda of what is pooled; if that is signed, those of both
    signs add up. Raises ConversionError for channels that are never active, unless
    method.dead_channels is "layer", and for activations that are not finite.
    """
    return calibrate_all(model, layers, images, [method], threads, progress)[0]


def calibrate_all(
    model: Model,
    layers: Sequence[Layer],
    images: ImageSequence,
    methods: Sequence[Method],
    threads: int,
    progress: Progress = silent,
) -> list[Calibration]:
    """Return what `calibrate` does for each method, from the same passes over the images.

    Exact, whatever the order of the images and the size of the batches; memory grows with channels
    and percentiles, not with images. Raises ConversionError where any of the methods does.
    """
    methods = [settled(method, layers) for method in methods]
    spiking = [layer for layer in layers if layer.kind == "spiking"]
    names = list(dict.fromkeys(layer.measured for layer in spiking))
    wanted: dict[_Rows, list[Method]] = {}
    for method in methods:
        for layer in spiking:
            for rows in _rows(layer, method):
                wanted.setdefault(rows, []).append(method)
    seen: dict[_Rows, Statistics] = {}
    total = max((passes(*_statistics([method])) for method in methods), default=0)
    for number in range(total):
        share = partial(_share, progress, number, total)
        for batch in host.tensors(model, images, names, threads, share):
            found = dict(zip(names, batch))
            for rows, by in wanted.items():
                values = _values(found[rows.tensor], rows)
                if rows not in seen:
                    count = values[0, 0].size * len(images)
                    seen[rows] = Statistics(rows.number, count, *_statistics(by))
                seen[rows].add(values)
        for statistics in seen.values():
            statistics.close()
    return [_calibration(spiking, seen, method, len(images)) for method in methods]


def _rows(layer: Layer, method: Method) -> list[_Rows]:
    """Return what the lambdas of a layer come from; if signed, values of both signs."""
    number = layer.shape[0] if method.normalisation == "channel" else 1
    return [_Rows(layer.measured, sign, number) for sign in ((1, -1) if layer.signed else (1,))]


def _statistics(methods: Sequence[Method]) -> tuple[list[float], bool]:
    """Return the percentiles that the methods need, and whether any needs a histogram."""
    percentiles = {_percentile(m) for m in methods if m.thresholds == "percentile"}
    return sorted(percentiles), any(m.thresholds == "mmse" for m in methods)


def _percentile(method: Method) -> float:
    if method.percentile is None:
        raise ValueError("a method without a percentile: see convert.settled")
    return method.percentile


def _share(progress: Progress, number: int, passes: int, done: int, images: int) -> None:
    """Report the progress of one of several passes over the images as a share of all."""
    progress(number * images + done, passes * images)


def _values(tensor: NDArray[Any], rows: _Rows) -> Floats:
    """Return activations (B, C, *space) as (B, rows, n)."""
    if not np.isfinite((tensor.min(), tensor.max())).all():
        what = "is not finite on some calibration images"
        fix = "check the weights, and that the images are normalised as in training"
        raise ConversionError([Problem(f"calibration, tensor {rows.tensor}", what, fix)])
    values = np.ascontiguousarray(tensor, np.float32).reshape(len(tensor), rows.number, -1)
    return values if rows.sign > 0 else -values


def _calibration(
    spiking: Sequence[Layer], seen: Mapping[_Rows, Statistics], method: Method, images: int
) -> Calibration:
    """Return lambda of every layer by one of the methods."""
    scales, floored, problems = {}, {}, []
    for layer in spiking:
        scale = np.sum([_lambda(seen[rows], method) for rows in _rows(layer, method)], axis=0)
        dead = np.flatnonzero(scale <= 0)
        named_already = layer.difference and not layer.signed
        refused = len(dead) == len(scale) or (len(dead) and method.dead_channels == "refuse")
        if refused and not named_already:
            problems.append(_dead(layer.name, dead, len(scale), images))
        raised = np.where(scale > 0, np.maximum(scale, _floor(layer, scale)), scale.max(initial=0))
        scales[layer.name] = np.asarray(raised.clip(max=layer.ceiling), np.float32)
        if (raised > scale).any():
            floored[layer.name] = tuple(np.flatnonzero(raised > scale).tolist())
    if problems:
        raise ConversionError(problems)
    return Calibration(scales, floored)


def _floor(layer: Layer, scale: Floats) -> Floats:
    """Return the least lambda of each channel; `scale` is that of its activations, (C,) or (1,)."""
    if len(scale) == 1 or not (scale > 0).any():
        return np.zeros_like(scale)
    floor = np.full_like(scale, LEAST_OF_MEDIAN * np.median(scale[scale > 0]))
    if layer.bias is None:
        return floor
    bias = np.abs(np.broadcast_to(layer.bias, layer.shape)).reshape(len(scale), -1).max(axis=1)
    return np.asarray(np.maximum(floor, bias / LARGEST_BIAS), np.float32)


def _lambda(statistics: Statistics, method: Method) -> Floats:
    if method.thresholds == "mmse":
        return statistics.threshold(method.levels or LEVELS)
    percentile = statistics.percentile(_percentile(method))
    return np.where(percentile > 0, percentile, statistics.maximum())


def _dead(name: str, dead: NDArray[np.integer], channels: int, images: int) -> Problem:
    shown = ", ".join(map(str, dead[:8])) + (", ..." if len(dead) > 8 else "")
    fix = "give these channels the layer's scale with dead_channels=layer"
    if len(dead) == channels:
        fix = "check that the images are normalised as in training"
    return Problem(
        f"calibration, layer {name}",
        f"{len(dead)} of {channels} channels are zero on all {images} images (channels {shown})",
        fix,
    )
