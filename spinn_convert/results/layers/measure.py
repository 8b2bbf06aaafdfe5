"""The rates of every layer beside the ANN's activations, on a few images.

The ANN's activations are the rates of the network without spikes and without clipping, which
`conversion.verify` has compared with onnxruntime's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from spinn_convert.linear.ops import Floats
from spinn_convert.linear.threads import torch_threads
from spinn_convert.network import rate, readout
from spinn_convert.network.copies import groups, merged
from spinn_convert.network.recording import Recording
from spinn_convert.network.records import Network, Population, out_degrees
from spinn_convert.network.timing import needed_steps

SATURATED = 0.98
"""Spikes per step from which a neuron cannot say much more."""
SAMPLED = 200
"""Pairs of activation and rate that are kept of every layer, to be drawn."""


@dataclass(frozen=True, eq=False)
class Layer:
    """A spiking population, with its copies, on B images.

    neurons: of all copies. error: of the rates, as a share of the ANN's activations (root mean
    squares); clipping: the same of the ANN clipped at one spike per step everywhere. clipped: share
    of the ANN's activations that are larger than the scale. activation, largest: their mean and
    maximum, in scales; active: share of the neurons with one above zero on any image. rate: spikes
    per neuron and step. silent: share of the neurons without a spike on any image, of those that
    are active in the ANN. saturated: share of rates of SATURATED or more. spikes, events: per image
    in all steps; an event is a spike delivered to one synapse. pairs: (n, 2), some activations in
    scales, and the rates that stand for them.
    """

    name: str
    neurons: int
    error: float
    clipping: float
    clipped: float
    activation: float
    largest: float
    active: float
    rate: float
    silent: float
    saturated: float
    spikes: float
    events: float
    pairs: Floats


@dataclass(frozen=True, eq=False)
class Study:
    """Layers in topological order; rates: spikes per step of each, (B, *shape), by name."""

    layers: tuple[Layer, ...]
    rates: Mapping[str, Floats]


def study(
    network: Network, values: Floats, recording: Recording, read_out: str, threads: int
) -> Study:
    """Compare the recorded spikes of all spiking populations with the ANN's activations.

    values: input (B, *input shape) of the images that were recorded. read_out: from which step on
    spikes are counted, as the output is read.
    """
    rates = spiking_rates(network, recording, read_out)
    with torch_threads(threads):
        ann, clipped = (_all(network, values, clip) for clip in (False, True))
    degrees = out_degrees(network)
    layers = [
        _layer(
            group,
            rates[group[0].name],
            ann[group[0].name],
            clipped[group[0].name],
            [_cost(recording, p, degrees[p.name]) for p in group],
        )
        for group in spiking_groups(network)
    ]
    return Study(tuple(layers), rates)


def spiking_groups(network: Network) -> list[tuple[Population, ...]]:
    """Return every spiking population with its copies, in topological order."""
    return [group for group in groups(network) if group[0].kind == "spiking"]


def spiking_rates(network: Network, recording: Recording, read_out: str) -> dict[str, Floats]:
    """Return the spikes per step of each layer (B, *shape), averaged over its copies.

    They are counted over the steps in which the output would be read if it were this layer; a layer
    whose spikes reach no output in time has none.
    """
    images, steps = len(recording.synaptic_events), recording.settings.steps
    needed = needed_steps(network, steps)
    found = {}
    for group in spiking_groups(network):
        first = group[0]
        end = needed[first.name]
        begin = max([first.release, *readout.starts(read_out, first.release, end)[-1:].tolist()])
        counts = np.zeros(images * first.size, np.int64)
        for population in group:
            image, step, neuron = recording.spikes[population.name].astype(np.int64).T
            some = (begin <= step) & (step < end)
            counts += np.bincount((image * first.size + neuron)[some], minlength=len(counts))
        rates = counts / max(end - begin, 1) / len(group)
        found[first.name] = rates.astype(np.float32).reshape(images, *first.shape)
    return found


def _all(network: Network, values: Floats, clip: bool) -> dict[str, Floats]:
    """Return the rates of all layers without spikes, (B, *shape), in scales."""
    plain = merged(network)
    chunks = list(rate.rates(plain, values, clip))
    return {
        p.name: np.concatenate([chunk[p.name] / rate.columns(p) for chunk in chunks])
        for p in plain.spiking
    }


def _cost(
    recording: Recording, population: Population, degrees: NDArray[np.int64]
) -> tuple[float, float]:
    """Return spikes and synaptic events per image; degrees: synapses of each neuron."""
    neuron, images = recording.spikes[population.name][:, 2], len(recording.synaptic_events)
    return len(neuron) / images, float(degrees.ravel()[neuron].sum()) / images


def _layer(
    group: tuple[Population, ...],
    snn: Floats,
    ann: Floats,
    clipped: Floats,
    costs: list[tuple[float, float]],
) -> Layer:
    active, fired = (ann > 0).any(0), (snn > 0).any(0)
    return Layer(
        name=group[0].name,
        neurons=sum(p.size for p in group),
        error=_beside(snn - ann, ann),
        clipping=_beside(clipped - ann, ann),
        clipped=float((ann > 1).mean()),
        activation=float(ann.mean()),
        largest=float(ann.max()),
        active=float(active.mean()),
        rate=float(snn.mean()),
        silent=float((active & ~fired).sum() / max(active.sum(), 1)),
        saturated=float((snn >= SATURATED).mean()),
        spikes=sum(spikes for spikes, _ in costs),
        events=sum(events for _, events in costs),
        pairs=_some_pairs(ann.ravel(), snn.ravel()),
    )


def _beside(error: Floats, values: Floats) -> float:
    """Return the root mean square of an error over that of the values; 1 where these are all 0."""
    wrong, right = (float(np.square(x, dtype=np.float64).mean()) for x in (error, values))
    return sqrt(wrong / right) if right else float(wrong > 0)


def _some_pairs(ann: Floats, snn: Floats) -> Floats:
    """Return pairs (n, 2) that are not both zero, the same ones every time."""
    where = np.flatnonzero((ann > 0) | (snn > 0))
    if len(where) > SAMPLED:
        where = np.random.default_rng(0).choice(where, SAMPLED, replace=False)
    return np.stack([ann[where], snn[where]], 1)
