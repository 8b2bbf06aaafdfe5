"""From the file's output to classes: the largest of several logits, or the side of a single one."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinn_convert.errors import ModelError, Problem
from spinn_convert.model.load import Model

MOVING = ("Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
"""Operators that leave every value as it is."""
THRESHOLDS = {"Sigmoid": 0.5, "HardSigmoid": 0.5, "Tanh": 0.0}
"""Above which value class 1 begins, by the operator that makes a single output of a logit."""


def number_of(model: Model) -> int:
    """Return how many classes the file's output tells apart: a single value per image, two.

    Raises ModelError if the output is no vector, or if nobody knows which values are class 1.
    """
    shape = model.outputs[0][1]
    if shape == () and model.batched:  # one value per image, without an axis of its own
        shape = (1,)
    if len(model.outputs) != 1 or shape is None or prod(shape) != max(shape, default=0):
        shapes = ", ".join(f"{name} {shape or 'of any shape'}" for name, shape in model.outputs)
        what = f"has the outputs {shapes}; a classifier has one vector of logits"
        fix = "export the model with its logits as output; a detector is scored by `run`"
        raise ModelError([Problem(str(model.path), what, fix)])
    threshold(model)
    return number(prod(shape))


def number(outputs: int) -> int:
    """Return how many classes so many outputs tell apart: a single one, two."""
    return 2 if outputs == 1 else outputs


def threshold(model: Model) -> float:
    """Return above which value a single output of the file says class 1; of several, no matter.

    0 for a logit, 0.5 behind a sigmoid. Raises ModelError behind any other operator.
    """
    shape, computing = model.outputs[0][1], [o for o in model.after if o not in MOVING]
    if not computing or shape is None or prod(shape) != 1:
        return 0.0
    if len(computing) > 1 or computing[0] not in THRESHOLDS:
        what = f"has one output, made by {', '.join(computing)}: where class 1 begins is not known"
        fix = "export the model with its logit as output, or with a Sigmoid behind it"
        raise ModelError([Problem(str(model.path), what, fix)])
    return THRESHOLDS[computing[0]]


def predictions(outputs: NDArray[Any], threshold: float = 0.0) -> NDArray[np.int64]:
    """Return the class that every vector of outputs says, (...) for `outputs` (..., N).

    threshold: of a single output, which says class 0 or 1; see the function of this name.
    """
    if outputs.shape[-1] == 1:
        return (outputs[..., 0] > threshold).astype(np.int64)
    return np.asarray(outputs.argmax(-1), np.int64)
