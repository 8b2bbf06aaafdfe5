"""Percentiles and least-error thresholds of any number of values, in memory of constant size.

The bits of positive float32 numbers have the order of the numbers, so an order statistic is found
digit by digit (radix selection): the counts of the highest digit say which one the statistic has,
and the next pass counts the next digit of the values that share it. Counts depend neither on the
order of the values nor on how they are batched, and nothing is rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import floor

import numpy as np
from numpy.typing import NDArray

from spinn_convert.linear.ops import Floats

DIGITS = ((20, 11), (10, 10), (0, 10))
"""Lowest bit and width of the digits of a positive float32; one pass over the values for each."""
BINS = 2048
"""Equal bins between 0 and the maximum, in which values are counted for least-error thresholds."""
SAMPLES_PER_BIN = 8
"""Values within a bin over which its squared error is averaged."""
CANDIDATES = np.geomspace(1 / 32, 1, 400)
"""Thresholds to try, as fractions of the maximum; neighbours differ by 0.9 %."""


def passes(percentiles: Sequence[float], thresholds: bool) -> int:
    """Return how many passes over the values these statistics need.

    One finds the maximum (percentile 100), a second counts the bins of least-error thresholds,
    three find any other percentile.
    """
    return len(DIGITS) if set(percentiles) - {100} else 1 + thresholds


class Statistics:
    """Maximum, percentiles and least-error thresholds of R rows; negative values count as zeros.

    A class with state because values come in batches: `add` all of them, then `close`, and the same
    in every pass. Memory: per row 8 KiB in the first pass, then 4 KiB per percentile (twice that
    from 2^32 values per row on) and 16 KiB for thresholds.
    """

    def __init__(
        self, rows: int, count: int, percentiles: Sequence[float], thresholds: bool
    ) -> None:
        """Prepare for `count` values in each of `rows` rows.

        percentiles: those that `percentile` will be asked for. thresholds: whether `threshold`
        will be called.
        """
        ranks = sorted({rank for p in percentiles for rank in _ranks(count, p)[:2]})
        self._count, self._pass = count, 0
        self._column = {rank: number for number, rank in enumerate(ranks)}
        self._rank = np.tile(np.asarray(ranks, np.int64), (rows, 1))
        self._bits = np.zeros(self._rank.shape, np.int32)
        self._open = np.ones(self._rank.shape, bool)
        self._maximum = np.zeros(rows, np.int32)
        self._bins = np.zeros((rows if thresholds else 0, BINS), np.int64)
        self._await(np.arange(rows) << 32)

    def add(self, values: Floats) -> None:
        """Add contiguous values (B, R, n)."""
        from spinn_convert.conversion.counting import count_bins, count_digits

        bits = values.view(np.int32)
        if len(self._prefixes):
            counted = self._begins, self._prefixes, *DIGITS[self._pass], self._counts
            count_digits(bits, *counted, self._maximum)
        if self._pass == 1 and len(self._bins):
            largest = self.maximum().astype(np.float64)
            count_bins(bits, BINS / np.where(largest > 0, largest, 1), self._bins)

    def close(self) -> None:
        """End a pass: append one more digit to every order statistic that is not known yet."""
        if self._pass == 0:
            self._leave_out_zeros_and_maxima()
        shift, width = DIGITS[self._pass]
        rows, found = np.nonzero(self._open)[0], self._bits[self._open]
        slots = np.searchsorted(self._keys, _keys(rows, found >> (shift + width)))
        rank, first = self._rank[self._open], slots << width
        until = np.concatenate([[0], np.cumsum(self._counts, dtype=np.int64)])
        place = np.searchsorted(until, until[first] + rank, side="right") - 1
        # an ANN that computes something else in every pass may leave too few values here
        place = np.minimum(place, first + (1 << width) - 1)
        self._rank[self._open] = rank - (until[place] - until[first])
        self._bits[self._open] = found | ((place - first) << shift).astype(np.int32)
        self._pass += 1
        done = self._pass == len(DIGITS)
        self._await(np.unique(_keys(rows, self._bits[self._open] >> shift))[: 0 if done else None])

    def _await(self, keys: NDArray[np.int64]) -> None:
        """Allocate the counts of the next digit. keys: row << 32 | higher digits, (K,)."""
        kind = np.uint32 if self._count < 1 << 32 else np.int64
        self._keys, self._prefixes = keys, keys.astype(np.int32)
        self._begins = np.searchsorted(keys >> 32, np.arange(len(self._rank) + 1))
        width = DIGITS[self._pass][1] if len(keys) else 0
        self._counts = np.zeros((len(keys), 1 << width), kind)

    def _leave_out_zeros_and_maxima(self) -> None:
        """After the first pass, set the statistics that are zero or the maximum.

        The other ranks, which counted all values, now count positive values only.
        """
        positive = self._counts.sum(axis=1, dtype=np.int64)[:, None]
        self._rank -= self._count - positive
        largest = (self._rank == positive - 1) & (positive > 0)
        self._bits[:] = np.where(largest, self._maximum[:, None], 0)
        self._open = (self._rank >= 0) & ~largest

    def maximum(self) -> Floats:
        """Return the maximum per row (R,), known after one pass."""
        return self._maximum.view(np.float32)

    def percentile(self, percentile: float) -> Floats:
        """Return a percentile per row (R,), interpolated as by numpy's method "linear"."""
        below, above, fraction = _ranks(self._count, percentile)
        values = self._bits.view(np.float32).astype(np.float64)
        low, high = values[:, self._column[below]], values[:, self._column[above]]
        return np.asarray(low + fraction * (high - low), np.float32)

    def threshold(self, levels: int) -> Floats:
        """Return the threshold theta per row (R,) that rounds the values best to `levels` levels.

        It minimises the sum over all values of (q(a) - a)^2, q(a) = theta / levels *
        clip(floor(a * levels / theta + 1/2), 0, levels): Bu et al. 2025 ("Inference-Scale
        Complexity in ANN-SNN Conversion"), with the shift of Bu et al. 2022 ("Optimal ANN-SNN
        Conversion"). Chosen from CANDIDATES, with the values counted in BINS.
        """
        best = (self._bins @ _errors(levels)).argmin(axis=1)
        return np.asarray(self.maximum() * CANDIDATES[best], np.float32)


def _ranks(count: int, percentile: float) -> tuple[int, int, float]:
    """Return the ranks of both neighbours of a percentile of `count` values, and its fraction."""
    position = (count - 1) * (percentile / 100)
    below = floor(position)
    return below, min(below + 1, count - 1), position - below


def _keys(rows: NDArray[np.int64], digits: NDArray[np.int32]) -> NDArray[np.int64]:
    return rows << 32 | digits


@lru_cache(maxsize=4)
def _errors(levels: int) -> NDArray[np.float64]:
    """Return the mean squared error (BINS, candidates) of values in a bin, for a maximum of 1.

    Averaged over the bin, because many levels are not much wider than a bin.
    """
    values = (np.arange(BINS * SAMPLES_PER_BIN) + 0.5) / (BINS * SAMPLES_PER_BIN)
    errors = []
    for threshold in CANDIDATES:
        level = threshold / levels
        rounded = level * np.minimum(np.floor(values / level + 0.5), levels)
        errors.append(((rounded - values) ** 2).reshape(BINS, -1).mean(axis=1))
    return np.stack(errors, axis=1)
