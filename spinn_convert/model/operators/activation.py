"""Rectifiers: each is one population of neurons."""

from __future__ import annotations

from math import inf

import numpy as np

from spinn_convert.linear.ops import Relu
from spinn_convert.model.operators.registry import Array, Step, Tensor, Unsupported, Value, reads
from spinn_convert.model.operators.steps import scalar

LARGEST = float(np.finfo(np.float32).max)


@reads("Relu")
def relu(x: Tensor) -> Step:
    """Rectifier: one population of neurons."""
    return Step(Relu(), (x,))


@reads("Clip")
def clip(
    x: Tensor,
    min_input: Array | None = None,
    max_input: Array | None = None,
    *,
    min: float = -LARGEST,
    max: float = LARGEST,
) -> Value:
    """Rectifier with a ceiling, such as ReLU6."""
    low = min if min_input is None else scalar(min_input)
    high = max if max_input is None else scalar(max_input)
    if low <= -LARGEST and high >= LARGEST:
        return x
    if low != 0 or not high > 0:
        raise Unsupported(
            f"limits {low:g} and {high:g}: a spiking neuron clips from 0 to a positive ceiling",
            "train with Relu or Clip(0, c)",
        )
    return Step(Relu(inf if high >= LARGEST else high), (x,))
