"""The event-driven simulator of one image, compiled by numba.

The network has no cycles, so each population runs through all time steps at once, with its weights
and potentials in the cache; only spikes cost work. Runs without the GIL: one thread per image.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from spinn_convert.backends.program import Int32, Int64

MASKS = np.arange(256)
BITS = (MASKS[:, None] >> np.arange(8) & 1).astype(bool)
POSITIONS = np.argsort(~BITS, axis=1, kind="stable").astype(np.int32)
"""For each mask of eight neurons, the positions of its bits, first of all those that are set."""
SET_BITS = BITS.sum(1).astype(np.int64)
GATHER_BITS = np.uint64(0x0102040810204080)
"""Multiplied with eight bytes of 0 or 1, brings them into the highest byte."""


@numba.njit(nogil=True, cache=True)
def _conv_spikes(
    v: Int32, weights: Int32, projection: Int64, channels: int, spikes: Int32, runs: Int32, rows: Int64
) -> None:
    """Add the weights of all spikes to their targets, a run of neighbouring columns at a time."""
    first, width, step = projection[3], np.uint32(channels), projection[5]
    for s in range(spikes.size):
        pixel = np.uint32(spikes[s]) // width
        channel = np.int64(np.uint32(spikes[s]) - pixel * width)
        row = projection[4] + np.int64(pixel)
        for r in range(rows[row], rows[row + 1]):
            size, begin = runs[r, 2], first + channel * step + runs[r, 1]
            target = v[runs[r, 0] : runs[r, 0] + size]
            source = weights[begin : begin + size]
            for i in range(size):
                target[i] += source[i]


@numba.njit(nogil=True, cache=True)
def _list_spikes(
    v: Int32, weights: Int32, projection: Int64, spikes: Int32, posts: Int32, rows: Int64
) -> None:
    """Add the weights of all spikes to their targets, listed one by one."""
    shift = projection[3]
    for s in range(spikes.size):
        row = projection[4] + spikes[s]
        for k in range(rows[row], rows[row + 1]):
            v[posts[k]] += weights[shift + k]


@numba.njit(nogil=True, cache=True)
def _fire(
    v: Int32, bias: Int32, one: int, fired: NDArray[np.uint8], spikes: Int32, count: int
) -> int:
    """Add the bias; append the neurons that reach the threshold to `spikes`; subtract it.

    Eight neurons at a time and without branches, which spikes would make unpredictable.
    """
    threshold, zero = np.int32(one), np.int32(0)
    for i in range(v.size):
        potential = v[i] + bias[i]
        above = potential >= threshold
        v[i] = potential - (threshold if above else zero)
        fired[i] = above
    words = fired.view(np.uint64)
    for w in range(words.size):
        mask = np.int64((words[w] * GATHER_BITS) >> np.uint64(56))
        for i in range(8):
            spikes[count + i] = np.int32(8 * w) + POSITIONS[mask, i]
        count += SET_BITS[mask]
    return count


@numba.njit(nogil=True, cache=True)
def simulate(
    populations: Int64,
    projections: Int64,
    bias: Int32,
    v_init: Int32,
    out_degree: Int64,
    weights: Int32,
    posts: Int32,
    runs: Int32,
    rows: Int64,
    one: int,
    steps: int,
) -> tuple[Int32, Int64, Int64, Int32, int]:
    """Simulate one image.

    Returns the spiking neurons of all populations and steps one after another, where each
    population's each step begins (P, steps + 1), synaptic events per population (P,), potentials of
    the readouts (steps, readout neurons), and the largest absolute final potential.
    """
    spikes = np.empty(1 << 16, np.int32)
    begins = np.zeros((len(populations), steps + 1), np.int64)
    events = np.zeros(len(populations), np.int64)
    readout_size = 0
    for population in populations:
        readout_size += population[1] * (1 - population[2])
    readout = np.zeros((steps, readout_size), np.int32)
    count, column, largest = 0, 0, 0
    for p in range(len(populations)):
        target = populations[p]
        offset, size = target[0], target[1]
        current = bias[offset : offset + size]
        v = v_init[offset : offset + size].copy()
        fired = np.zeros((size + 7) // 8 * 8, np.uint8)
        begins[p, 0] = count
        for t in range(steps):
            if t >= target[3]:
                for q in range(target[4], target[5]):
                    projection = projections[q]
                    source, sent = projection[0], t - projection[1]
                    if sent < 0:
                        continue
                    sent_spikes = spikes[begins[source, sent] : begins[source, sent + 1]]
                    if projection[2]:
                        channels = populations[source][8]
                        _conv_spikes(v, weights, projection, channels, sent_spikes, runs, rows)
                    else:
                        _list_spikes(v, weights, projection, sent_spikes, posts, rows)
                if target[2]:
                    if count + size + 8 > spikes.size:
                        grown = np.empty(2 * (count + size + 8), np.int32)
                        grown[:count] = spikes[:count]
                        spikes = grown
                    count = _fire(v, current, one, fired, spikes, count)
                else:
                    v += current
            if not target[2]:
                readout[t, column : column + size] = v
            begins[p, t + 1] = count
        if not target[2]:
            column += size
        for i in range(begins[p, 0], count):
            events[p] += out_degree[offset + spikes[i]]
        for i in range(size):
            largest = max(largest, abs(np.int64(v[i])))
    return spikes[:count], begins, events, readout, largest
