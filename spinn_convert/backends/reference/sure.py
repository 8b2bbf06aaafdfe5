"""The rule of `network.stopping`, compiled by numba, for the kernel."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from spinn_convert.backends.reference.program import Int64
from spinn_convert.linear.ops import Floats


class Sure(NamedTuple):
    """`network.stopping.Stop` of a network with one output of N values, as arrays.

    scale: of the output (N,), float32, as potentials are stored. starts: `readout.starts` (T,).
    """

    bound: float
    first: int
    release: int
    starts: Int64
    scale: Floats


NEVER_SURE = Sure(np.inf, 0, 0, np.zeros(0, np.int64), np.zeros(0, np.float32))
"""Every image takes all steps."""
BETWEEN = 4
"""Steps that are simulated before it is looked again whether the network is sure."""


@numba.njit(nogil=True, cache=True)
def first_sure(readout: Floats, sure: Sure, one: int, first: int, last: int) -> int:
    """Return after how many steps from `first` + 1 to `last` the network is sure, 0 for none.

    readout: potentials after each step (T, N), as of `simulate`. The same as `stopping.leads`.
    """
    for t in range(max(first, sure.first - 1), last):
        start = sure.starts[t]
        best, second = -np.inf, -np.inf
        for n in range(readout.shape[1]):
            scale = sure.scale[n]
            value = np.float64(readout[t, n] / np.float32(one) * scale)
            if start:
                value -= np.float64(readout[start - 1, n] / np.float32(one) * scale)
            if value > best:
                best, second = value, best
            elif value > second:
                second = value
        since = max(t + 1 - sure.release, 0)
        integrated = max(t + 1 - max(start, sure.release), 1)
        if (best - second) * since / integrated >= sure.bound:
            return t + 1
    return 0
