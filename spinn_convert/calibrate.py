"""Statistics of the ANN's activations, computed by onnxruntime: lambda of every layer."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor

import numpy as np
from numpy.typing import NDArray

from spinn_convert import host
from spinn_convert.convert import Method
from spinn_convert.errors import ConversionError, Problem
from spinn_convert.fold import Layer
from spinn_convert.load import Model
from spinn_convert.ops import Floats
from spinn_convert.recording import Progress, silent


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
    images: Floats,
    method: Method,
    threads: int,
    progress: Progress = silent,
) -> dict[str, Floats]:
    """Return lambda of every spiking layer, (C,) or (1,), over the images (B, *image shape).

    lambda is the percentile over images and space, or the maximum where the percentile is zero (a
    channel active in fewer positions than the percentile leaves out). Difference neurons of a max
    pooling get the lambda of what is pooled; if that is signed, those of both signs add up. Raises
    ConversionError for channels that are never active, unless method.dead_channels is "layer".
    """
    spiking = [layer for layer in layers if layer.kind == "spiking"]
    by_channel = method.normalisation == "channel"
    largest = {}
    for layer in spiking:
        channels = layer.shape[0] if by_channel else 1
        for sign in _signs(layer):
            largest[layer.measured, sign] = channels
    names = list(dict.fromkeys(layer.measured for layer in spiking))
    seen: dict[tuple[str, int], _Largest] = {}
    for batch in host.tensors(model, images, names, threads, progress):
        found = dict(zip(names, batch))
        for (name, sign), channels in largest.items():
            tensor = np.moveaxis(found[name], 1, 0) if by_channel else found[name]
            values = np.maximum(sign * tensor.reshape(channels, -1), 0)
            if (name, sign) not in seen:
                count = values.shape[1] * len(images) // len(found[name])
                seen[name, sign] = _Largest(channels, count, method.percentile)
            seen[name, sign].add(values)
    scales, problems = {}, []
    for layer in spiking:
        scale = np.sum([_lambda(seen[layer.measured, sign]) for sign in _signs(layer)], axis=0)
        dead = np.flatnonzero(scale <= 0)
        named_already = layer.difference and not layer.signed
        refused = len(dead) == len(scale) or (len(dead) and method.dead_channels == "refuse")
        if refused and not named_already:
            problems.append(_dead(layer.name, dead, len(scale), len(images)))
        scale = np.where(scale > 0, scale, scale.max(initial=0)).clip(max=layer.ceiling)
        scales[layer.name] = np.asarray(scale, np.float32)
    if problems:
        raise ConversionError(problems)
    return scales


def _signs(layer: Layer) -> tuple[int, ...]:
    return (1, -1) if layer.signed else (1,)


def _lambda(largest: _Largest) -> Floats:
    percentile = largest.percentile()
    return np.where(percentile > 0, percentile, largest.maximum())


def _dead(name: str, dead: NDArray[np.integer], channels: int, images: int) -> Problem:
    shown = ", ".join(map(str, dead[:8])) + (", ..." if len(dead) > 8 else "")
    return Problem(
        f"calibration, layer {name}",
        f"{len(dead)} of {channels} channels are zero on all {images} images (channels {shown})",
        "calibrate on more images, or give these channels the layer's scale with"
        " --dead-channels layer",
    )
