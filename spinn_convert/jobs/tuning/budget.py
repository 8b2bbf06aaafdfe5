"""How many images tuning looks at, so that large networks are tuned in minutes, too."""

from __future__ import annotations

from dataclasses import dataclass

from spinn_convert.jobs.tuning.records import Kind
from spinn_convert.network.records import Network, neurons, synapse_counts

CALIBRATED, JUDGED, SIMULATED, CORRECTED = 2000, 1000, 400, 100
"""Images at most, where no number is given."""
ACTIVATIONS = 2.5e8
"""Of all images that scales come from: 2,000 of the example. ReLU1 is judged on half as many."""
EVENTS = 3e11
"""Synaptic events of all simulated images: those of 400 images of the example."""
SHARE_FIRST, FINALISTS = 0.25, 3
"""Of the images, that all ways are simulated on; and how many ways on the others."""
LEAST = 16
EVENTS_PER_SECOND, CALIBRATED_PER_SECOND, PREPARED_PER_SECOND = 4e9, 1e10, 5e7
"""By one thread on an idle core: synaptic events of a simulation; synapses times images of a pass
of calibration; synapses converted, verified and compiled. Fitted to the example (77 s, said 107)
and to a ResNet-18 of 130 M synapses (161 s, said 147)."""
PASSES = 3
"""Over the images that scales come from."""


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
    kind: Kind,
    network: Network,
    images: int,
    scalings: int,
    ways: int,
    threads: int,
    wanted: int | None,
) -> Budget:
    """Return how many of the calibration images to look at, and how long that takes.

    network: a draft, for its size. images: how many there are. scalings: to judge. ways: to
    simulate. wanted: how many images to simulate, if the user says so.
    """
    size, synapses = neurons(network), sum(synapse_counts(network).values())
    steps = kind.steps(network.depth, 1)
    events = kind.rate * synapses * steps
    runs = ways * SHARE_FIRST + FINALISTS * (1 - SHARE_FIRST)
    affordable = max(LEAST, int(EVENTS / events / runs))
    simulated = min(wanted or min(SIMULATED, affordable), images // 2)
    corrected = min(CORRECTED, max(LEAST, affordable // 2), images - simulated)
    calibrated = min(images, CALIBRATED, max(LEAST, int(ACTIVATIONS / size)))
    judged = min(images, JUDGED, max(LEAST, int(ACTIVATIONS / 2 / size)))
    first = min(simulated, max(kind.first, int(simulated * SHARE_FIRST)))
    presented = ways * first + FINALISTS * (simulated - first)
    computed = events * (presented + ways * corrected)
    seconds = computed / EVENTS_PER_SECOND
    seconds += synapses * PASSES * calibrated / CALIBRATED_PER_SECOND
    seconds += synapses * scalings * judged / kind.products_per_second
    seconds = seconds / threads + (scalings + ways) * synapses / PREPARED_PER_SECOND
    seconds += presented * steps / kind.every / kind.scored_per_second
    return Budget(calibrated, judged, first, simulated, corrected, seconds)
