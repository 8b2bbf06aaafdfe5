"""Eight integers at a time: what numpy computes, and nothing beside them."""

import numba
import numpy as np
import pytest
from numba.core.errors import TypingError

from spinn_convert.backends.reference.vector import add_eight


@numba.njit
def added(target, at, source, start):
    add_eight(target, np.uint64(at), source, np.uint64(start))


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@pytest.mark.parametrize(("at", "start"), [(0, 0), (3, 5), (12, 1)])
def test_adds_eight_at_any_position(dtype, at, start):
    rng = np.random.default_rng(at)
    target, source = rng.integers(-(2**30), 2**30, (2, 20)).astype(dtype)
    wanted = target.copy()
    wanted[at : at + 8] += source[start : start + 8]
    added(target, at, source, start)
    assert np.array_equal(target, wanted)


def test_refuses_two_types():
    with pytest.raises(TypingError, match="int32 and int64 differ"):
        added(np.zeros(8, np.int32), 0, np.zeros(8, np.int64), 0)
