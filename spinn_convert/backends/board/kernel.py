"""The event-driven simulator of one image in the integers of the board, compiled by numba.

It takes the same arrays as the kernel of the reference. An entry of a ring buffer is one 64-bit
integer: the excitatory sum of weights in its upper half, the inhibitory in its lower, so one
addition serves both. Weights have 16 bits, so 65,537 spikes fit before the lower half overflows.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from spinn_convert.backends.board.drive import LEAK_32, LOSS_32
from spinn_convert.backends.reference.arrivals import receive_spikes
from spinn_convert.backends.reference.kernel import fire, with_room
from spinn_convert.backends.reference.program import Int32, Int64, Wiring

LOW = 0xFFFF_FFFF
"""Mask of the lower half of a ring buffer's entry, the inhibitory sum."""
receive: Any = receive_spikes
"""Numba compiles it a second time, for the 64-bit integers of ring buffers."""
BOARD_FIELDS = ("theta", "shift", "self_weight")
"""Columns of `board` below: raw threshold, ring-buffer shift, weight of the self-projection."""


NO_RESET = np.zeros(0, np.int32)
"""Passed to the reference's `fire`: V is computed anew in every step, so a reset has no effect."""


@numba.njit(nogil=True, cache=True)
def _update(
    ring: Int64,
    excitatory: Int32,
    inhibitory: Int32,
    v: Int32,
    i_offset: Int32,
    shift: int,
    limit: int,
) -> Any:
    """Add the ring buffer to both currents, set V (without i_offset), let the currents decay.

    Returns the largest excitatory and inhibitory sum in LSBs, and two numbers that are not 0 if a
    current, or V, overflowed 32 bits.
    """
    most_exc, most_inh = np.int64(0), np.int64(0)
    wrapped, v_wrapped = np.int64(0), np.int64(0)
    for n in range(ring.size):
        exc, inh = ring[n] >> 32, ring[n] & LOW
        most_exc, most_inh = max(most_exc, exc), max(most_inh, inh)
        exc, inh = min(exc, limit) << shift, min(inh, limit) << shift
        exc += ((-exc * LOSS_32) >> 32) + np.int64(excitatory[n])
        inh += ((-inh * LOSS_32) >> 32) + np.int64(inhibitory[n])
        exc_32, inh_32 = np.int32(exc), np.int32(inh)
        wrapped |= (exc ^ np.int64(exc_32)) | (inh ^ np.int64(inh_32))
        potential = np.int64(exc_32) - np.int64(inh_32)
        v[n] = potential
        potential += np.int64(i_offset[n])
        v_wrapped |= potential ^ np.int64(np.int32(potential))
        excitatory[n] = exc_32 + np.int32((np.int64(exc_32) * -LEAK_32) >> 32)
        inhibitory[n] = inh_32 + np.int32((np.int64(inh_32) * -LEAK_32) >> 32)
    return most_exc, most_inh, wrapped, v_wrapped


@numba.njit(nogil=True, cache=True)
def saturated_entries(ring: Int64, limit: int) -> Any:
    """Return how many sums, of both receptors, are above the limit."""
    count = 0
    for n in range(ring.size):
        count += ((ring[n] >> 32) > limit) + ((ring[n] & LOW) > limit)
    return count


@numba.njit(nogil=True, cache=True)
def simulate(
    wiring: Wiring,
    board: Int64,
    i_offset: Int32,
    isyn_exc: Int32,
    limit: int,
    steps: int,
) -> tuple[Int32, Int64, Int32, Int64, Int64, Int64]:
    """Simulate one image; `board` holds BOARD_FIELDS of each population.

    limit: at which ring buffers saturate, LSBs. Returns the neurons that spiked, by population,
    then by step; the position at which each step of each population begins (P, steps + 1); raw V of
    the readouts after each step (steps, readout neurons); the largest sums in a ring buffer (P, 2);
    saturated entries (P,); and the first step in which a number overflowed (P,), `steps` if none.
    """
    populations = wiring.populations
    spikes = np.empty(1 << 16, np.int32)
    begins = np.zeros((len(populations), steps + 1), np.int64)
    readout = np.zeros((steps, (populations[:, 1] * (1 - populations[:, 2])).sum()), np.int32)
    peaks, saturated = (
        np.zeros((len(populations), 2), np.int64),
        np.zeros(len(populations), np.int64),
    )
    wraps, count, column = np.full(len(populations), steps), 0, 0
    for p in range(len(populations)):
        target, (theta, shift, self_weight) = populations[p], board[p]
        offset, size, spiking = target[0], target[1], target[2] == 1
        current, excitatory = (
            i_offset[offset : offset + size],
            isyn_exc[offset : offset + size].copy(),
        )
        inhibitory, v = np.zeros(size, np.int32), np.zeros(size, np.int32)
        ring = np.zeros(size, np.int64)
        begins[p, 0] = count
        for t in range(steps):
            ring[:] = 0
            receive(ring, t, target, wiring, spikes, begins, begins[:, 1:])
            if t > 0:
                for i in range(begins[p, t - 1], begins[p, t]):
                    ring[spikes[i]] += self_weight
            most_exc, most_inh, wrapped, v_wrapped = _update(
                ring, excitatory, inhibitory, v, current, shift, limit
            )
            peaks[p, 0], peaks[p, 1] = max(peaks[p, 0], most_exc), max(peaks[p, 1], most_inh)
            if wrapped or (v_wrapped and t >= target[3]):
                wraps[p] = min(wraps[p], t)
            if max(most_exc, most_inh) > limit:
                saturated[p] += saturated_entries(ring, limit)
            if spiking and t >= target[3]:
                spikes = with_room(spikes, count, size + 8)
                count = fire(v, current, NO_RESET, theta, spikes, count)
            elif t >= target[3]:
                readout[t, column : column + size] = v + current
            begins[p, t + 1] = count
        if not spiking:
            column += size
    return spikes[:count], begins, readout, peaks, saturated, wraps


def packed(weights: Int32 | Int64) -> Int64:
    """Return signed weights, LSBs, as 64-bit numbers to add to an entry of a ring buffer."""
    wide = weights.astype(np.int64)
    return np.where(wide > 0, wide << 32, -wide)
