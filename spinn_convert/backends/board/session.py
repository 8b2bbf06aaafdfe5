"""Presenting images to a simulator of one image, several at a time; collecting what it found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spinn_convert.backends.reference.backend import ImageOutcome, readouts_in_units, sorted_spikes
from spinn_convert.backends.reference.ordered import in_order
from spinn_convert.backends.reference.program import Int64
from spinn_convert.linear.ops import Floats
from spinn_convert.network.rate import CHUNK, input_currents
from spinn_convert.network.recording import Progress, Settings, Stimulus
from spinn_convert.network.records import Network


@dataclass(frozen=True, eq=False)
class ImageResult:
    """What one image left behind.

    peaks: (P, 2) by population and receptor, LSBs. saturated: (P,), entries of ring buffers.
    clipped: neurons by driven population. overshoot: (2, N), where it is measured, by neuron,
    channels last: sum of V - v_thresh over its spikes, raw, and their number.
    """

    result: ImageOutcome
    peaks: Int64
    saturated: Int64
    clipped: Mapping[str, int]
    overshoot: Int64


Simulate = Callable[[Mapping[str, Floats]], ImageResult]
"""Simulates one image, given the currents of `rate.input_currents` for it."""


def present(
    network: Network, stimulus: Stimulus, settings: Settings, progress: Progress, simulate: Simulate
) -> list[ImageResult]:
    """Return the results in the order of the images."""
    images = []
    for image in in_order(_currents(network, stimulus), settings.threads, simulate):
        images.append(image)
        progress(len(images), len(stimulus.values))
    return images


def _currents(network: Network, stimulus: Stimulus) -> Iterator[list[dict[str, Floats]]]:
    """Yield the currents of each image, for a few images at a time."""
    for start in range(0, len(stimulus.values), CHUNK):
        values = stimulus.values[start : start + CHUNK]
        currents = input_currents(network, values)
        yield [
            {name: current[image] for name, current in currents.items()}
            for image in range(len(values))
        ]


def recorded(
    network: Network, names: Sequence[str], settings: Settings, results: Sequence[ImageOutcome]
) -> dict[str, Any]:
    """Return the fields of a Recording that hold results; `names` of all populations, in order."""
    counts = np.array([result.counts for result in results], np.int64)
    return {
        "settings": settings,
        "spike_counts": {p.name: counts[:, names.index(p.name)] for p in network.spiking},
        "synaptic_events": np.array([result.events for result in results], np.int64),
        "readout": readouts_in_units(network, list(results)),
        "spikes": {name: sorted_spikes(name, list(results)) for name in settings.record},
    }
