"""From the potential of an accumulating output to the activation that it stands for.

The first spikes of every layer carry the error of the initial potentials. An output that is read as
V(t) - V(start), from when those have passed, has less of it in fewer steps; that matters where
nothing is clamped.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spinn_convert.ops import Floats

SHARE_LEFT_OUT = 0.55
"""Of the steps so far. Of 0.4 to 0.8, agreement with the ANN is best at 0.4 to 0.6 in ResNet-18 and
-34, at 0.6 to 0.7 in ResNet-50 and -101, whose first spikes take longer to pass (validation)."""


def starts(read_out: str, release: int, steps: int) -> NDArray[np.int64]:
    """Return for every step t = 1 ... `steps` after which step the output is read from, (T,).

    release: of the output. read_out: "all" for 0, or "late" for SHARE_LEFT_OUT of its steps so far
    (Bu et al. 2025, "Inference-Scale Complexity in ANN-SNN Conversion", delay the output as well).
    """
    if read_out == "all":
        return np.zeros(steps, np.int64)
    since = np.maximum(np.arange(1, steps + 1) - release, 0)
    return np.asarray(np.where(since, release + since * SHARE_LEFT_OUT, 0), np.int64)


def activations(potential: Floats, starts: NDArray[np.int64], release: int) -> Floats:
    """Return (V(t) - V(start)) per step of integration in between, (..., T, N) as `potential`."""
    before = np.concatenate([np.zeros_like(potential[..., :1, :]), potential], axis=-2)
    until = np.arange(1, len(starts) + 1)
    integrated = np.maximum(until - np.maximum(starts, release), 1)
    found = (potential - before[..., starts, :]) / integrated[:, None]
    return np.asarray(found, np.float32)
