"""From a network's readouts to boxes: the part of the file behind them, then anchors if needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinn_convert.errors import DataError, ModelError, Problem
from spinn_convert.linear.ops import Floats
from spinn_convert.linear.threads import torch_threads
from spinn_convert.model import host
from spinn_convert.model.detector import (
    Detections,
    Heads,
    heads_detections,
    kind_of,
    read_heads,
    whole_detections,
)
from spinn_convert.model.host import ImageSequence
from spinn_convert.model.load import Model
from spinn_convert.network import rate, readout
from spinn_convert.network.copies import merged
from spinn_convert.network.recording import Progress, Recording, Settings
from spinn_convert.network.records import Network

Decode = Callable[[Mapping[str, Floats], Floats], list[Detections]]
"""Called with the activations of readouts (B, *shape) by name, in units of the ANN, and the images
(B, *image shape); returns what each holds."""


def heads_of(model: Model) -> Heads | None:
    """Return the anchors of a file of heads only, None for a whole file.

    Raises DataError if the anchors are missing or do not fit, ModelError for a classifier.
    """
    kind = kind_of(model)
    if kind == "classifier":
        what = "is a classifier, which finds no boxes"
        raise ModelError([Problem(str(model.path), what, "score it by labels")])
    return read_heads(model) if kind == "heads of a detector" else None


def ann_detections(
    model: Model, heads: Heads | None, images: ImageSequence, threads: int, progress: Progress
) -> list[Detections]:
    """Return what the ANN finds on images (B, *image shape), computed by onnxruntime."""
    names = [name for name, _ in model.outputs]
    found = []
    for outputs in host.tensors(model, images, names, threads, progress):
        found += _found(model, heads, outputs)
    return found


def decoder(model: Model, heads: Heads | None, network: Network, threads: int) -> Decode:
    """Return the function that runs what is behind the readouts."""
    run = host.decoder(model, threads)

    def decode(readouts: Mapping[str, Floats], images: Floats) -> list[Detections]:
        names = dict(zip(model.graph.outputs, (p.name for p in network.readouts)))
        some = {name: readouts[output] for name, output in names.items()}
        if heads is not None:
            return heads_detections(model, heads, run(some, images))
        parts = (slice(image, image + 1) for image in range(len(images)))
        return [
            whole_detections(model, run({n: v[part] for n, v in some.items()}, images[part]))
            for part in parts
        ]

    return decode


def _found(model: Model, heads: Heads | None, outputs: list[NDArray[Any]]) -> list[Detections]:
    """Return what a batch of the file's outputs says; a whole file takes one image at a time."""
    if heads is None:
        return [whole_detections(model, outputs)]
    return heads_detections(model, heads, outputs)


def rate_detections(
    network: Network,
    values: Floats,
    images: ImageSequence,
    decode: Decode,
    threads: int,
    progress: Progress,
    clip: bool = True,
) -> list[Detections]:
    """Return what the rate network finds, with rates clipped at one spike per step (ReLU1) or not.

    values: input of the network for the images, (B, *input shape), of `Model.core_input`.
    """
    found: list[Detections] = []
    with torch_threads(threads):
        for chunk in rate.rates(merged(network), values, clip=clip):
            size = len(chunk[network.readouts[0].name])
            found += decode(chunk, images[len(found) : len(found) + size])
            progress(len(found), len(values))
    return found


def sampled_steps(
    network: Network, steps: int, read_out: str, every: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return after which steps detections are scored, and after which potentials are needed.

    The first are every so many steps from half of those behind the release on, and the last; the
    second add the steps from which the read-out begins.
    """
    released = max(population.release for population in network.readouts)
    first = released + (steps - released) // 10
    scored = tuple(sorted({*range(-(-first // every) * every, steps + 1, every), steps}))
    return scored, readout.needed(network, scored, read_out, steps)


def check_kept(
    network: Network,
    settings: Settings,
    scored: Sequence[int],
    read_out: str,
    path: Path | None = None,
) -> None:
    """Raise DataError where potentials are missing of steps that are scored or read from.

    path: of the recording, if it is a file.
    """
    kept = settings.sampled or range(1, settings.steps + 1)
    missing = sorted(set(readout.needed(network, scored, read_out, settings.steps)) - set(kept))
    if missing:
        what = f"no potentials of the steps {missing[:8]}"
        fix = "simulate again with these in `sampled`"
        if path is not None:
            what += f", which --read-out {read_out} needs"
            fix = f"record again with --read-out {read_out}, or leave it out"
        raise DataError([Problem(str(path or "recording"), what, fix)])


def snn_detections(
    network: Network,
    recording: Recording,
    images: ImageSequence,
    decode: Decode,
    read_out: str,
    scored: tuple[int, ...],
    progress: Progress,
) -> Iterator[list[Detections]]:
    """Yield for every image what the spiking network finds after each of the steps `scored`.

    recording: with the potentials of these steps, and of those from which they are read. Raises
    DataError where some of them were not kept.
    """
    check_kept(network, recording.settings, scored, read_out)
    steps = recording.settings.steps
    kept = recording.settings.sampled or tuple(range(1, steps + 1))
    for image in range(len(images)):
        found = {
            output.name: readout.sampled(
                recording.readout[output.name][image],
                kept,
                scored,
                readout.starts(read_out, output.release, steps),
                output.release,
            )
            for output in network.readouts
        }
        (shown,) = images[image : image + 1]
        yield decode(found, np.broadcast_to(shown, (len(scored), *shown.shape)))
        progress(image + 1, len(images))
