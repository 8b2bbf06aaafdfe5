"""How many images tuning looks at, so that large networks are tuned in minutes, too."""

from __future__ import annotations

from dataclasses import dataclass

from spinn_convert.network.records import Network, neurons, synapse_counts

CALIBRATED, JUDGED, SIMULATED, CORRECTED = 2000, 1000, 400, 100
"""Images at most, where no number is given."""
ACTIVATIONS = 2.5e8
"""Of all images that scales come from: 2,000 of the example. ReLU1 is judged on half as many."""
EVENTS = 3e11
"""Synaptic events of all simulated images: those of 400 images of the example."""
RATE = 0.1
"""Spikes per neuron and time step; the ResNets of the examples have 0.07 to 0.13."""
SHARE_FIRST, FINALISTS = 0.25, 3
"""Of the images, that all ways are simulated on; and how many ways on the others."""
LEAST = 16
EVENTS_PER_SECOND = 1.2e9
"""That one thread of the reference computes on an idle core; calibration takes as long again."""


@dataclass(frozen=True)
class Budget:
    """Numbers of images.

    calibrated: that scales come from. judged: that ReLU1 is judged on. first: that all ways are
    simulated on; simulated: that the best are. corrected: that initial potentials come from.
    seconds: what all of it takes on an idle machine, roughly.
    """

    calibrated: int
    judged: int
    first: int
    simulated: int
    corrected: int
    seconds: float


def budget(
    network: Network, images: int, steps: int, ways: int, threads: int, wanted: int | None
) -> Budget:
    """Return how many of the calibration images to look at, and how long that takes.

    network: a draft, for its size. images: how many there are. steps: of a simulation. ways: to
    simulate. wanted: how many images to simulate, if the user says so.
    """
    size, synapses = neurons(network), sum(synapse_counts(network).values())
    events = RATE * synapses * steps
    runs = ways * SHARE_FIRST + FINALISTS * (1 - SHARE_FIRST)
    affordable = max(LEAST, int(EVENTS / events / runs))
    simulated = min(wanted or min(SIMULATED, affordable), images // 2)
    corrected = min(CORRECTED, max(LEAST, affordable // 2))
    calibrated = min(images, CALIBRATED, max(LEAST, int(ACTIVATIONS / size)))
    judged = min(images, JUDGED, max(LEAST, int(ACTIVATIONS / 2 / size)))
    first = max(1, int(simulated * SHARE_FIRST))
    computed = events * (runs * simulated + ways * corrected)
    seconds = 2 * computed / (EVENTS_PER_SECOND * threads)
    return Budget(calibrated, judged, first, simulated, corrected, seconds)
