"""From the potential of an accumulating output to the activation that it stands for.

The first spikes of every layer carry the error of the initial potentials. An output that is read as
V(t) - V(start), from when those have passed, has less of it in fewer steps; that matters where
nothing is clamped.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spinn_convert.linear.ops import Floats

LEFT_OUT = (0.55, 0.7)
"""Shares of the steps so far, at least and at most. First spikes take about half the depth to pass:
agreement with the ANN is best with 0.4 to 0.6 left out in ResNet-18 and -34, 0.6 to 0.7 in
ResNet-50 and, until step 72, -101; half the depth between these bounds is as good (validation)."""


def starts(read_out: str, release: int, steps: int) -> NDArray[np.int64]:
    """Return for every step t = 1 ... `steps` after which step the output is read from, (T,).

    release: of the output, its depth where nothing is clamped. read_out: "all" for 0, or "late" for
    half the release after it, within the bounds of LEFT_OUT (Bu et al. 2025, "Inference-Scale
    Complexity in ANN-SNN Conversion", delay the output as well).
    """
    if read_out == "all":
        return np.zeros(steps, np.int64)
    since = np.maximum(np.arange(1, steps + 1) - release, 0)
    least, most = (share * since for share in LEFT_OUT)
    return np.asarray(np.where(since, release + np.clip(release / 2, least, most), 0), np.int64)


def activations(potential: Floats, starts: NDArray[np.int64], release: int) -> Floats:
    """Return (V(t) - V(start)) per step of integration in between, (..., T, N) as `potential`."""
    before = np.concatenate([np.zeros_like(potential[..., :1, :]), potential], axis=-2)
    until = np.arange(1, len(starts) + 1)
    integrated = np.maximum(until - np.maximum(starts, release), 1)
    found = (potential - before[..., starts, :]) / integrated[:, None]
    return np.asarray(found, np.float32)
