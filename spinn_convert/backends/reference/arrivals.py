"""Add the weights of all spikes that reach a population in one step, compiled by numba.

Indices are unsigned: numba would test signed ones for being negative, which keeps loops from
becoming vector instructions.
"""

from __future__ import annotations

import numba
import numpy as np

from spinn_convert.backends.reference.program import FEW, SHARED, Int32, Int64, Wiring
from spinn_convert.backends.reference.vector import (
    VECTOR_BYTES,
    add_half_vector,
    add_three_vectors,
    add_vector,
)

ONE, THREE = np.uint64(1), np.uint64(3)


@numba.njit(nogil=True, cache=True)
def _shared_spikes(
    v: Int32, projection: Int64, channels: int, spikes: Int32, wiring: Wiring
) -> None:
    """Add shared weights of all spikes to `v`, a run of neighbouring targets at a time."""
    weights, runs, rows = wiring.weights, wiring.runs, wiring.rows
    first, width, stride = np.uint64(projection[3]), np.uint32(channels), np.uint64(projection[5])
    first_row, lanes = np.uint64(projection[4]), np.uint64(VECTOR_BYTES // v.itemsize)
    three, half = THREE * lanes, lanes >> ONE
    for s in range(np.uint64(spikes.size)):
        neuron = np.uint32(spikes[s])
        place = neuron // width
        begin = first + np.uint64(neuron - place * width) * stride
        row = first_row + np.uint64(place)
        for r in range(np.uint64(rows[row]), np.uint64(rows[row + ONE])):
            at, start = np.uint64(runs[r, 0]), begin + np.uint64(runs[r, 1])
            length = np.uint64(runs[r, 2])
            while length >= three:
                add_three_vectors(v, at, weights, start)
                at, start, length = at + three, start + three, length - three
            while length >= lanes:
                add_vector(v, at, weights, start)
                at, start, length = at + lanes, start + lanes, length - lanes
            if length >= half:
                add_half_vector(v, at, weights, start)
                at, start, length = at + half, start + half, length - half
            for i in range(length):
                v[at + i] += weights[start + i]


@numba.njit(nogil=True, cache=True)
def _few_spikes(v: Int32, projection: Int64, spikes: Int32, wiring: Wiring) -> None:
    """Add the weights of all spikes, of which each has the same small number of synapses."""
    listed, posts = wiring.listed, wiring.posts
    first, degree = np.uint64(projection[3]), np.uint64(projection[5])
    for s in range(np.uint64(spikes.size)):
        at = first + np.uint64(np.uint32(spikes[s])) * degree
        for k in range(degree):
            v[np.uint64(posts[at + k])] += listed[at + k]


@numba.njit(nogil=True, cache=True)
def _list_spikes(v: Int32, projection: Int64, spikes: Int32, wiring: Wiring) -> None:
    """Add the weights of all spikes, from a list of every source's synapses."""
    listed, posts, rows = wiring.listed, wiring.posts, wiring.rows
    first = np.uint64(projection[4])
    for s in range(np.uint64(spikes.size)):
        row = first + np.uint64(np.uint32(spikes[s]))
        for k in range(np.uint64(rows[row]), np.uint64(rows[row + ONE])):
            v[np.uint64(posts[k])] += listed[k]


@numba.njit(nogil=True, cache=True)
def receive_spikes(
    v: Int32,
    step: int,
    target: Int64,
    wiring: Wiring,
    spikes: Int32,
    begins: Int64,
    ends: Int64,
) -> None:
    """Add to `v` all that arrives at a population in one step.

    Population p has spiked in step t as spikes[begins[p, t] : ends[p, t]] says.
    """
    for q in range(target[4], target[5]):
        projection = wiring.projections[q]
        source, sent = projection[0], step - projection[1]
        if sent < 0:
            continue
        arriving = spikes[begins[source, sent] : ends[source, sent]]
        if projection[2] == SHARED:
            _shared_spikes(v, projection, wiring.populations[source][6], arriving, wiring)
        elif projection[2] == FEW:
            _few_spikes(v, projection, arriving, wiring)
        else:
            _list_spikes(v, projection, arriving, wiring)
