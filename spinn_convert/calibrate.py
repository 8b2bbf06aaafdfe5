"""Statistics of the ANN's activations, computed by onnxruntime: lambda of every layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import floor, prod

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from spinn_convert.convert import Method
from spinn_convert.errors import ConversionError, Problem
from spinn_convert.fold import Layer
from spinn_convert.load import Model, runnable
from spinn_convert.ops import Floats
from spinn_convert.recording import Progress, silent

BATCH = 50


def run(
    model: Model, values: Floats, names: Sequence[str], threads: int, progress: Progress = silent
) -> Iterator[list[Floats]]:
    """Yield the tensors `names` of the ONNX model, (B, *shape) each, for images batch by batch."""
    batch = model.batch or min(BATCH, len(values))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        runnable(model, names, batch), options, providers=["CPUExecutionProvider"]
    )
    feed = session.get_inputs()[0].name
    for start in range(0, len(values), batch):
        chunk = values[start : start + batch]
        padded = np.concatenate([chunk, np.repeat(chunk[-1:], batch - len(chunk), 0)])
        yield [tensor[: len(chunk)] for tensor in session.run(list(names), {feed: padded})]
        progress(min(start + batch, len(values)), len(values))


class _Largest:
    """The largest values per channel of a stream: all that a percentile near 100 needs.

    Exact for any batch size and order, in memory of (1 - percentile) * values seen.
    """

    def __init__(self, channels: int, count: int, percentile: float) -> None:
        position = (count - 1) * percentile / 100
        self._below, self._fraction = floor(position), position - floor(position)
        self.channels = channels
        self._kept = count - self._below
        self._largest = np.empty((channels, 0), np.float32)

    def add(self, values: Floats) -> None:
        """Add values (channels, n)."""
        merged = np.concatenate([self._largest, values], axis=1)
        surplus = merged.shape[1] - self._kept
        if surplus > 0:
            merged = np.partition(merged, surplus, axis=1)[:, surplus:]
        self._largest = merged

    def percentile(self) -> Floats:
        """Return the percentile per channel, linearly interpolated between two values."""
        ordered = np.sort(self._largest, axis=1)
        low, high = ordered[:, 0], ordered[:, min(1, self._kept - 1)]
        return np.asarray(low + self._fraction * (high - low), np.float32)

    def maximum(self) -> Floats:
        """Return the maximum per channel."""
        return np.asarray(self._largest.max(axis=1), np.float32)


def calibrate(
    model: Model,
    layers: Sequence[Layer],
    values: Floats,
    method: Method,
    threads: int,
    progress: Progress = silent,
) -> dict[str, Floats]:
    """Return lambda of every spiking layer, (C,) or (1,), over the images `values` (B, *shape).

    lambda is the percentile over images and space, or the maximum where the percentile is zero (a
    channel active in fewer positions than the percentile leaves out). Raises ConversionError for
    channels that are never active, unless method.dead_channels is "layer".
    """
    spiking = [layer for layer in layers if layer.kind == "spiking"]
    by_channel = method.normalisation == "channel"
    largest = {}
    for layer in spiking:
        channels = layer.shape[0] if by_channel else 1
        count = len(values) * prod(layer.shape) // channels
        largest[layer.name] = _Largest(channels, count, method.percentile)
    names = [layer.name for layer in spiking]
    for tensors in run(model, values, names, threads, progress):
        for name, tensor in zip(names, tensors):
            if by_channel:
                tensor = np.moveaxis(tensor, 1, 0)
            largest[name].add(tensor.reshape(largest[name].channels, -1))
    scales, problems = {}, []
    for layer in spiking:
        scale = largest[layer.name].percentile()
        scale = np.where(scale > 0, scale, largest[layer.name].maximum())
        dead = np.flatnonzero(scale <= 0)
        if len(dead) == len(scale) or (len(dead) and method.dead_channels == "refuse"):
            problems.append(_dead(layer.name, dead, len(scale), len(values)))
        scales[layer.name] = np.where(scale > 0, scale, scale.max(initial=0)).clip(
            max=layer.ceiling
        )
    if problems:
        raise ConversionError(problems)
    return {name: np.asarray(scale, np.float32) for name, scale in scales.items()}


def _dead(name: str, dead: NDArray[np.integer], channels: int, images: int) -> Problem:
    shown = ", ".join(map(str, dead[:8])) + (", ..." if len(dead) > 8 else "")
    return Problem(
        f"calibration, layer {name}",
        f"{len(dead)} of {channels} channels are zero on all {images} images (channels {shown})",
        "calibrate on more images, or give these channels the layer's scale with"
        " --dead-channels layer",
    )
