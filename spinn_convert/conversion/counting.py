"""Count how often each binary digit, or each bin, occurs among positive float32 values (numba).

The values of a row that are to be counted are first copied together, without a branch: about half
of the activations are zero in no order, so the processor would often predict a branch wrongly, and
that takes longer than a copy. Runs without the GIL.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Counts = NDArray[np.uint32] | NDArray[np.int64]


@numba.njit(nogil=True, cache=True)
def _at_least(values: Int32, least: Any, found: Int32) -> Any:
    """Copy the values of at least `least` to the start of `found`; return their number."""
    number = np.uint64(0)
    for i in range(np.uint64(values.size)):
        found[number] = values[i]
        number += np.uint64(values[i] >= least)
    return number


@numba.njit(nogil=True, cache=True)
def count_digits(
    values: Int32,
    begins: Int64,
    prefixes: Int32,
    shift: int,
    width: int,
    counts: Counts,
    maximum: Int32,
) -> None:
    """Add to `counts` one digit of the values whose higher bits are wanted; update `maximum` (R,).

    values: float32 (B, R, N) read as int32; only positive ones count. The digit is `width` bits
    above the lowest `shift` bits. prefixes: the wanted bits above the digit; those of row r are
    prefixes[begins[r] : begins[r + 1]], in ascending order. counts: (prefixes, 2 ** width).
    """
    found = np.empty(values.shape[2], np.int32)
    low, above, mask = np.uint64(shift), np.uint64(shift + width), np.uint64((1 << width) - 1)
    for image in range(values.shape[0]):
        for row in range(values.shape[1]):
            first, behind = np.uint64(begins[row]), np.uint64(begins[row + 1])
            if first == behind:
                continue
            least = max(np.int32(prefixes[first] << above), np.int32(1))
            largest = maximum[row]
            for i in range(_at_least(values[image, row], least, found)):
                largest = max(largest, found[i])
                bits = np.uint64(found[i])
                for slot in range(first, behind):
                    if np.uint64(prefixes[slot]) == bits >> above:
                        counts[slot, (bits >> low) & mask] += np.uint32(1)
            maximum[row] = largest


@numba.njit(nogil=True, cache=True)
def count_bins(values: Int32, factors: NDArray[np.float64], counts: Int64) -> None:
    """Add positive values to bins: value * factors[row], rounded down, is the bin, or the last one.

    values: float32 (B, R, N) read as int32. factors: bins per unit (R,). counts: (R, bins).
    """
    found = np.empty(values.shape[2], np.int32)
    positive, last = found.view(np.float32), np.uint64(counts.shape[1] - 1)
    for image in range(values.shape[0]):
        for row in range(values.shape[1]):
            for i in range(_at_least(values[image, row], np.int32(1), found)):
                place = np.uint64(np.float64(positive[i]) * factors[row])
                counts[row, min(place, last)] += 1
