"""What an image would cost a SpiNNaker 1 board, beside the multiplications of the ANN.

Estimates from published figures (`network.energy`), without a board or a mapping, and no
comparison: how much energy a multiplication takes depends on the machine that the ANN runs on.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, prod
from typing import Any

import numpy as np

from spinn_convert.backends.spinnaker.dry_run.costs import (
    CLOCK_HZ,
    INSTRUCTIONS_PER_NEURON,
    INSTRUCTIONS_PER_PACKET,
)
from spinn_convert.linear.ops import Affine, Conv, Dense, linear_shape
from spinn_convert.model.graph import Graph
from spinn_convert.network import energy as published
from spinn_convert.network.recording import Recording
from spinn_convert.network.records import Network, neurons

NEURONS_PER_CORE, CORES_PER_BOARD = 256, 48 * 16
"""Of sPyNNaker's static neurons; of a SpiNN-5's 48 chips of 18 cores, two manage the chip."""
STEP_MS = 1.0
"""Duration of a time step where a board keeps up with real time, ms."""


def as_json(network: Network, recording: Recording, graph: Graph) -> dict[str, Any]:
    """Return the part "energy" of report.json: joules, milliseconds and multiplications, per image.

    graph: of the model that the network was made from. On the backend spinnaker, the slowdown is
    that of its configuration file; elsewhere it is estimated.
    """
    known = recording.details.get("time scale factor")
    best, worst = (known, known) if known else slowdown(network, recording)
    at_best, found = (_energy(network, recording, factor) for factor in (best, worst))
    steps_ms = float(recording.taken.mean()) * STEP_MS
    return {
        "snn_joules_per_image": found.total,
        "snn_of_which_idle": found.idle,
        "snn_of_which_neurons": found.neurons,
        "snn_of_which_spikes": found.spikes,
        "snn_of_which_events": found.events,
        "snn_latency_ms": steps_ms * worst,
        "snn_joules_per_image_at_best": at_best.total,
        "snn_latency_ms_at_best": steps_ms * best,
        "ann_macs_per_image": macs(graph),
        "assumptions": [*_assumptions(boards_for(network), best, worst, bool(known))],
    }


def _energy(network: Network, recording: Recording, factor: int) -> published.Energy:
    """Return the energy of an image on a board that runs so many times slower than real time."""
    steps = float(recording.taken.mean())
    spikes = sum(float(counts.mean()) for counts in recording.spike_counts.values())
    events = float(recording.synaptic_events.mean())
    if network.reset == "subtract" and not recording.details.get("time scale factor"):
        events += spikes  # a board subtracts by a synapse of every neuron onto itself
    seconds = steps * factor * STEP_MS / 1e3
    of_neurons = neurons(network) * steps
    return published.of_image(boards_for(network), seconds, of_neurons, spikes, events)


def macs(graph: Graph) -> int:
    """Return the multiplications with weights that the ANN does for an image, padding included.

    Without poolings, and without what runs before and after the part that becomes spikes.
    """
    shapes = {node.name: node.shape for node in graph.nodes}
    total = 0
    for node in graph.nodes:
        if isinstance(node.op, Affine):
            shape = shapes[node.inputs[0]]
            for op in node.op.ops:
                shape = linear_shape(op, shape)
                if isinstance(op, Conv | Dense) and not _is_mean(op):
                    total += prod(shape) * prod(op.weight.shape[1:])
    return total


def _is_mean(op: Conv | Dense) -> bool:
    return isinstance(op, Conv) and op.weight.shape[1] == 1 and not np.ptp(op.weight)


def boards_for(network: Network) -> int:
    """Return the least number of boards that have cores for all neurons; memory may need more."""
    cores = sum(ceil(p.size / NEURONS_PER_CORE) for p in network.populations if p.kind != "input")
    return ceil(cores / CORES_PER_BOARD)


def slowdown(network: Network, recording: Recording) -> tuple[int, int]:
    """Return two estimates of how many times slower than real time the busiest core keeps up.

    As if every core received all spikes of the layers before it, and its own. The first is for
    spikes with few synapses on a core, the second for spikes with many.
    """
    steps = float(recording.taken.mean())
    sent = {name: float(counts.mean()) / steps for name, counts in recording.spike_counts.items()}
    packets = {
        p.name: sum(sent.get(s, 0) for s in {q.source for q in network.incoming(p)} | {p.name})
        for p in network.populations
    }
    best, worst = (
        max(
            min(p.size, NEURONS_PER_CORE) * INSTRUCTIONS_PER_NEURON + cost * packets[p.name]
            for p in (*network.spiking, *network.readouts)
        )
        for cost in INSTRUCTIONS_PER_PACKET
    )
    per_step = CLOCK_HZ * STEP_MS / 1e3
    return max(1, ceil(best / per_step)), max(1, ceil(worst / per_step))


def _assumptions(boards: int, best: int, worst: int, told: bool) -> Iterator[dict[str, Any]]:
    """Yield every number that the estimate takes from somewhere else."""
    measured, counted = published.SOURCE, "instructions per spike, counted in sPyNNaker's binary"
    file = "configuration file" if told else ""
    few, many = (f"estimate: {number:,} {counted}" for number in INSTRUCTIONS_PER_PACKET)
    full = f"estimate, at best: {NEURONS_PER_CORE} neurons per core, {CORES_PER_BOARD} cores"
    for name, value, unit, source in (
        ("idle board of 48 chips", published.IDLE_WATTS_PER_BOARD, "W", measured),
        ("update of a neuron", published.JOULES_PER_NEURON_STEP, "J", measured),
        ("spike", published.JOULES_PER_SPIKE, "J", measured),
        ("synaptic event", published.JOULES_PER_EVENT, "J", measured),
        ("boards", boards, "", full),
        ("time step in real time", STEP_MS, "ms", "sPyNNaker's usual time step"),
        ("time scale factor at best", best, "", file or few),
        ("time scale factor", worst, "", file or many),
    ):
        yield {"name": name, "value": value, "unit": unit, "source": source}
