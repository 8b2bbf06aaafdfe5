"""The peer of nir_spikingjelly.py, which calls it: the lines of docs/nir.md, spikes recorded.

Needs SpikingJelly, nothing of ours. Reads resnet18.nir and images.npy in the working folder, and
writes spikes.npz: logits (B, N), and "spikes NAME" of every population, bits (T, B, N) packed.
"""

from __future__ import annotations

import argparse
import re
from functools import partial
from pathlib import Path
from typing import Any

import nir
import numpy as np
import torch
from torch import Tensor, nn

PAGE = Path(__file__).parents[1] / "docs" / "nir.md"
GRID = 2**14
SETTINGS = ("subtract", "v_init", "rounded")


def lines_of_the_page() -> dict[str, Any]:
    """Run the block of the page that imports SpikingJelly; return its names."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    (block,) = (text for text in blocks if "spikingjelly" in text)
    names: dict[str, Any] = {}
    exec(block, names)
    return names


def rounded(module: nn.Conv2d, inputs: tuple[Tensor], output: Tensor) -> Tensor:
    """Return the currents as our reference computes them: a sum, the bias, and rounded."""
    kernel = module.stride, module.padding
    current = nn.functional.conv2d(inputs[0], module.weight, None, *kernel)
    assert module.bias is not None
    return torch.round((current + module.bias[:, None, None]) * GRID) / GRID


def main() -> None:
    """Simulate once, with some of what the page sets."""
    parser = argparse.ArgumentParser()
    parser.add_argument("set", nargs="*", choices=SETTINGS)
    told = parser.parse_args().set
    page, images = lines_of_the_page(), torch.from_numpy(np.load("images.npy"))
    model, graph = page["load"](images), page["graph"]
    spikes: dict[str, list[np.ndarray]] = {}

    def record(name: str, module: nn.Module, inputs: object, output: tuple[Tensor, Any]) -> None:
        spikes[name].append(np.packbits(output[0].flatten(1).numpy() > 0, axis=-1))

    for name, node in graph.nodes.items():
        if isinstance(node, nir.IF):
            neuron, key = model.get_submodule(name), f"spikes {node.metadata['population']}"
            spikes[key] = []
            neuron.register_forward_hook(partial(record, key))
            if "subtract" not in told:
                neuron.module.v_reset = 0.0
            if "v_init" not in told:
                neuron.module.v = 0.0
    if "rounded" in told:
        for source, target in graph.edges:
            if source == "input":
                model.get_submodule(target).register_forward_hook(rounded)
    logits = page["run"](model, images)
    stacked = {name: np.stack(steps) for name, steps in spikes.items()}
    np.savez("spikes.npz", logits=logits.numpy(), **stacked)


if __name__ == "__main__":
    main()
