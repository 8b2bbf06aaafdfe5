"""Several neurons for one activation: finer rates in the same number of steps.

k neurons with the same input and initial potentials (j + v) / k, j = 0 ... k - 1, fire together as
one neuron with a threshold k times smaller would: sum_j floor(x + j / k) = floor(k x) (Hermite's
identity). So a rate over T steps has k T levels, at k times the neurons, synapses and spikes of
that layer. Only the first layers are copied, as rounding there reaches all later ones: the very
first alone makes more than half of the rounding error (`benchmarks/rounding_by_layer.py`), and
those of a ResNet's first stage, with the fewest synapses per neuron, add the fewest events.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spinn_convert.linear.maps import on_grid, then
from spinn_convert.linear.ops import Floats, Scale
from spinn_convert.network.records import Network, Population, Projection, neurons

MOST_ADDED = 0.45
"""Neurons that copies may add, as a share of the neurons of the network without copies."""
MOST_LAYERS = 10
"""Layers copied at most: as many as the first stage of ResNet-50 and -101 has. In ResNet-101,
copies of 21 layers need no fewer steps than copies of these."""


def groups(network: Network) -> list[tuple[Population, ...]]:
    """Return every population together with its copies, which share its incoming maps."""
    found: dict[object, list[Population]] = {}
    for population in network.populations:
        inputs = [(p.source, p.delay, id(p.map)) for p in network.incoming(population)]
        found.setdefault((*inputs,) or population.name, []).append(population)
    return [tuple(group) for group in found.values()]


def merged(network: Network) -> Network:
    """Return the network without copies: each population stands for all of its group.

    Its rates are the same, and take a quarter of the time where there are two copies of each.
    """
    first = {p.name: (group[0].name, len(group)) for group in groups(network) for p in group}
    projections = []
    for projection in network.projections:
        source, copies = first[projection.source]
        if (source, first[projection.target][0]) != (projection.source, projection.target):
            continue
        ones = (1,) * len(projection.map.out_shape)
        whole = then(projection.map, Scale(np.full(ones, copies, np.float32)))
        projections.append(projection if copies == 1 else replace(projection, map=whole))
    populations = tuple(p for p in network.populations if first[p.name][0] == p.name)
    return replace(network, populations=populations, projections=tuple(projections))


def affordable(network: Network, copies: int) -> int:
    """Return how many of the first layers get copies, by MOST_ADDED and MOST_LAYERS; at least 1."""
    most, added = MOST_ADDED * neurons(network), 0
    layers = min(network.depth, MOST_LAYERS)
    for depth in range(layers):
        added += (copies - 1) * sum(p.size for p in network.spiking if p.depth == depth)
        if added > most:
            return max(depth, 1)
    return layers


def multiplied(network: Network, copies: int, layers: int | None = None) -> Network:
    """Return the network with `copies` populations for each one of a depth below `layers`.

    layers: None for `affordable`.
    """
    if layers is None:
        layers = affordable(network, copies)
    if copies == 1 or layers == 0:
        return network
    taken = {population.name for population in network.populations}
    populations: dict[str, tuple[Population, ...]] = {}
    for population in network.populations:
        early = population.kind == "spiking" and population.depth < layers
        populations[population.name] = tuple(
            _copy(network, population, taken, j, copies if early else 1)
            for j in range(copies if early else 1)
        )
    projections = []
    for projection in network.projections:
        sources_of, targets = populations[projection.source], populations[projection.target]
        share = _shared(projection, len(sources_of))
        projections += [
            replace(share, source=source.name, target=target.name)
            for target in targets
            for source in sources_of
        ]
    everyone = (population for group in populations.values() for population in group)
    return replace(network, populations=tuple(everyone), projections=tuple(projections))


def _copy(
    network: Network, population: Population, taken: set[str], j: int, copies: int
) -> Population:
    if copies == 1:
        return population
    name, number = population.name, j + 1
    while j and name in taken:
        name, number = f"{population.name} copy {number}", number + 1
    taken.add(name)
    half = np.float32(2.0 ** -(network.bits + 1))
    v_init = on_grid((j + population.v_init - half) / copies, network.bits) + half
    return replace(population, name=name, v_init=np.asarray(v_init, np.float32))


def _shared(projection: Projection, copies: int) -> Projection:
    if copies == 1:
        return projection
    ones = (1,) * len(projection.map.out_shape)
    share: Floats = np.full(ones, 1 / copies, np.float32)
    return replace(projection, map=then(projection.map, Scale(share)))
