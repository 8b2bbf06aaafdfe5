"""Whether a network fits into the memory that NEST has, on one rank or on many."""

from __future__ import annotations

import resource
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
import psutil

from spinn_convert.errors import Problem
from spinn_convert.network.recording import Settings
from spinn_convert.network.records import Network, neurons, synapse_counts

COMPACT_NEURONS = 65_000
"""Neurons per thread of a rank that the 16-bit target index of NEST's static_synapse_hpc can
address, less some for the devices that measure."""
MOST_THREADS = 2
"""NEST gets up to so many times the allowed threads where each then has so few neurons."""
BYTES_PER_COMPACT_SYNAPSE, BYTES_PER_SYNAPSE = 30, 45
BYTES_PER_NEURON = 3_400
BYTES_PER_RECORDED_NEURON = 35_000
"""Memory of NEST and PyNN at its peak, measured; a spike recorder takes most of the last."""
BYTES_PER_FOREIGN_NEURON = 40
"""What every rank keeps of every neuron, whichever rank has it."""


@dataclass(frozen=True)
class Place:
    """Where a rank is. machine: its name. processes: of which NEST knows. free: bytes on it.

    limit: bytes that this process may still take (`ulimit -v`); None where it is not limited.
    """

    machine: str
    processes: int
    free: int
    limit: int | None


def threads_of(network: Network, threads: int, ranks: int) -> int:
    """Return how many threads each rank gets: more than allowed, if that makes synapses compact."""
    needed = ceil((neurons(network) + 1) / ranks / COMPACT_NEURONS)
    return needed if threads < needed <= MOST_THREADS * threads else threads


def is_compact(network: Network, threads: int, ranks: int) -> bool:
    """Return whether NEST's synapse of 16 bytes reaches all neurons of each of so many threads."""
    return neurons(network) // (threads * ranks) + 1 < COMPACT_NEURONS


def room(processes: int) -> Place:
    """Return what there is for this process; processes: of which NEST knows."""
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    limit = None
    if most != resource.RLIM_INFINITY:
        limit = max(0, most - psutil.Process().memory_info().vms)
    return Place(socket.gethostname(), processes, psutil.virtual_memory().available, limit)


def fits(network: Network, settings: Settings, places: Sequence[Place]) -> list[Problem]:
    """Return a problem if the memory of a rank is too little, with the number that would do."""
    recorded = sum(p.size for p in network.spiking if p.name in settings.record)
    connected, cells = sum(synapse_counts(network).values()), neurons(network)
    threads = threads_of(network, settings.threads, len(places))
    compact = is_compact(network, threads, len(places))
    each = BYTES_PER_COMPACT_SYNAPSE if compact else BYTES_PER_SYNAPSE
    parts = {
        f"{connected:,} synapses": each * connected,
        f"{cells:,} neurons": BYTES_PER_NEURON * cells,
        f"{recorded:,} recorded neurons": BYTES_PER_RECORDED_NEURON * recorded,
    }
    shared, kept = sum(parts.values()), BYTES_PER_FOREIGN_NEURON * cells
    needed = shared / len(places) + kept
    least = min(_free(place, places) for place in places)
    if needed <= least:
        return []
    listed = ", ".join(f"{bytes_ / 1e9:.1f} GB for {what}" for what, bytes_ in parts.items())
    where, free = f" on each of {len(places)} ranks", "are free"
    what = f"needs about {needed / 1e9:.1f} GB{where if len(places) > 1 else ''}"
    if any(place.limit is not None for place in places):
        free = "are free and allowed (`ulimit -v`)"
    what = f"{what}, of {listed}; {least / 1e9:.1f} GB {free}"
    return [Problem("nest", what, _remedy(shared, kept, least, places))]


def _free(place: Place, places: Sequence[Place]) -> float:
    """Return the bytes that a rank may take: ranks on one machine share what is free there."""
    ranks = sum(other.machine == place.machine for other in places)
    return min(place.free / ranks, np.inf if place.limit is None else place.limit)


def _remedy(shared: float, kept: float, least: float, places: Sequence[Place]) -> str:
    """Return what to do; shared: bytes in all; kept: on every rank besides; least: free there."""
    if least <= kept:
        return "use --backend reference, or machines with more memory"
    enough = ceil(shared / (least - kept))
    machines = {place.machine: place.free for place in places}
    here = shared + enough * kept <= sum(machines.values())
    where = "here" if here else "with as much memory each, on more machines"
    return (
        f"use --backend reference, or start {enough} ranks {where}:"
        f" mpirun -n {enough} spinn-convert ...; see docs/scaling.md"
    )
