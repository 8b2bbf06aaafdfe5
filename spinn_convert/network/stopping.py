"""End an image as soon as the network is sure of its class.

An output that integrates for longer errs less: the error of its activation falls with the number of
steps. So the difference of its two largest activations, times the steps since its release, is by
how many spikes, in units of the output, the best is ahead. An image ends when this lead reaches a
bound, that is chosen on calibration images for a wanted agreement with the ANN.

Wald (1945), "Sequential Tests of Statistical Hypotheses", ends a test in the same way.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spinn_convert.linear.ops import Floats
from spinn_convert.network import readout
from spinn_convert.network.records import Stop

FIRST = 4
"""Steps after the release, before which no image ends."""


def leads(potential: Floats, read_out: str, release: int) -> NDArray[np.float64]:
    """Return the lead of the best class after every step (B, T); 0 before the release.

    potential: of the output after every step (B, T, N), in units of the ANN, N >= 2.
    """
    steps = potential.shape[1]
    starts = readout.starts(read_out, release, steps)
    before = np.concatenate([np.zeros_like(potential[:, :1]), potential], 1, dtype=np.float64)
    until = np.arange(1, steps + 1)
    integrated = np.maximum(until - np.maximum(starts, release), 1)
    best = np.partition(potential - before[:, starts], -2, axis=-1)[..., -2:]
    since = np.maximum(until - release, 0)
    return np.asarray((best[..., 1] - best[..., 0]) * since / integrated)


def steps_taken(found: NDArray[np.float64], stop: Stop) -> NDArray[np.int64]:
    """Return after how many steps each image ends, (B,), from its leads (B, T)."""
    sure = found >= stop.bound
    sure[:, : stop.first - 1] = False
    return np.asarray(np.where(sure.any(1), sure.argmax(1) + 1, found.shape[1]), np.int64)


def least_bound(
    found: NDArray[np.float64], same: NDArray[np.bool_], first: int, wanted: float
) -> float | None:
    """Return the least bound from which on agreement is as wanted; None if it never is.

    found: leads (B, T); same: whether the network's class is the ANN's then (B, T).
    """
    images = np.arange(len(found))
    tried = np.unique(np.quantile(found[:, first - 1 :], np.linspace(0, 1, 400)))
    bounds = tried[tried > 0]
    enough = [
        same[images, steps_taken(found, Stop(float(bound), first, "all", wanted)) - 1].mean()
        >= wanted
        for bound in bounds
    ]
    short = np.flatnonzero(~np.array(enough, bool))
    after = int(short[-1]) + 1 if len(short) else 0
    return float(bounds[after]) if after < len(bounds) else None
