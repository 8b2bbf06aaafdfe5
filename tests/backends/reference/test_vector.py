"""Vector instructions: what numpy computes, and nothing beside it."""

import numba
import numpy as np
import pytest
from numba.core.errors import TypingError

from spinn_convert.backends.reference.kernel import fire
from spinn_convert.backends.reference.vector import (
    VECTOR_BYTES,
    add_half_vector,
    add_three_vectors,
    add_vector,
)


@numba.njit
def add_three(target, at, source, start):
    add_three_vectors(target, np.uint64(at), source, np.uint64(start))


@numba.njit
def add_one(target, at, source, start):
    add_vector(target, np.uint64(at), source, np.uint64(start))


@numba.njit
def add_half(target, at, source, start):
    add_half_vector(target, np.uint64(at), source, np.uint64(start))


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@pytest.mark.parametrize(("at", "start"), [(0, 0), (3, 5), (12, 1)])
@pytest.mark.parametrize(
    ("add", "size"),
    [
        (add_three, 3 * VECTOR_BYTES),
        (add_one, VECTOR_BYTES),
        (add_half, VECTOR_BYTES // 2),
    ],
)
def test_adds_at_any_position(add, size, dtype, at, start):
    rng = np.random.default_rng(at)
    target, source = rng.integers(-(2**30), 2**30, (2, 80)).astype(dtype)
    wanted, count = target.copy(), size // target.itemsize
    wanted[at : at + count] += source[start : start + count]
    add(target, at, source, start)
    assert np.array_equal(target, wanted)


def test_refuses_two_types():
    with pytest.raises(TypingError, match="int32 and int64 differ"):
        add_one(np.zeros(16, np.int32), 0, np.zeros(16, np.int64), 0)


@pytest.mark.parametrize("subtract", [True, False])
@pytest.mark.parametrize("size", [1, 7, 8, 9, 64, 123])
def test_fires_like_numpy(size, subtract):
    rng = np.random.default_rng(size)
    one, before = 1 << 15, 3
    v, bias, reset = rng.integers(-2 * one, 2 * one, (3, size)).astype(np.int32)
    v[0] = one - bias[0]
    spikes = np.full(before + size + 8, -1, np.int32)
    potential = v + bias
    after = potential - one if subtract else reset
    count = fire(v, bias, np.zeros(0, np.int32) if subtract else reset, one, spikes, before)
    fired = np.flatnonzero(potential >= one)
    assert fired[0] == 0, "a neuron exactly at the threshold fires"
    assert spikes[before:count].tolist() == fired.tolist()
    assert np.array_equal(v, np.where(potential >= one, after, potential))
    assert (spikes[:before] == -1).all()
