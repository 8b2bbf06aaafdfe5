"""From the potential of an accumulating output to the activation that it stands for.

The first spikes of every layer come before the inhibition that belongs to them. They pass through
the layers like a wave, which the output feels for about half as many steps as there are layers. An
output that is read as V(t) - V(start), from when the wave has passed, has less of its error in
fewer steps; that matters where nothing is clamped.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spinn_convert.linear.ops import Floats
from spinn_convert.network.records import Network

DEPTHS, MOST = 0.6, 0.7
"""What is left out after the release: a share of the depth, and of the steps so far at most.

The wave takes as long as the network is deep, however many steps follow: with at least 0.55 of the
steps left out, as before, a network of depth 2 errs 2.7 times as much as with none, now 1.8 times.
Chosen on 600, 400, 300 and 200 validation images: from step 6 to 130 or more, the logits of
ResNet-18, -34, -50 and -101 err 3 to 5 % more than with the best share for each number of steps; 5
to 8 % with half the depth, 3 to 7 % with all of it. While steps are few, the best share is 0.5,
0.65, 0.7 and 0.85 of them. 99 % agree with the ANN from step 19, 24, 25 and 53, as before. A
detector of depth 26 reached its mAP in 65 steps with 13 left out, in 105 with 0.55 of the steps."""


def starts(read_out: str, release: int, steps: int) -> NDArray[np.int64]:
    """Return for every step t = 1 ... `steps` after which step the output is read from, (T,).

    release: of the output, its depth where nothing is clamped. read_out: "all" for 0, or "late" for
    DEPTHS of the release after it; earlier while that would leave out more than MOST of the steps
    since the release (Bu et al. 2025, "Inference-Scale Complexity in ANN-SNN Conversion", delay the
    output as well).
    """
    if read_out == "all":
        return np.zeros(steps, np.int64)
    since = np.maximum(np.arange(1, steps + 1) - release, 0)
    left_out = np.minimum(DEPTHS * release, MOST * since)
    return np.asarray(np.where(since, release + left_out, 0), np.int64)


def activations(potential: Floats, starts: NDArray[np.int64], release: int) -> Floats:
    """Return (V(t) - V(start)) per step of integration in between, (..., T, N) as `potential`."""
    before = np.concatenate([np.zeros_like(potential[..., :1, :]), potential], axis=-2)
    until = np.arange(1, len(starts) + 1)
    integrated = np.maximum(until - np.maximum(starts, release), 1)
    found = (potential - before[..., starts, :]) / integrated[:, None]
    return np.asarray(found, np.float32)


def needed(network: Network, scored: Sequence[int], read_out: str, steps: int) -> tuple[int, ...]:
    """Return after which of so many steps potentials are needed to read the outputs at some.

    These are the steps `scored`, and those from which the outputs are read then.
    """
    found = set(scored)
    for output in network.readouts:
        begins = starts(read_out, output.release, steps)
        found.update(int(begins[step - 1]) for step in scored)
    return tuple(sorted(found - {0}))


def sampled(
    potential: Floats,
    kept: Sequence[int],
    scored: Sequence[int],
    starts: NDArray[np.int64],
    release: int,
) -> Floats:
    """Return `activations` (S, *shape) after some steps only.

    potential: (K, *shape) after the steps `kept`, ascending numbers that include those of `scored`
    and the ones from which they are read. starts: of all steps, (T,).
    """
    rows = {0: np.zeros_like(potential[0])} | dict(zip(kept, potential))
    found = [
        (rows[step] - rows[int(starts[step - 1])])
        / max(step - max(int(starts[step - 1]), release), 1)
        for step in scored
    ]
    return np.asarray(found, np.float32)
