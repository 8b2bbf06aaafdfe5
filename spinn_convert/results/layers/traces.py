"""Spikes and membrane potentials of a few neurons of every layer, for one image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinn_convert.linear.maps import LinearMap, apply, on_grid
from spinn_convert.linear.ops import Floats
from spinn_convert.network.rate import input_currents
from spinn_convert.network.recording import Recording
from spinn_convert.network.records import Network, Population
from spinn_convert.results.layers.measure import spiking_groups

RASTERED, TRACED = 40, 3
"""Neurons of a layer whose spikes, and whose potentials, are shown."""


@dataclass(frozen=True, eq=False)
class Trace:
    """Some neurons of one layer, without its copies.

    neurons: their numbers (n,). spikes: rows (step, place in `neurons`) of all spikes. potentials:
    after each step, in thresholds, of the first few neurons (k, T); none of a board's integers.
    """

    name: str
    neurons: NDArray[np.int64]
    spikes: NDArray[np.int64]
    potentials: Floats


def traces(
    network: Network, values: Floats, recording: Recording, image: int = 0
) -> tuple[Trace, ...]:
    """Return neurons that fire for an image, drawn at random, of every layer.

    values: input (B, *input shape). recording: of these images, with the spikes of all populations.
    """
    exact = recording.backend == "reference"
    analog = input_currents(network, values[image : image + 1]) if exact else {}
    rng, found = np.random.default_rng(0), []
    for population, *_ in spiking_groups(network):
        fired = _spikes(recording, population.name, image)
        active = np.unique(fired[:, 1])
        chosen = np.sort(rng.choice(active, min(RASTERED, len(active)), replace=False))
        place = np.searchsorted(chosen, fired[:, 1])
        known = np.isin(fired[:, 1], chosen)
        spikes = np.stack([fired[known, 0], place[known]], 1)
        traced = chosen[:TRACED] if exact else chosen[:0]
        current = analog.get(population.name)
        potentials = [
            _potential(network, recording, population, current, int(neuron), image)
            for neuron in traced
        ]
        shape = len(traced), recording.settings.steps
        stacked = np.array(potentials, np.float32).reshape(shape)
        found.append(Trace(population.name, chosen, spikes, stacked))
    return tuple(found)


def _spikes(recording: Recording, name: str, image: int) -> NDArray[np.int64]:
    """Return rows (step, neuron) of one image."""
    rows = recording.spikes[name]
    begin, end = np.searchsorted(rows[:, 0], (image, image + 1))
    return rows[begin:end, 1:].astype(np.int64)


def _potential(
    network: Network,
    recording: Recording,
    population: Population,
    current: Floats | None,
    neuron: int,
    image: int,
) -> Floats:
    """Return the potential of one neuron after every step (T,), from the spikes that it gets.

    current: into the population from the image, bias included, (1, *shape); None for its bias.
    """
    steps = recording.settings.steps
    given = population.bias if current is None else current[0]
    arriving = np.full(steps, _of(given, population, neuron), np.float64)
    for projection in network.incoming(population):
        if projection.source == network.input.name:
            continue
        weights = on_grid(weights_onto(projection.map, neuron), network.bits)
        step, source = _spikes(recording, projection.source, image).T
        at, some = step + projection.delay, step + projection.delay < steps
        arriving += np.bincount(at[some], weights.ravel()[source[some]], steps)
    own = _spikes(recording, population.name, image)
    fires = np.bincount(own[own[:, 1] == neuron, 0], minlength=steps)
    v, found = _of(population.v_init, population, neuron), np.empty(steps, np.float32)
    reset = population.v_reset
    for t in range(steps):
        v += arriving[t] if t >= population.release else 0
        if fires[t]:
            v = v - 1 if reset is None else _of(reset, population, neuron)
        found[t] = v
    return found


def weights_onto(linear: LinearMap, neuron: int) -> Floats:
    """Return the weights of all synapses onto one neuron, in the shape of the source.

    They are the derivative of this neuron's input by the source's rates.
    """
    import torch

    source = torch.zeros(1, *linear.in_shape, requires_grad=True)
    (found,) = torch.autograd.grad(apply(linear, source).flatten()[neuron], source)
    return np.asarray(found[0].numpy(), np.float32)


def _of(values: Floats, population: Population, neuron: int) -> float:
    return float(np.broadcast_to(values, population.shape).ravel()[neuron])
