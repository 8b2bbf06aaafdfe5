"""The rate network: the rates that the spiking network approaches over many time steps.

Every population computes min(max(sum of maps + bias, 0), 1), in units of its scale. This is the
ReLU1 network, whose accuracy predicts that of the spiking network. Without the minimum, it
computes the same function as the ONNX file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from spinn_convert.linear.maps import apply, on_grid
from spinn_convert.linear.ops import Floats
from spinn_convert.network.records import Network, Population

if TYPE_CHECKING:
    import torch

CHUNK = 64
"""Images computed at a time."""


def input_currents(network: Network, values: Floats) -> dict[str, Floats]:
    """Return the current (B, *shape) into each population that has a projection from the input.

    In thresholds per step, bias included, rounded to multiples of 2^-bits. values: input
    (B, *input shape) of the network.
    """
    import torch

    currents: dict[str, Floats] = {}
    for projection in network.projections:
        if projection.source == network.input.name:
            current = apply(projection.map, torch.from_numpy(values)).numpy()
            currents[projection.target] = currents.get(projection.target, 0) + current
    for population in network.populations:
        if population.name in currents:
            current = currents[population.name] + population.bias
            currents[population.name] = on_grid(current, network.bits)
    return currents


def rates(network: Network, values: Floats, clip: bool) -> Iterator[dict[str, Floats]]:
    """Yield the activations (CHUNK or fewer images, *shape) of all populations, by name.

    In units of the ANN: rate times scale. values: input (B, *input shape) of the network. clip:
    whether rates are clipped at one spike per step (ReLU1).
    """
    import torch

    for start in range(0, len(values), CHUNK):
        chunk = np.ascontiguousarray(values[start : start + CHUNK])
        state = {network.input.name: torch.from_numpy(chunk)}
        for population in network.populations:
            if population.kind != "input":
                state[population.name] = rate(network, population, state, clip)
        yield {p.name: state[p.name].numpy() * columns(p) for p in network.populations}


def rate(
    network: Network, population: Population, state: Mapping[str, torch.Tensor], clip: bool
) -> torch.Tensor:
    """Return the rates of one population (B, *shape), in spikes per step, from those before it.

    state: rates of the populations that project onto it, (B, *shape), by name; of the input, its
    values. clip: as for `rates`.
    """
    import torch

    total = torch.from_numpy(np.ascontiguousarray(population.bias))[None]
    for projection in network.incoming(population):
        total = total + apply(projection.map, state[projection.source])
    if population.kind != "spiking":
        return total
    total = total.clamp(0, 1 if clip else None)
    if population.ceiling < inf:
        ceiling = np.float32(population.ceiling) / columns(population)
        total = total.minimum(torch.from_numpy(ceiling))
    return total


def columns(population: Population) -> Floats:
    """Return the scale in a shape that broadcasts to the population's."""
    return population.scale.reshape(-1, *(1,) * (len(population.shape) - 1))
