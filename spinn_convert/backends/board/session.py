"""Present many images to a simulator of one image, in several threads; collect the results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spinn_convert.backends.reference.ordered import in_order
from spinn_convert.backends.reference.outcome import (
    ImageOutcome,
    fill_readouts,
    room_for_readouts,
    sorted_spikes,
)
from spinn_convert.backends.reference.program import Int64
from spinn_convert.backends.reference.split import over_ranks
from spinn_convert.linear.ops import Floats
from spinn_convert.network.rate import CHUNK, input_currents
from spinn_convert.network.recording import Progress, Settings, Stimulus
from spinn_convert.network.records import Network


@dataclass(frozen=True, eq=False)
class ImageResult:
    """Result of one image; P populations.

    peaks: (P, 2), largest sum in a ring buffer by receptor, LSBs. saturated: (P,), entries of ring
    buffers. clipped: neurons with clipped current, by population with input from the image.
    overshoot: (2, N), if it is measured: by neuron, channels last, the sum of V - v_thresh over its
    spikes, raw, and the number of these.
    """

    result: ImageOutcome
    peaks: Int64
    saturated: Int64
    clipped: Mapping[str, int]
    overshoot: Int64


Simulate = Callable[[Mapping[str, Floats]], ImageResult]
"""Simulates one image, given its currents (*shape) by population, of `rate.input_currents`."""


def present(
    network: Network, stimulus: Stimulus, settings: Settings, progress: Progress, simulate: Simulate
) -> list[ImageResult]:
    """Return the results in the order of the images, which ranks share.

    simulate: can be pickled, to be sent to them.
    """
    given = (network, settings.threads, simulate)
    return list(over_ranks(_results, *given, values=stimulus.values, progress=progress))


def _results(
    network: Network, threads: int, simulate: Simulate, values: Floats
) -> Iterator[ImageResult]:
    return in_order(_currents(network, values), threads, simulate)


def _currents(network: Network, values: Floats) -> Iterator[list[dict[str, Floats]]]:
    """Yield the currents of each image, for a few images at a time."""
    for start in range(0, len(values), CHUNK):
        some = values[start : start + CHUNK]
        currents = input_currents(network, some)
        yield [
            {name: current[image] for name, current in currents.items()}
            for image in range(len(some))
        ]


def recorded(
    network: Network, names: Sequence[str], settings: Settings, results: Sequence[ImageOutcome]
) -> dict[str, Any]:
    """Return the fields of a Recording that hold results.

    names: of all populations, in the order of `ImageOutcome.counts`.
    """
    counts = np.array([result.counts for result in results], np.int64)
    readouts = room_for_readouts(network, len(results), settings)
    for image, result in enumerate(results):
        fill_readouts(readouts, network, image, result)
    return {
        "settings": settings,
        "spike_counts": {p.name: counts[:, names.index(p.name)] for p in network.spiking},
        "synaptic_events": np.array([result.events for result in results], np.int64),
        "readout": readouts,
        "spikes": {name: sorted_spikes(name, list(results)) for name in settings.record},
    }
