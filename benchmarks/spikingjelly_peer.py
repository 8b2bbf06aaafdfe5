"""The peer of reference_speed.py, which calls it: image-steps per second of SpikingJelly's network.

Needs torch and SpikingJelly, nothing of ours. Prints one JSON line: speed and accuracy by mode.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from pathlib import Path

import torch
from spikingjelly.activation_based import ann2snn, functional
from spikingjelly.activation_based.ann2snn.recipes.rate_coding import RateCodingRecipe
from torch import Tensor, nn

BATCH = 50
LAYOUTS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}
MODES = {"single step": "s", "multi-step": "m"}


def simulated(network: nn.Module, images: Tensor, steps: int, mode: str) -> Tensor:
    """Return the outputs of `steps` steps of a batch, summed."""
    functional.reset_net(network)
    if mode == "m":
        total: Tensor = network(images.expand(steps, *images.shape)).sum(0)
        return total
    return torch.stack([network(images) for _ in range(steps)]).sum(0)


def measured(
    network: nn.Module, images: Tensor, labels: Tensor, mode: str, arguments: argparse.Namespace
) -> dict[str, float] | str:
    """Return the best speed of several, and the accuracy; the error of what the library lacks."""
    best = float("inf")
    try:
        functional.set_step_mode(network, mode)
        for _ in range(arguments.repeats):
            started = time.perf_counter()
            total = simulated(network, images, arguments.steps, mode)
            best = min(best, time.perf_counter() - started)
    except Exception as error:
        return f"fails: {error!r:.100}"
    return {
        "image_steps_per_s": len(images) * arguments.steps / best,
        "accuracy": float((total.argmax(1) == labels).float().mean()),
    }


def main() -> None:
    """Measure every mode and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("given", type=Path, help="what reference_speed.py wrote")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    given = torch.load(arguments.given, weights_only=False)
    calibration = [(batch, 0) for batch in given["calibration"].split(BATCH)]
    found = {}
    for layout, memory_format in LAYOUTS.items():
        recipe = RateCodingRecipe(calibration, mode="99.9%")
        network = ann2snn.Converter(recipe).convert(copy.deepcopy(given["ann"])).eval()
        network = network.to(memory_format=memory_format)
        images = given["images"].contiguous(memory_format=memory_format)
        with torch.inference_mode():
            for name, mode in MODES.items():
                row = measured(network, images, given["labels"], mode, arguments)
                found[f"{layout}, {name}"] = row
    print(json.dumps(found))


if __name__ == "__main__":
    main()
