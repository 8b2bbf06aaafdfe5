"""Claim: the SpiNNaker backend gives the spikes of the board's integers, on the shipped binaries.

    python -m benchmarks.spinnaker_emulated [--connectors convolutions]
    python -m benchmarks.spinnaker_emulated --reset constant       IF_curr_delta, clamped

A residual network with random weights is converted, calibrated on the example's images at half
their size, mapped on one virtual board, and presented three images on that one mapping; its
binaries are executed in software. Every spike and output potential is compared with the integers,
and the last image with a run of its own on a freshly booted board.

Needs sPyNNaker and unicorn: pip install 'spinn-convert[spinnaker,emulator]'.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from train_resnet import Block, conv_bn, save

import spinn_convert as sc
from benchmarks.common import BOARDS, EXAMPLE, Claim, at_most, parser_of, settle
from spinn_convert.api import Connectors
from spinn_convert.linear.ops import Floats
from spinn_convert.network.records import neurons, synapse_counts

STEPS, CALIBRATION, THREADS = 31, 200, 2
METHODS = {
    "subtract": replace(sc.PAPER, dead_channels="layer", clamp_delay=0),
    "constant": replace(sc.PAPER, dead_channels="layer", reset="constant"),
}


def residual_model(folder: Path) -> sc.Model:
    """Return a stem and two residual blocks, the second at half the resolution, and 10 classes."""
    torch.manual_seed(0)
    body = [conv_bn(1, 8, 3), nn.ReLU(), Block(8, 8, 1, False), Block(8, 16, 2, False)]
    network = nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.bias, 0, 0.05)
    save(network, folder / "residual", np.zeros((1, 14, 14), np.uint8))
    return sc.load(folder / "residual.onnx")


def halved(images: Floats) -> Floats:
    """Return images (B, C, H, W) at half their size, by the mean of 2 x 2 pixels."""
    count, channels, height, width = images.shape
    blocks = images.reshape(count, channels, height // 2, 2, width // 2, 2)
    return np.ascontiguousarray(blocks.mean((3, 5)), np.float32)


def converted(method: sc.Method, images: int) -> tuple[sc.Network, Floats, Floats]:
    """Return the network, the images it is shown, and those that size the board's numbers."""
    data = sc.load_dataset(EXAMPLE.with_suffix(".npz"), sc.load(EXAMPLE))
    calibration = halved(data.calibration[:CALIBRATION])
    with tempfile.TemporaryDirectory() as folder:
        network = sc.convert(residual_model(Path(folder)), calibration, method, THREADS)
    return network, halved(data.images[:images]), calibration


def spikes(recording: sc.Recording, image: int) -> set[tuple[str, int, int]]:
    """Return all spikes of an image: population, step, neuron."""
    return {
        (name, step, neuron)
        for name, rows in recording.spikes.items()
        for step, neuron in rows[rows[:, 0] == image, 1:].tolist()
    }


def outputs(recording: sc.Recording, image: int) -> NDArray[np.float32]:
    """Return the potentials of the output after each step of an image."""
    (potentials,) = recording.readout.values()
    return np.asarray(potentials[image], np.float32)


def claims(reset: str, connectors: Connectors, images: int) -> Iterator[Claim]:
    """Run integers, emulated board and freshly booted board."""
    network, values, sizing = converted(METHODS[reset], images)
    names = [population.name for population in network.spiking]
    synapses = sum(synapse_counts(network).values())
    print(f"{neurons(network):,} neurons, {synapses:,} synapses, {STEPS} steps, {images} images")
    show = partial(sc.run, network, steps=STEPS, record=names, calibration=sizing, threads=THREADS)
    on_board = partial(
        show, backend="spinnaker", board=BOARDS / "emulated.cfg", connectors=connectors
    )
    expected, found = show(values, "spinnaker-integers"), on_board(values)
    print(", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in found.timing.items()))
    for image in range(images):
        wanted = spikes(expected, image)
        wrong = len(wanted ^ spikes(found, image))
        yield at_most(f"image {image + 1}: of {len(wanted):,} spikes differ", wrong, 0)
        differing = outputs(expected, image) != outputs(found, image)
        what = f"image {image + 1}: of {differing.size} output potentials differ"
        yield at_most(what, int(differing.sum()), 0)
    alone = on_board(values[-1:])
    wrong = len(spikes(found, images - 1) ^ spikes(alone, 0))
    wrong += int((outputs(found, images - 1) != outputs(alone, 0)).sum())
    yield at_most(f"image {images}: spikes and potentials unlike after a fresh boot", wrong, 0)


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    parser = parser_of(__doc__)
    parser.add_argument("--reset", choices=["subtract", "constant"], default="subtract")
    parser.add_argument("--connectors", choices=get_args(Connectors), default="lists")
    parser.add_argument("--images", type=int, default=3)
    arguments = parser.parse_args(words)
    return settle(claims(arguments.reset, arguments.connectors, arguments.images))


if __name__ == "__main__":
    sys.exit(main())
