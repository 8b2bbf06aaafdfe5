"""The event-driven simulator of one image, compiled by numba.

The network has no cycles, so each population runs through all time steps at once, with its weights
and potentials in the cache; only spikes cost work. Runs without the GIL: one thread per image.

Potentials are 32-bit integers, which reach +-65,536 thresholds, but the potential of an inhibited
neuron has no lower bound (17,000 thresholds below 0 after 300 steps of a detector). So whatever a
potential has beyond +-LARGEST_POTENTIAL, half that range, is moved to a 64-bit array `beyond`. That
is repeated every `steps_between` steps, in which no input can change a potential by as much as
LARGEST_POTENTIAL. Until then a neuron that was cut stays on the side of the threshold where its
true potential is, so all spikes are those of unbounded integers.

"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from spinn_convert.backends.reference.arrivals import receive_spikes
from spinn_convert.backends.reference.program import Int32, Int64, Wiring
from spinn_convert.backends.reference.shared import LARGEST_POTENTIAL
from spinn_convert.backends.reference.sure import BETWEEN, Sure, first_sure
from spinn_convert.backends.reference.vector import (
    EIGHT,
    POSITIONS,
    fire_eight_reset,
    fire_eight_subtract,
)
from spinn_convert.linear.ops import Floats

LANES = np.uint64(EIGHT)


@numba.njit(nogil=True, cache=True)
def fire(v: Int32, bias: Int32, v_reset: Int32, one: int, spikes: Int32, count: int) -> Any:
    """Add the bias, append the neurons that reach the threshold to `spikes`, and reset these.

    one: the threshold. v_reset: potentials after a spike (N,); empty for reset by subtraction.
    count: spikes so far; returns the new number. `spikes` has room for N + 8 more.
    """
    threshold, found, eights = np.int32(one), np.uint64(count), np.uint64(v.size) // LANES
    if v_reset.size:
        for w in range(eights):
            found = fire_eight_reset(
                v, bias, v_reset, w * LANES, threshold, POSITIONS, spikes, found
            )
    else:
        for w in range(eights):
            found = fire_eight_subtract(
                v, bias, v_reset, w * LANES, threshold, POSITIONS, spikes, found
            )
    for i in range(eights * LANES, np.uint64(v.size)):
        potential = v[i] + bias[i]
        above = potential >= threshold
        after = v_reset[i] if v_reset.size else potential - threshold
        v[i] = after if above else potential
        spikes[found] = i
        found += np.uint64(above)
    return np.int64(found)


@numba.njit(nogil=True, cache=True)
def with_room(spikes: Int32, count: int, more: int) -> Int32:
    """Return `spikes`, in a larger array if it has no room for `more` behind the first `count`."""
    if count + more <= spikes.size:
        return spikes
    grown = np.empty(2 * (count + more), np.int32)
    grown[:count] = spikes[:count]
    return grown


@numba.njit(nogil=True, cache=True)
def copies_of(p: int, populations: Int64) -> int:
    """Return how many populations from `p` on have the same input, which are copies of `p`."""
    count = 1
    while (
        p + count < len(populations)
        and populations[p, 2] == 1
        and populations[p, 4] < populations[p, 5]
        and (populations[p, 1:6] == populations[p + count, 1:6]).all()
    ):
        count += 1
    return count


@numba.njit(nogil=True, cache=True)
def steps_between(most: int, current: Int32, one: int) -> Any:
    """Return in how many steps no potential can change by LARGEST_POTENTIAL less two thresholds.

    most: largest input of a neuron through synapses in one step. current: bias (N,). one: the
    threshold.
    """
    largest = np.int64(0)
    for i in range(current.size):
        largest = max(largest, abs(np.int64(current[i])))
    return max((LARGEST_POTENTIAL - 2 * one) // (most + largest + one), 1)


@numba.njit(nogil=True, cache=True)
def limit_potentials(v: Int32, beyond: Int64) -> None:
    """Cut v to +-LARGEST_POTENTIAL; what is cut goes to `beyond`, so their sum is unchanged."""
    for i in range(v.size):
        potential = np.int64(v[i]) + beyond[i]
        v[i] = min(max(potential, -LARGEST_POTENTIAL), LARGEST_POTENTIAL)
        beyond[i] = potential - np.int64(v[i])


@numba.njit(nogil=True, cache=True)
def integrate(
    p: int,
    v: Int32,
    current: Int32,
    v_reset: Int32,
    wiring: Wiring,
    one: int,
    first: int,
    last: int,
    spikes: Int32,
    begins: Int64,
    ends: Int64,
    count: int,
    beyond: Int64,
    readout: Floats,
    rows: Int64,
) -> Any:
    """Simulate population `p` and its copies from step `first`, or their release, up to `last`.

    Copies are simulated together, so that their common input is added up once.

    v: potentials (copies, N), overwritten. current, v_reset: bias and reset as for `fire`,
    (copies * N,). Spikes are appended to the first `count` of `spikes`; where those of each step
    begin and end goes to `begins` and `ends` (P, T). beyond: what potentials have beyond `v`, of
    its shape, or (copies, 0) unless `gets_large`. readout: (K, N), filled if `p` is a readout;
    rows: the row of it for the potentials of each step, -1 for none, (T,). Returns the spikes, in
    a larger array if they had no room, and their number.
    """
    target = wiring.populations[p]
    copies, size, release = len(v), target[1], target[3]
    between = steps_between(target[7], current, one)
    arrived = np.empty(size if copies > 1 else 0, np.int32)
    for t in range(max(first, release), last):
        if beyond.size and (t - release) % between == 0:
            for c in range(copies):
                limit_potentials(v[c], beyond[c])
        if copies > 1:
            arrived[:] = 0
            receive_spikes(arrived, t, target, wiring, spikes, begins, ends)
        else:
            receive_spikes(v[0], t, target, wiring, spikes, begins, ends)
        for c in range(copies):
            potentials, biases = v[c], current[c * size : (c + 1) * size]
            if copies > 1:
                potentials += arrived
            if target[2] == 1:
                spikes = with_room(spikes, count, size + EIGHT)
                begins[p + c, t] = count
                reset = v_reset[c * size : (c + 1) * size]
                count = fire(potentials, biases, reset, one, spikes, count)
                ends[p + c, t] = count
            else:
                potentials += biases
                if rows[t] >= 0:
                    if beyond.size:
                        readout[rows[t]] = potentials + beyond[c]
                    else:
                        readout[rows[t]] = potentials
    return spikes, count


@numba.njit(nogil=True, cache=True)
def gets_large(target: Int64, current: Int32, one: int, steps: int) -> bool:
    """Return whether a potential of a population may get beyond LARGEST_POTENTIAL."""
    return bool(steps_between(target[7], current, one) < steps - target[3])


@numba.njit(nogil=True, cache=True)
def count_events(spikes: Int32, begins: Int64, ends: Int64, out_degree: Int64) -> Int64:
    """Return the synaptic events of one population's spikes (T,); out_degree: per neuron (N,)."""
    events = np.zeros(len(begins), np.int64)
    for t in range(len(begins)):
        for s in range(np.uint64(begins[t]), np.uint64(ends[t])):
            events[t] += out_degree[np.uint64(np.uint32(spikes[s]))]
    return events


