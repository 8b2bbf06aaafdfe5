"""Reading an accumulating output from a later start.

The first spikes of every layer carry the error of the initial potentials. An output that is read as
V(T) - V(start), when those have passed, has less of it in fewer steps.
"""

from __future__ import annotations

import numpy as np

from spinn_convert.network import Network
from spinn_convert.ops import Floats

DEPTHS = 2.2
SHARE_OF_STEPS = 0.65


def best_start(network: Network, steps: int) -> int:
    """Return a good step to start from: 2.2 depths, at most 0.65 of all steps (measured)."""
    return int(min(DEPTHS * network.depth, SHARE_OF_STEPS * steps))


def read_from(readout: Floats, start: int) -> Floats:
    """Return potentials (B, T, ...) since step `start`; those before it stay as they are."""
    if start < 1:
        return readout
    late = readout[:, start:] - readout[:, start - 1 : start]
    return np.concatenate([readout[:, :start], late], axis=1)
