"""Whether an ONNX file scales and normalises its input itself, as --preprocess would again."""

from __future__ import annotations

import numpy as np

from spinn_convert.errors import DataError, Problem
from spinn_convert.files.preprocess import Preprocess
from spinn_convert.model import host
from spinn_convert.model.load import Model

OF_BYTES = 0.1
"""Slope of what a file does first, below which its input must be pixels from 0 to 255: 1/255, by a
standard deviation of 0.04 or more."""
LEARNT = ("BatchNormalization",)
"""Operators before the first weights that are trained, and say nothing of how pictures are."""


def check_scaling(model: Model, how: Preprocess) -> None:
    """Raise DataError where pictures would be scaled or normalised twice, or not be integers."""
    where = f"--preprocess {how}"
    if model.takes_integers:
        if how.normalises or how.scale not in (None, 1.0):
            what = f"{model.path} takes integers, which it scales itself"
            fix = "leave scale, mean and std out; say resize and crop only"
            raise DataError([Problem(where, what, fix)])
        return
    if not model.before:
        return
    ends = [np.full((1, *model.image_shape), value, np.float32) for value in (0, 1)]
    low, high = (host.core_input(model, image, 1) for image in ends)
    slope, doing = float(np.abs(high - low).max()), ", ".join(model.before)
    if 0 < slope < OF_BYTES and (how.scale is None or how.scale < OF_BYTES):
        what = f"{model.path} divides its input by {1 / slope:.3g} itself ({doing})"
        raise DataError([Problem(where, what, "add scale=1: pixels stay from 0 to 255")])
    changes = not np.allclose([low.min(), high.max()], [0, 1], atol=0.01)
    if how.normalises and changes and slope and not set(LEARNT) & set(model.before):
        what = f"{model.path} normalises its input itself ({doing}): that would be done twice"
        raise DataError([Problem(where, what, "leave mean and std out")])
