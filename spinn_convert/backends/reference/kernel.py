"""The event-driven simulator of one image, compiled by numba.

The network has no cycles, so each population runs through all time steps at once, with its weights
and potentials in the cache; only spikes cost work. Runs without the GIL: one thread per image.

Potentials are 32-bit integers, which reach +-65,536 thresholds, but the potential of an inhibited
neuron has no lower bound (17,000 thresholds below 0 after 300 steps of a detector). So whatever a
potential has beyond +-LARGEST_POTENTIAL, half that range, is moved to a 64-bit array `beyond`. That
is repeated every `steps_between` steps, in which no input can change a potential by as much as
LARGEST_POTENTIAL. Until then a neuron that was cut stays on the side of the threshold where its
true potential is, so all spikes are those of unbounded integers.

Indices are unsigned: numba would test signed ones for being negative, which keeps loops from
becoming vector instructions.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from spinn_convert.backends.reference.program import Int32, Int64, Wiring
from spinn_convert.backends.reference.shared import LARGEST_POTENTIAL
from spinn_convert.backends.reference.vector import add_eight
from spinn_convert.linear.ops import Floats

MASKS = np.arange(256)
"""All patterns of which of eight neurons fire, a bit per neuron."""
BITS = (MASKS[:, None] >> np.arange(8) & 1).astype(bool)
POSITIONS = np.argsort(~BITS, axis=1, kind="stable").astype(np.int32)
"""For each mask, the positions of its eight bits, those that are set first."""
SET_BITS = BITS.sum(1).astype(np.uint64)
ONE, EIGHTHS, EIGHT = np.uint64(1), np.uint64(3), np.uint64(8)
GATHER_BITS = np.uint64(0x0102040810204080)
"""Factor of a 64-bit word of eight bytes 0 or 1 that gathers these as bits in its highest byte."""


@numba.njit(nogil=True, cache=True)
def _shared_spikes(
    v: Int32, projection: Int64, channels: int, spikes: Int32, wiring: Wiring
) -> None:
    """Add shared weights of all spikes to `v`, a run of neighbouring targets at a time."""
    weights, runs, rows = wiring.weights, wiring.runs, wiring.rows
    first, width, step = np.uint64(projection[3]), np.uint32(channels), np.uint64(projection[5])
    for s in range(spikes.size):
        pixel = np.uint32(spikes[s]) // width
        begin = first + np.uint64(np.uint32(spikes[s]) - pixel * width) * step
        row = projection[4] + np.int64(pixel)
        for r in range(rows[row], rows[row + 1]):
            target, source = np.uint64(runs[r, 0]), begin + np.uint64(runs[r, 1])
            length = np.uint64(runs[r, 2])
            for _ in range(length >> EIGHTHS):
                add_eight(v, target, weights, source)
                target += EIGHT
                source += EIGHT
            for i in range(length & (EIGHT - ONE)):
                v[target + i] += weights[source + i]


@numba.njit(nogil=True, cache=True)
def _list_spikes(v: Int32, projection: Int64, spikes: Int32, wiring: Wiring) -> None:
    """Add the weights of all spikes to `v`, from a list of every source's synapses."""
    listed, posts, rows = wiring.listed, wiring.posts, wiring.rows
    for s in range(spikes.size):
        row = projection[4] + spikes[s]
        for k in range(rows[row], rows[row + 1]):
            v[posts[k]] += listed[k]


@numba.njit(nogil=True, cache=True)
def fire(
    v: Int32,
    bias: Int32,
    v_reset: Int32,
    one: int,
    fired: NDArray[np.uint8],
    spikes: Int32,
    count: int,
) -> Any:
    """Add the bias, append the neurons that reach the threshold to `spikes`, and reset these.

    one: the threshold. v_reset: potentials after a spike (N,); empty for reset by subtraction.
    fired: room for a flag per neuron, in multiples of eight. count: spikes so far; returns the new
    number. Eight neurons are handled at a time without branches, which would be mispredicted.
    """
    threshold, zero = np.int32(one), np.int32(0)
    if v_reset.size:
        for i in range(v.size):
            potential = v[i] + bias[i]
            above = potential >= threshold
            v[i] = v_reset[i] if above else potential
            fired[i] = above
    else:
        for i in range(v.size):
            potential = v[i] + bias[i]
            above = potential >= threshold
            v[i] = potential - (threshold if above else zero)
            fired[i] = above
    words, found, base = fired.view(np.uint64), np.uint64(count), np.int32(0)
    for w in range(np.uint64(words.size)):
        mask = (words[w] * GATHER_BITS) >> np.uint64(56)
        for i in range(np.uint64(8)):
            spikes[found + i] = base + POSITIONS[mask, i]
        found += SET_BITS[mask]
        base += np.int32(8)
    return np.int64(found)


@numba.njit(nogil=True, cache=True)
def receive_spikes(
    v: Int32, step: int, target: Int64, wiring: Wiring, spikes: Int32, begins: Int64
) -> None:
    """Add to `v` all that arrives at a population in one step."""
    for q in range(target[4], target[5]):
        projection = wiring.projections[q]
        source, sent = projection[0], step - projection[1]
        if sent < 0:
            continue
        arriving = spikes[begins[source, sent] : begins[source, sent + 1]]
        if projection[2]:
            _shared_spikes(v, projection, wiring.populations[source][6], arriving, wiring)
        else:
            _list_spikes(v, projection, arriving, wiring)