@numba.njit(nogil=True, cache=True)
def simulate(
    wiring: Wiring,
    bias: Int32,
    v_init: Int32,
    v_reset: Int32,
    out_degree: Int64,
    one: int,
    rows: Int64,
    needed: Int64,
    sure: Sure,
    spikes: Int32,
) -> tuple[Int32, Int64, Int64, Int64, Floats, int]:
    """Simulate one image for len(rows) steps, of a program that passes `limits.check_range`.

    rows: under which number, from 0, the potentials after each step are kept; -1 for not at all.
    needed: for how many of the steps each population runs (P,). sure: when to end earlier.
    spikes: room for the spikes, of any size.

    Returns the neurons that spiked, in `spikes` or a larger array; where in it the spikes of each
    population and step begin and end (P, T); synaptic events (P, T); the potentials of the readouts
    (kept steps, readout neurons), in units of 1 / one thresholds; and the steps taken.
    """
    steps, populations = len(rows), wiring.populations
    begins = np.zeros((len(populations), steps), np.int64)
    ends, events = begins.copy(), begins.copy()
    outputs = (populations[:, 1] * (1 - populations[:, 2])).sum()
    readout = np.zeros((rows.max() + 1, outputs), np.float32)
    potentials = v_init.copy()
    large = False
    for target in populations:
        large |= gets_large(target, bias[target[0] : target[0] + target[1]], one, steps)
    beyond = np.zeros(v_init.size if large else 0, np.int64)
    taken, done, count = 0, 0, 0
    while done < steps and not taken:
        ahead = steps if sure.bound == np.inf else max(done + BETWEEN, sure.first)
        until = min(ahead, steps)
        p, column = 0, 0
        while p < len(populations):
            copies, offset, size = copies_of(p, populations), populations[p, 0], populations[p, 1]
            spiking, span = populations[p, 2] == 1, slice(offset, offset + copies * size)
            behind = column + (0 if spiking else size)
            spikes, count = integrate(
                p,
                potentials[span].reshape(copies, size),
                bias[span],
                v_reset[span],
                wiring,
                one,
                done,
                min(until, needed[p]),
                spikes,
                begins,
                ends,
                count,
                beyond[span].reshape(copies, size if large else 0),
                readout[:, column:behind],
                rows,
            )
            p, column = p + copies, behind
        if sure.bound < np.inf:
            taken = first_sure(readout, sure, one, done, until)
        done = until
    taken = taken or steps
    ends[:, taken:] = begins[:, taken:]
    for p in range(len(populations)):
        offset, size = populations[p, 0], populations[p, 1]
        events[p] = count_events(spikes, begins[p], ends[p], out_degree[offset : offset + size])
    return spikes, begins, ends, events, readout, taken
