"""The event-driven simulator of one image on IF_curr_delta, in the board's integers."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from spinn_convert.backends.board.delta.plan import DECAY, GAIN_BITS
from spinn_convert.backends.board.kernel import LOW, receive, saturated_entries
from spinn_convert.backends.reference.kernel import with_room
from spinn_convert.backends.reference.program import Int32, Int64, Wiring


@numba.njit(nogil=True, cache=True)
def _update(ring: Int64, v: Int32, i_offset: Int32, shift: int, limit: int) -> Any:
    """Advance V by a step.

    Returns the largest excitatory and inhibitory sum in LSBs, and not 0 if a number overflowed.
    """
    most_exc, most_inh, wrapped = np.int64(0), np.int64(0), np.int64(0)
    for n in range(ring.size):
        exc, inh = ring[n] >> 32, ring[n] & LOW
        most_exc, most_inh = max(most_exc, exc), max(most_inh, inh)
        net = (min(exc, limit) << shift) - (min(inh, limit) << shift) + np.int64(i_offset[n])
        target = net << GAIN_BITS
        away = target - np.int64(v[n])
        wrapped |= (target ^ np.int64(np.int32(target))) | (away ^ np.int64(np.int32(away)))
        v[n] = target - ((DECAY * away) >> 15)
    return most_exc, most_inh, wrapped


@numba.njit(nogil=True, cache=True)
def _fire(
    v: Int32,
    theta: int,
    v_reset: Int32,
    subtract: bool,
    overshoot: Int64,
    spikes: Int32,
    count: int,
) -> Any:
    """Append the neurons that reach the threshold, reset them, and add up their overshoot."""
    for n in range(v.size):
        if v[n] >= theta:
            above = v[n] - theta
            overshoot[n] += min(above, theta)
            v[n] = above if subtract else v_reset[n]
            spikes[count] = n
            count += 1
    return count


@numba.njit(nogil=True, cache=True)
def simulate(
    wiring: Wiring,
    board: Int64,
    v_init: Int32,
    v_reset: Int32,
    i_offset: Int32,
    limit: int,
    subtract: bool,
    steps: int,
) -> tuple[Int32, Int64, Int32, Int64, Int64, Int64, Int64]:
    """Simulate one image; `board` holds (theta, shift) of each population.

    subtract: reset by subtraction, which the board cannot do; for measuring the overshoot. Returns
    spikes, begins and readout as `kernel.simulate` does, then the sum of V - v_thresh at the spikes
    of each neuron (raw), the largest sums in a ring buffer (P, 2), saturated entries (P,), and the
    first step in which a number overflowed (P,), `steps` if none did.
    """
    populations = wiring.populations
    spikes = np.empty(1 << 16, np.int32)
    begins = np.zeros((len(populations), steps + 1), np.int64)
    readout = np.zeros((steps, (populations[:, 1] * (1 - populations[:, 2])).sum()), np.int32)
    peaks = np.zeros((len(populations), 2), np.int64)
    saturated, overshoot = np.zeros(len(populations), np.int64), np.zeros(v_init.size, np.int64)
    wraps, potentials = np.full(len(populations), steps), v_init.copy()
    count, column = 0, 0
    for p in range(len(populations)):
        target, (theta, shift) = populations[p], board[p]
        offset, size, spiking = target[0], target[1], target[2] == 1
        span = slice(offset, offset + size)
        v, ring = potentials[span], np.zeros(size, np.int64)
        begins[p, : target[3] + 1] = count
        for t in range(target[3], steps):
            ring[:] = 0
            receive(ring, t, target, wiring, spikes, begins, begins[:, 1:])
            most_exc, most_inh, wrapped = _update(ring, v, i_offset[span], shift, limit)
            peaks[p, 0], peaks[p, 1] = max(peaks[p, 0], most_exc), max(peaks[p, 1], most_inh)
            if wrapped:
                wraps[p] = min(wraps[p], t)
            if max(most_exc, most_inh) > limit:
                saturated[p] += saturated_entries(ring, limit)
            if spiking:
                spikes = with_room(spikes, count, size)
                count = _fire(v, theta, v_reset[span], subtract, overshoot[span], spikes, count)
            else:
                readout[t, column : column + size] = v
            begins[p, t + 1] = count
        if not spiking:
            column += size
    return spikes[:count], begins, readout, overshoot, peaks, saturated, wraps