@numba.njit(nogil=True, cache=True)
def with_room(spikes: Int32, count: int, more: int) -> Int32:
    """Return `spikes`, in a larger array if it has no room for `more` behind the first `count`."""
    if count + more <= spikes.size:
        return spikes
    grown = np.empty(2 * (count + more), np.int32)
    grown[:count] = spikes[:count]
    return grown


@numba.njit(nogil=True, cache=True)
def is_copy(p: int, populations: Int64) -> bool:
    """Return if population `p` is a copy of the one before it: both have the same projections."""
    if p == 0 or p == len(populations) or populations[p, 4] == populations[p, 5]:
        return False
    same = populations[p, 4:6] == populations[p - 1, 4:6]
    return bool(same[0] and same[1])


@numba.njit(nogil=True, cache=True)
def room_for_arrivals(p: int, populations: Int64, steps: int) -> Int32:
    """Return an array (steps, N) for the input of `p` if copies of it follow, else one (0, N)."""
    return np.empty((steps if is_copy(p + 1, populations) else 0, populations[p, 1]), np.int32)


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
    steps: int,
    spikes: Int32,
    begins: Int64,
    count: int,
    readout: Floats,
    rows: Int64,
    arrived: Int32,
) -> Any:
    """Simulate population `p` from its release to step `steps`; return all spikes and their number.

    v: initial potentials (N,), overwritten. current, v_reset: bias and reset as for `fire`. Its
    spikes are appended to the first `count` of `spikes`, those of earlier populations, and the
    position of each step's goes to begins[p]. readout: (K, N), filled if `p` is a readout; rows:
    the row of it for the potentials of each step, -1 for none, (steps,).
    arrived: input through synapses (steps, N), filled by the first of several copies and used by
    the others; (0, N) if there are no copies.
    """
    target = wiring.populations[p]
    size, spiking = target[1], target[2] == 1
    fired = np.zeros((size + 7) // 8 * 8, np.uint8)
    begins[p, : target[3] + 1] = count
    copied = arrived.shape[0] > 0
    known = copied and is_copy(p, wiring.populations)
    if not known:
        arrived[:] = 0
    between = steps_between(target[7], current, one)
    beyond = np.zeros(size if between < steps - target[3] else 0, np.int64)
    for t in range(target[3], steps):
        if beyond.size and (t - target[3]) % between == 0:
            limit_potentials(v, beyond)
        if not known:
            into = arrived[t] if copied else v
            receive_spikes(into, t, target, wiring, spikes, begins)
        if copied:
            v += arrived[t]
        if spiking:
            spikes = with_room(spikes, count, size + 8)
            count = fire(v, current, v_reset, one, fired, spikes, count)
        else:
            v += current
            if rows[t] >= 0:
                if beyond.size:
                    readout[rows[t]] = v + beyond
                else:
                    readout[rows[t]] = v
        begins[p, t + 1] = count
    return spikes, count


@numba.njit(nogil=True, cache=True)
def simulate(
    wiring: Wiring,
    bias: Int32,
    v_init: Int32,
    v_reset: Int32,
    out_degree: Int64,
    one: int,
    rows: Int64,
) -> tuple[Int32, Int64, Int64, Floats]:
    """Simulate one image for len(rows) steps, of a program that passes `limits.check_range`.

    rows: under which number, from 0, the potentials after each step are kept; -1 for not at all.

    Returns the neurons that spiked, by population, then by step; the position at which each step of
    each population begins (P, steps + 1); synaptic events per population (P,); and the potentials
    of the readouts (kept steps, readout neurons), in units of 1 / one thresholds.
    """
    steps, kept = len(rows), rows.max() + 1
    populations = wiring.populations
    spikes = np.empty(1 << 16, np.int32)
    begins = np.zeros((len(populations), steps + 1), np.int64)
    events = np.zeros(len(populations), np.int64)
    readout = np.zeros((kept, (populations[:, 1] * (1 - populations[:, 2])).sum()), np.float32)
    potentials = v_init.copy()
    arrived = np.zeros((0, 0), np.int32)
    count, column = 0, 0
    for p in range(len(populations)):
        if not is_copy(p, populations):
            arrived = room_for_arrivals(p, populations, steps)
        offset, size, spiking = populations[p, 0], populations[p, 1], populations[p, 2] == 1
        potential = np.zeros((0 if spiking else kept, size), np.float32)
        spikes, count = integrate(
            p,
            potentials[offset : offset + size],
            bias[offset : offset + size],
            v_reset[offset : offset + size],
            wiring,
            one,
            steps,
            spikes,
            begins,
            count,
            potential,
            rows,
            arrived,
        )
        if not spiking:
            readout[:, column : column + size] = potential
            column += size
        for i in range(begins[p, 0], count):
            events[p] += out_degree[offset + spikes[i]]
    return spikes[:count], begins, events, readout
