"""Any map between feature maps as one square convolution: the same matrix, or a reason."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spinn_convert.linear.convolution import as_convolution
from spinn_convert.linear.maps import LinearMap, apply, then
from spinn_convert.linear.ops import Conv, Dense, Gather, Scale


def weights(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


def sliced(shape, *parts):
    """Return the Gather that takes parts of a feature map (C, H, W)."""
    index = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)[parts]
    return Gather(index.ravel(), index.shape)


def drawn(rng):
    """Return a random convolution, grouped or dilated or padded unevenly, and its input's shape."""
    groups = int(rng.integers(1, 3))
    kernel, stride, dilation = (tuple(map(int, rng.integers(1, 4, 2))) for _ in range(3))
    pads = tuple(map(int, rng.integers(0, 3, 4)))
    shape = (4, *(d * (k - 1) + int(rng.integers(1, 8)) for k, d in zip(kernel, dilation)))
    return shape, [Conv(weights(rng, 6, 4 // groups, *kernel), stride, dilation, pads, groups)]


CHAINS = {
    "scale": lambda r: ((3, 4, 5), [Scale(weights(r, 3, 1, 1))]),
    "identity": lambda r: ((3, 4, 5), []),
    "every second place": lambda r: (
        (2, 7, 6),
        [sliced((2, 7, 6), slice(None), slice(1, None, 2), slice(0, None, 2))],
    ),
    "a corner": lambda r: ((2, 7, 6), [sliced((2, 7, 6), slice(None), slice(3), slice(1, 5))]),
    "channels in another order": lambda r: (
        (4, 3, 3),
        [sliced((4, 3, 3), [2, 0, 3]), Scale(weights(r, 3, 1, 1))],
    ),
    "mean, then another": lambda r: (
        (2, 8, 8),
        [
            Conv(np.full((2, 1, 2, 2), 0.25, np.float32), (2, 2), groups=2),
            Conv(weights(r, 3, 2, 3, 3)),
        ],
    ),
    "mean of everything": lambda r: (
        (3, 4, 5),
        [Conv(np.full((3, 1, 4, 5), 0.05, np.float32), groups=3)],
    ),
    "nothing": lambda r: ((2, 3, 3), [Conv(np.zeros((2, 2, 3, 3), np.float32))]),
}


def assert_same(linear):
    found = as_convolution(linear)
    assert isinstance(found, Conv), found
    _, _, height, width = found.weight.shape
    assert height == width
    assert (found.pads[:2], found.dilation, found.groups) == (found.pads[2:], (1, 1), 1)
    x = torch.randn(2, *linear.in_shape, generator=torch.Generator().manual_seed(0))
    wanted = apply(linear, x)
    got = torch.nn.functional.conv2d(
        x, torch.from_numpy(found.weight), None, found.stride, found.pads[:2]
    )
    assert got.shape == wanted.shape
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CHAINS)
def test_chains(name):
    shape, ops = CHAINS[name](np.random.default_rng(0))
    assert_same(then(LinearMap(shape), *ops))


@pytest.mark.parametrize("seed", range(80))
def test_convolutions_of_every_kind(seed):
    """torch computes both; a kernel that no square holds with even padding is told as that."""
    shape, ops = drawn(np.random.default_rng(seed))
    linear = LinearMap(shape, tuple(ops))
    if as_convolution(linear) == "connects nothing":
        assert not apply(linear, torch.ones(1, *shape)).any()
    elif as_convolution(linear) == "needs a kernel that is not square":
        assert not any(_fits(linear, size) for size in range(1, 40))
    else:
        assert_same(linear)


def _fits(linear, size):
    """Return if a kernel of `size` can hold the map's, tried by brute force."""
    (op,) = linear.ops
    for axis in (0, 1):
        extent = op.dilation[axis] * (op.weight.shape[2 + axis] - 1) + 1
        before, after = op.pads[axis], op.pads[axis + 2]
        inputs = linear.in_shape[1 + axis]
        wanted = (inputs + before + after - extent) // op.stride[axis] + 1
        room = range(max(0, before), before + size - extent + 1)
        if not any((inputs + 2 * p - size) // op.stride[axis] + 1 == wanted for p in room):
            return False
    return True


def test_even_and_odd_loss_of_rows_and_columns_has_no_square_kernel():
    op = Conv(np.ones((1, 1, 2, 3), np.float32))
    assert as_convolution(LinearMap((1, 6, 6), (op,))) == "needs a kernel that is not square"


def test_what_is_no_convolution():
    rows = np.arange(16, dtype=np.int32).reshape(1, 4, 4).repeat(2, 1).repeat(2, 2)
    upsampling = Gather(rows.ravel(), rows.shape)
    per_neuron = Scale(np.arange(1, 17, dtype=np.float32).reshape(1, 4, 4))
    turned = sliced((1, 4, 4), slice(None), slice(None, None, -1))
    transposed = Gather(np.arange(18, dtype=np.int32).reshape(2, 9).T.ravel(), (9, 1, 2))
    for op in (upsampling, per_neuron, turned):
        said = as_convolution(LinearMap((1, 4, 4), (op,)))
        assert said == "does not treat all places alike"
    said = as_convolution(LinearMap((2, 3, 3), (transposed,)))
    assert said == "moves values between channels and places"
    flat = as_convolution(LinearMap((1, 4, 4), (Dense(np.ones((3, 16), np.float32)),)))
    assert flat == "makes the shape (3,) of (1, 4, 4), not a feature map of another"
