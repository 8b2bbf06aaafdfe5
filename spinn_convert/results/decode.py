"""Compute the ONNX file's output from the network's readouts, by onnxruntime."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from spinn_convert.linear.ops import Floats
from spinn_convert.linear.threads import torch_threads
from spinn_convert.model import host
from spinn_convert.model.host import ImageSequence
from spinn_convert.model.load import Model
from spinn_convert.network import rate, readout
from spinn_convert.network.copies import merged
from spinn_convert.network.recording import Progress, Recording
from spinn_convert.network.records import Network

Logits = Callable[[Mapping[str, Floats], Floats], Floats]
"""Called with the activations of readouts (B, *shape) by name, in units of the ANN, and the images
(B, *image shape); returns the file's first output (B, classes)."""


def decoder(model: Model, network: Network, threads: int) -> Logits:
    """Return the function that runs the part of the file behind the readouts."""
    decode = host.decoder(model, threads)

    def logits(readouts: Mapping[str, Floats], images: Floats) -> Floats:
        names = zip(model.graph.outputs, network.readouts)
        found = decode({name: readouts[output.name] for name, output in names}, images)
        return np.asarray(found[0], np.float32).reshape(len(images), -1)

    return logits


def relu1_logits(
    network: Network,
    values: Floats,
    images: ImageSequence,
    decode: Logits,
    threads: int,
    progress: Progress,
) -> Floats:
    """Return the outputs (B, classes) of the rate network, clipped at one spike per step (ReLU1).

    values: input of the network for the images, (B, *input shape), of `Model.core_input`.
    """
    chunks: list[Floats] = []
    done = 0
    with torch_threads(threads):
        for chunk in rate.rates(merged(network), values, clip=True):
            size = len(chunk[network.readouts[0].name])
            chunks.append(decode(chunk, images[done : done + size]))
            done += size
            progress(done, len(values))
    return np.concatenate(chunks)


def snn_logits(
    network: Network,
    recording: Recording,
    images: ImageSequence,
    decode: Logits,
    read_out: str,
    progress: Progress,
) -> Floats:
    """Return the file's output (B, T, classes) after every step of the spiking network.

    After an image has ended, that is its last one. read_out: "all" or "late", see
    `network.readout`.
    """
    steps = recording.settings.steps
    logits: list[Floats] = []
    for image in range(len(images)):
        found = {}
        for output in network.readouts:
            flat = recording.readout[output.name][image].reshape(steps, -1)
            start = readout.starts(read_out, output.release, steps)
            active = readout.activations(flat, start, output.release)
            taken = recording.taken[image]
            active[taken:] = active[taken - 1]
            found[output.name] = active.reshape(steps, *output.shape)
        (shown,) = images[image : image + 1]
        repeated = np.broadcast_to(shown, (steps, *shown.shape))
        logits.append(decode(found, repeated))
        progress(image + 1, len(images))
    return np.stack(logits)
