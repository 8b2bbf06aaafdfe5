"""The event-driven simulator of one image, compiled by numba.

The network has no cycles, so each population runs through all time steps at once, with its weights
and potentials in the cache; only spikes cost work. Runs without the GIL: one thread per image.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from spinn_convert.backends.program import Int32, Int64

Arrays = Any
"""numba compiles what it is given; annotations of compiled functions are for the reader."""


@numba.njit(nogil=True, cache=True)
def _scatter(v: Int32, at: int, weights: Int32, first: int, count: int) -> None:
    target, source = v[at : at + count], weights[first : first + count]
    for i in range(count):
        target[i] += source[i]


@numba.njit(nogil=True, cache=True)
def _conv_spike(
    v: Int32, weights: Int32, projection: Int64, source: Int64, target: Int64, neuron: int
) -> None:
    """Add the weights of one spike to all its targets, one run of columns at a time."""
    channels, width = np.uint32(source[8]), np.uint32(source[7])
    pixel = np.uint32(neuron) // channels
    channel = np.int64(np.uint32(neuron) - pixel * channels)
    row = np.int64(pixel // width)
    column = np.int64(pixel) - row * np.int64(width)
    kernel_y, kernel_x, stride_y, stride_x = projection[5], projection[6], projection[7], projection[8]
    y, x = row + projection[9], column + projection[10]
    phase = x % stride_x
    taps = (kernel_x - phase + stride_x - 1) // stride_x
    if taps <= 0:
        return
    skipped = 0
    for other in range(phase):
        skipped += (kernel_x - other + stride_x - 1) // stride_x
    left = (x - phase) // stride_x - taps + 1
    begin, end = max(0, -left), min(taps, target[7] - left)
    if begin >= end:
        return
    depth = target[8]
    for ky in range(y % stride_y, kernel_y, stride_y):
        out_row = (y - ky) // stride_y
        if 0 <= out_row < target[6]:
            at = (out_row * target[7] + left + begin) * depth
            first = ((channel * kernel_y + ky) * kernel_x + skipped + begin) * depth
            _scatter(v, at, weights, projection[3] + first, (end - begin) * depth)


@numba.njit(nogil=True, cache=True)
def _fire(v: Int32, bias: Int32, one: int, spikes: Int32, count: int) -> int:
    """Add the bias; write the neurons that reach the threshold to `spikes`; subtract it."""
    for i in range(v.size):
        potential = v[i] + bias[i]
        fired = potential >= one
        v[i] = potential - one * fired
        spikes[count] = i
        count += fired
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
        begins[p, 0] = count
        for t in range(steps):
            if t >= target[3]:
                for q in range(target[4], target[5]):
                    projection = projections[q]
                    source, sent = projection[0], t - projection[1]
                    if sent < 0:
                        continue
                    for s in range(begins[source, sent], begins[source, sent + 1]):
                        if projection[2]:
                            _conv_spike(v, weights, projection, populations[source], target, spikes[s])
                        else:
                            row = projection[4] + spikes[s]
                            for k in range(rows[row], rows[row + 1]):
                                v[posts[k]] += weights[k]
                if target[2]:
                    if count + size + 1 > spikes.size:
                        grown = np.empty(2 * (count + size + 1), np.int32)
                        grown[:count] = spikes[:count]
                        spikes = grown
                    count = _fire(v, current, one, spikes, count)
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
