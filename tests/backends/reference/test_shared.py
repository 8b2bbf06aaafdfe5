"""Shared weights of chains of operators, against the matrix of the whole chain."""

from __future__ import annotations

import numpy as np
import pytest

from spinn_convert.backends.reference.shared import shared
from spinn_convert.linear.maps import LinearMap, matrix, then
from spinn_convert.linear.ops import Conv, Dense, Gather

BITS, ONE = 14, 1 << 15
SHAPE = (6, 5, 7)


def conv(outputs, inputs, kernel, **settings):
    weight = np.random.default_rng(kernel + outputs).standard_normal(
        (outputs, inputs, *2 * (kernel,))
    )
    return Conv(np.asarray(weight, np.float32), **settings)


def doubled(shape):
    """Return the nearest-neighbour upsampling of a feature pyramid."""
    index = np.arange(np.prod(shape)).reshape(shape).repeat(2, 1).repeat(2, 2)
    return Gather(index.ravel().astype(np.int32), index.shape)


def mean(channels, size):
    weight = np.eye(channels)[:, :, None, None] * np.full((size, size), 1 / size**2)
    return Conv(np.asarray(weight, np.float32), stride=(size, size))


CHAINS = {
    "convolution": [conv(4, 6, 3, pads=(1, 1, 1, 1))],
    "even kernel, stride, other pads": [conv(4, 6, 2, stride=(2, 1), pads=(1, 0, 0, 1))],
    "dilated": [conv(4, 6, 3, dilation=(2, 2), pads=(2, 2, 2, 2))],
    "1x1": [conv(9, 6, 1)],
    "two convolutions": [conv(4, 6, 3, pads=(1, 1, 1, 1)), conv(5, 4, 3, stride=(2, 2))],
    "upsampled, then convolution": [doubled(SHAPE), conv(4, 6, 3, pads=(1, 1, 1, 1))],
    "mean, then convolution": [mean(6, 2), conv(4, 6, 1)],
    "two means": [mean(6, 2), conv(8, 6, 1), mean(8, 2), conv(8, 8, 1)],
}


def expanded(found, linear):
    """Return the matrix (outputs, inputs) that the kernel adds spike by spike, channels first."""
    source, target = linear.in_shape, linear.out_shape
    rows = np.zeros((np.prod(source[1:]), source[0], np.prod(target[1:]) * target[0]), np.int64)
    flat = found.weights.reshape(source[0], -1).astype(np.int64)
    for place in range(len(rows)):
        for first, weight, length in found.runs[found.limits[place] : found.limits[place + 1]]:
            rows[place, :, first : first + length] += flat[:, weight : weight + length]
    rows = rows.reshape(-1, source[0], np.prod(target[1:]), target[0])
    return rows.transpose(3, 2, 1, 0).reshape(np.prod(target), np.prod(source))


@pytest.mark.parametrize("name", CHAINS)
def test_every_spike_adds_its_column_of_the_matrix(name):
    linear = then(LinearMap(SHAPE), *CHAINS[name])
    found = shared(linear, BITS, ONE)
    wanted = np.rint(matrix(linear).toarray().astype(np.float64) * (1 << BITS)) * 2
    assert np.array_equal(expanded(found, linear), wanted)
    assert found.most == np.abs(wanted).sum(1).max()


def test_a_vector_has_one_place():
    linear = LinearMap((20,), (Dense(np.random.default_rng(0).random((3, 20), np.float32)),))
    found = shared(linear, BITS, ONE)
    assert found.weights.shape == (20, 1, 3)
    assert found.runs.tolist() == [[0, 0, 3]]


def test_kernel_rows_are_one_run():
    found = shared(LinearMap(SHAPE, tuple(CHAINS["convolution"])), BITS, ONE)
    inside = 2 * SHAPE[2] + 3
    assert found.limits[inside + 1] - found.limits[inside] == 3


@pytest.mark.parametrize(
    "op",
    [
        Conv(np.ones((6, 1, 3, 3), np.float32), groups=6),
        Dense(np.ones((3, 210), np.float32)),
        Gather(np.arange(210, dtype=np.int32)[::-1].copy(), SHAPE),
    ],
    ids=["depthwise", "from places", "mirrored"],
)
def test_what_shares_little_is_listed(op):
    assert shared(LinearMap(SHAPE, (op,)), BITS, ONE) is None
