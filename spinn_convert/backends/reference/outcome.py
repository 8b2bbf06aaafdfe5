"""The result of one image, and how results of many become a recording's arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinn_convert.backends.reference.program import Program, channels_last
from spinn_convert.network.rate import columns
from spinn_convert.network.recording import Settings
from spinn_convert.network.records import Network


@dataclass(frozen=True, eq=False)
class ImageOutcome:
    """Result of one image, neurons in (C, H, W) order.

    counts: spikes per population (P,). events: synaptic events. readout: potentials after each
    step that is kept, in thresholds, (T, neurons of all readouts). spikes: rows (step, neuron) by
    recorded population. taken: steps. events_by_step: of each population (P, T), if counted.
    """

    counts: NDArray[np.int64]
    events: int
    readout: NDArray[np.float32]
    spikes: dict[str, NDArray[np.int32]]
    taken: int
    events_by_step: NDArray[np.int64] | None = None


def first_of(sizes: list[int]) -> NDArray[np.int64]:
    """Return where each of several arrays begins when they stand one after another."""
    return np.cumsum([0, *sizes[:-1]])


def spike_rows(
    program: Program,
    name: str,
    spikes: NDArray[np.int32],
    begins: NDArray[np.int64],
    ends: NDArray[np.int64],
) -> NDArray[np.int32]:
    """Return rows (step, neuron) of one population, neurons in (C, H, W) order."""
    order = channels_last(program.shapes[program.names.index(name)]).astype(np.int32)
    counts = ends - begins
    step = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    which = np.repeat(begins - np.cumsum(counts) + counts, counts) + np.arange(len(step))
    return np.stack([step, order[spikes[which]]], axis=1)


def room_for_readouts(
    network: Network, images: int, settings: Settings
) -> dict[str, NDArray[np.float32]]:
    """Return empty arrays (B, T, *shape) for the potentials of the readouts that are kept."""
    steps = settings.steps if settings.sampled is None else len(settings.sampled)
    return {p.name: np.empty((images, steps, *p.shape), np.float32) for p in network.readouts}


def fill_readouts(
    readouts: Mapping[str, NDArray[np.float32]],
    network: Network,
    image: int,
    result: ImageOutcome,
) -> None:
    """Write one image's potentials into the arrays, in the units of the outputs."""
    sizes = [p.size for p in network.readouts]
    for population, begin in zip(network.readouts, first_of(sizes)):
        values = result.readout[:, begin : begin + population.size]
        shaped = values.reshape(len(values), *population.shape)
        readouts[population.name][image] = shaped * columns(population)


def sorted_spikes(name: str, results: list[ImageOutcome]) -> NDArray[np.int32]:
    """Return rows (image, step, neuron), sorted: each as one number, which is sorted faster."""
    rows = [result.spikes[name].astype(np.int64) for result in results]
    size = 1 + max((int(found[:, 1].max(initial=0)) for found in rows), default=0)
    steps = 1 + max((int(found[:, 0].max(initial=0)) for found in rows), default=0)
    keys = [
        np.sort((image * steps + found[:, 0]) * size + found[:, 1])
        for image, found in enumerate(rows)
    ]
    before, neuron = np.divmod(np.concatenate(keys), size)
    return np.stack([*np.divmod(before, steps), neuron], axis=1).astype(np.int32)
