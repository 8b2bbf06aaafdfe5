"""Which layer's rounding costs most: why the first layer gets two neurons per activation.

    python benchmarks/rounding_by_layer.py

The rate network of the example is run with the activations of one layer rounded to 1/16 of its
scale, as spikes in 16 steps would, and all others exact. Prints the squared error of the logits
that this adds, by layer, and what share of their sum the first layer has; then the same with two
neurons for each of its activations.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from spinn_convert.conversion import steps as conversion
from spinn_convert.conversion.method import PAPER
from spinn_convert.files.data import load_dataset, normalised
from spinn_convert.linear.maps import apply
from spinn_convert.linear.ops import Floats
from spinn_convert.network.records import Network

MODEL = Path(__file__).parent.parent / "examples" / "resnet18.onnx"
LEVELS = 16


def logits(network: Network, values: Floats, rounded: str | None, levels: int) -> Floats:
    """Return the logits (B, classes) with one population's rates rounded to 1 / levels."""
    state = {network.input.name: torch.from_numpy(values)}
    for population in network.populations[1:]:
        total = torch.from_numpy(np.ascontiguousarray(population.bias))[None]
        for projection in network.incoming(population):
            total = total + apply(projection.map, state[projection.source])
        if population.kind == "spiking":
            total = total.clamp(0, 1)
            if population.name == rounded:
                total = torch.floor(total * levels + 0.5) / levels
        state[population.name] = total
    return state[network.readouts[0].name].numpy()


def main() -> None:
    """Print a line per layer, and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=200)
    arguments = parser.parse_args()
    model, layers = conversion.read(MODEL, None, "spiking")
    data = load_dataset(MODEL.with_suffix(".npz"), model.image_shape, None)
    method = replace(PAPER, percentile=99.9)
    network = conversion.calibrated(model, layers, normalised(data.calibration), method, 1)
    values = normalised(data.images, 0, arguments.images)
    exact = logits(network, values, None, LEVELS)
    largest = float(np.square(exact - exact.mean(1, keepdims=True)).mean())

    def error(name: str, levels: int) -> float:
        return float(np.square(logits(network, values, name, levels) - exact).mean()) / largest

    errors = {population.name: error(population.name, LEVELS) for population in network.spiking}
    for name, found in errors.items():
        print(f"{name:12s} {found:.6f}")
    first = next(iter(errors))
    total, finer = sum(errors.values()), error(first, 2 * LEVELS)
    print(f"the first layer's share: {errors[first] / total:.2f} of {total:.5f}")
    print(f"with two neurons per activation: {finer / errors[first]:.2f}x its error")


if __name__ == "__main__":
    main()
