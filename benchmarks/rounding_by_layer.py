"""Claim: rounding in the first layer costs most; two neurons per activation halve that at least.

    python -m benchmarks.rounding_by_layer

The rate network of the example is run with the activations of one layer rounded to 1/16 of its
scale, as spikes in 16 steps would, and all others exact. Prints the squared error of the logits
that this adds, by layer, then what share of their sum the first layer has, and its error with two
neurons for each of its activations.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch

from benchmarks.common import Claim, at_least, at_most, parser_of, prepare, settle
from spinn_convert import PAPER, Network
from spinn_convert.linear.maps import apply
from spinn_convert.linear.ops import Floats

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


def claims(arguments: argparse.Namespace) -> Iterator[Claim]:
    """Measure every layer."""
    example = prepare(replace(PAPER, percentile=99.9))
    network, values = example.network, example.data.images[: arguments.images]
    exact = logits(network, values, None, LEVELS)
    largest = float(np.square(exact - exact.mean(1, keepdims=True)).mean())

    def error(name: str, levels: int) -> float:
        return float(np.square(logits(network, values, name, levels) - exact).mean()) / largest

    errors = {population.name: error(population.name, LEVELS) for population in network.spiking}
    for name, found in errors.items():
        print(f"{name:12s} {found:.6f}")
    first = next(iter(errors))
    share, finer = errors[first] / sum(errors.values()), error(first, 2 * LEVELS) / errors[first]
    yield at_least("the first layer's share of the rounding error", share, 0.5)
    yield at_most("its error with two neurons per activation, relative", finer, 0.5)


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    parser = parser_of(__doc__)
    parser.add_argument("--images", type=int, default=200)
    return settle(claims(parser.parse_args(words)))


if __name__ == "__main__":
    sys.exit(main())
