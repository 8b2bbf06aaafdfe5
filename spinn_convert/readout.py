"""From the potential of an accumulating output to the activation that it stands for.

The first spikes of every layer carry the error of the initial potentials. An output that is read as
V(t) - V(start), from when those have passed, has less of it in fewer steps; that matters where
nothing is clamped.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spinn_convert.ops import Floats

DEPTHS = 2.2
SHARE_OF_STEPS = 0.65


def starts(read_out: str, depth: int, steps: int) -> NDArray[np.int64]:
    """Return for every step t = 1 ... `steps` after which step the output is read from, (T,).

    read_out: "all" for 0, or "late" for 2.2 depths, at most 0.65 t (measured on ResNet-18).
    """
    if read_out == "all":
        return np.zeros(steps, np.int64)
    until = np.arange(1, steps + 1)
    late = np.minimum(DEPTHS * depth, SHARE_OF_STEPS * until)
    return np.asarray(late, np.int64)


def activations(potential: Floats, starts: NDArray[np.int64], release: int) -> Floats:
    """Return (V(t) - V(start)) per step of integration in between, (..., T, N) as `potential`."""
    before = np.concatenate([np.zeros_like(potential[..., :1, :]), potential], axis=-2)
    until = np.arange(1, len(starts) + 1)
    integrated = np.maximum(until - np.maximum(starts, release), 1)
    found = (potential - before[..., starts, :]) / integrated[:, None]
    return np.asarray(found, np.float32)
