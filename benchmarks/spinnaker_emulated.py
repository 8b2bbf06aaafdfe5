"""Claim: the SpiNNaker backend gives the spikes of the board's arithmetic, on the shipped binaries.

A residual network with random weights is converted from ONNX, calibrated on the example's images at
half their size, mapped on one virtual board, and presented three images on that one mapping; its
binaries are executed in software. Every spike and output potential is compared with the integer
arithmetic, and the third image with a run of its own on a freshly booted board.

    python benchmarks/spinnaker_emulated.py [--connectors convolutions]
    python benchmarks/spinnaker_emulated.py --reset zero       IF_curr_delta, clamped

Needs sPyNNaker and unicorn: pip install 'spinn-convert[spinnaker,emulator]'.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from math import ceil
from pathlib import Path
from typing import get_args

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from spinn_convert.backends.board import arithmetic as board_arithmetic
from spinn_convert.backends.board import delta_arithmetic
from spinn_convert.backends.spinnaker import backend as spinnaker
from spinn_convert.backends.spinnaker import delta as spinnaker_delta
from spinn_convert.backends.spinnaker.build import NEURONS_PER_CORE, ticks
from spinn_convert.backends.spinnaker.kernels.layers import Connectors, chosen
from spinn_convert.conversion import steps as conversion
from spinn_convert.conversion.method import PAPER
from spinn_convert.files.data import load_dataset, normalised
from spinn_convert.linear.ops import Floats
from spinn_convert.network.recording import Recording, Settings, Stimulus
from spinn_convert.network.records import Network, neurons, synapse_counts

ROOT = Path(__file__).resolve().parent.parent
BOARD = ROOT / "boards" / "emulated.cfg"
IMAGES, STEPS, CALIBRATION = 3, 31, 200
WIDTHS = 8, 16
THREADS = 2


def residual_model(rng: np.random.Generator, path: Path) -> None:
    """Write a stem and two residual blocks, the second at half the resolution, and 10 classes."""
    nodes, weights = [], []

    def conv(name: str, source: str, shape: tuple[int, ...], stride: int) -> str:
        fan_in = int(np.prod(shape[1:]))
        kernel = rng.normal(size=shape) * np.sqrt(2 / fan_in)
        bias = 0.05 * rng.normal(size=shape[0])
        for key, values in ((f"{name}.w", kernel), (f"{name}.b", bias)):
            weights.append(numpy_helper.from_array(values.astype(np.float32), key))
        nodes.append(
            helper.make_node(
                "Conv",
                [source, f"{name}.w", f"{name}.b"],
                [name],
                strides=[stride] * 2,
                pads=[shape[2] // 2] * 4,
            )
        )
        return name

    def relu(name: str, *sources: str) -> str:
        if len(sources) > 1:
            nodes.append(helper.make_node("Add", sources, [f"{name}.sum"]))
            sources = (f"{name}.sum",)
        nodes.append(helper.make_node("Relu", sources, [name]))
        return name

    a, b = WIDTHS
    stem = relu("stem", conv("c0", "x", (a, 1, 3, 3), 1))
    inner = relu("inner1", conv("c1", stem, (a, a, 3, 3), 1))
    block = relu("block1", conv("c2", inner, (a, a, 3, 3), 1), stem)
    inner = relu("inner2", conv("c3", block, (b, a, 3, 3), 2))
    short = conv("c4", block, (b, a, 1, 1), 2)
    block = relu("block2", conv("c5", inner, (b, b, 3, 3), 1), short)
    nodes.append(helper.make_node("GlobalAveragePool", [block], ["mean"]))
    nodes.append(helper.make_node("Flatten", ["mean"], ["flat"]))
    dense = (rng.normal(size=(10, b)) / np.sqrt(b)).astype(np.float32)
    weights.append(numpy_helper.from_array(dense, "fc.w"))
    nodes.append(helper.make_node("Gemm", ["flat", "fc.w"], ["logits"], transB=1))
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 1, 14, 14])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10])
    graph = helper.make_graph(nodes, "residual", [image], [logits], weights)
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)


def halved(images: Floats) -> Floats:
    """Return images (B, C, H, W) at half their size, by the mean of 2 x 2 pixels."""
    count, channels, height, width = images.shape
    blocks = images.reshape(count, channels, height // 2, 2, width // 2, 2)
    return np.ascontiguousarray(blocks.mean((3, 5)), np.float32)


def converted() -> tuple[Network, Floats]:
    """Return the network and the images that it is shown."""
    data = load_dataset(ROOT / "examples" / "resnet18.npz", (1, 28, 28), 10)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "residual.onnx"
        residual_model(np.random.default_rng(0), path)
        model, layers = conversion.read(path, None, "spiking")
        calibration = halved(normalised(data.calibration)[:CALIBRATION])
        method = replace(PAPER, dead_channels="layer")
        network = conversion.calibrated(model, layers, calibration, method, THREADS)
    return network, halved(normalised(data.images, 0, IMAGES))


def rows(recording: Recording, name: str, image: int) -> NDArray[np.int32]:
    """Return the spikes (step, neuron) of a population in one image."""
    spikes = recording.spikes[name]
    return spikes[spikes[:, 0] == image, 1:]


def differing(a: NDArray[np.int32], b: NDArray[np.int32]) -> int:
    """Return how many spikes are in one of two lists only."""
    return len(set(map(tuple, a.tolist())) ^ set(map(tuple, b.tolist())))


def run_both(
    reset: str, connectors: Connectors, network: Network, values: Floats, settings: Settings
) -> tuple[Recording, Recording, Recording, float]:
    """Return the arithmetic, the board, its last image after a fresh boot, and seconds of that."""
    stimulus, last = Stimulus(values), Stimulus(values[-1:])
    if reset == "subtract":
        plan = board_arithmetic.default_plan(network, stimulus, settings)
        expected: Recording = board_arithmetic.run(network, stimulus, settings, plan=plan)
        kernels = sorted(chosen(plan, connectors, NEURONS_PER_CORE, ticks(STEPS)))
        print(f"layers of kernels: {', '.join(kernels) or 'none'}")
        board = partial(spinnaker.run, board=BOARD, plan=plan, connectors=connectors)
        found: Recording = board(network, stimulus, settings)
        started = time.perf_counter()
        alone: Recording = board(network, last, settings)
    else:
        delta = delta_arithmetic.default_plan(network, stimulus, settings)
        expected = delta_arithmetic.run(network, stimulus, settings, plan=delta)
        found = spinnaker_delta.run(network, stimulus, settings, board=BOARD, plan=delta)
        started = time.perf_counter()
        alone = spinnaker_delta.run(network, last, settings, board=BOARD, plan=delta)
    return expected, found, alone, time.perf_counter() - started


def print_size(network: Network, reset: str) -> None:
    """Print what is mapped."""
    cores = sum(ceil(p.size / NEURONS_PER_CORE) for p in network.populations if p.kind != "input")
    synapses = sum(synapse_counts(network).values())
    to_itself = sum(p.size for p in network.spiking) if reset == "subtract" else 0
    print(
        f"{neurons(network):,} neurons, {synapses:,} synapses and {to_itself:,} onto themselves, "
        f"{cores} cores as lists, {STEPS} steps"
    )


def main() -> None:
    """Run the benchmark; fails when anything differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reset", choices=["subtract", "zero"], default="subtract")
    parser.add_argument("--connectors", choices=get_args(Connectors), default="lists")
    arguments = parser.parse_args()
    reset, connectors = arguments.reset, arguments.connectors
    if reset == "zero" and connectors != "lists":
        parser.error("--reset zero is built of lists alone")
    network, values = converted()
    names = tuple(p.name for p in network.spiking)
    print_size(network, reset)
    settings = Settings(STEPS, THREADS, record=names)
    expected, found, alone, booted = run_both(reset, connectors, network, values, settings)
    seconds = ", ".join(f"{name} {value:.1f} s" for name, value in found.timing.items())
    print(f"{IMAGES} images on one mapping: {seconds}")
    wrong = 0
    for image in range(IMAGES):
        fired = sum(len(rows(expected, name, image)) for name in names)
        spikes = sum(
            differing(rows(expected, name, image), rows(found, name, image)) for name in names
        )
        outputs = [recording.readout["logits"][image] for recording in (expected, found)]
        potentials = int((outputs[0] != outputs[1]).sum())
        wrong += spikes + potentials
        print(
            f"image {image + 1}: {spikes} of {fired:,} spikes differ, {potentials} of "
            f"{outputs[0].size} output potentials"
        )
    same = all(np.array_equal(rows(found, n, IMAGES - 1), rows(alone, n, 0)) for n in names)
    same &= np.array_equal(found.readout["logits"][-1], alone.readout["logits"][0])
    print(f"image {IMAGES} equals a fresh boot: {same} ({booted:.1f} s)")
    sys.exit(bool(wrong) or not same)


if __name__ == "__main__":
    main()
