"""One recording of what several ranks have recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spinn_convert.network.recording import Recording


def added(parts: Sequence[Recording]) -> Recording:
    """Return the recording of ranks that had some of the neurons each, and 0 for the others."""
    first = parts[0]
    if len(parts) == 1:
        return first
    return replace(
        first,
        spike_counts={
            name: np.sum([p.spike_counts[name] for p in parts], 0) for name in first.spike_counts
        },
        synaptic_events=np.sum([p.synaptic_events for p in parts], 0),
        readout={name: np.sum([p.readout[name] for p in parts], 0) for name in first.readout},
        spikes={name: _sorted([p.spikes[name] for p in parts]) for name in first.spikes},
        timing={name: max(p.timing[name] for p in parts) for name in first.timing},
    )


def _sorted(parts: Sequence[NDArray[np.int32]]) -> NDArray[np.int32]:
    rows = np.concatenate(parts)
    return rows[np.lexsort(rows.T[::-1])]
