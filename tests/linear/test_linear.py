"""Maps: applied by torch, as a sparse matrix, and counted, all agree."""

import numpy as np
import pytest
import torch

from spinn_convert.linear.maps import LinearMap, apply, fan_out, matrix, synapses, then
from spinn_convert.linear.ops import Conv, Dense, Gather, Scale, linear_shape
from spinn_convert.linear.share import Share


def draw_ops(rng, shape):
    ops, start = [], shape
    for _ in range(rng.integers(1, 5)):
        kind = rng.integers(0, 4)
        if kind == 0 and len(shape) == 3:
            groups = 2 if rng.random() < 0.3 and shape[0] % 2 == 0 else 1
            kernel = (1, 1) if rng.random() < 0.4 else tuple(rng.integers(1, 4, 2))
            weight = rng.standard_normal((4, shape[0] // groups, *kernel)).astype(np.float32)
            stride, dilation = (tuple(map(int, rng.integers(1, 3, 2))) for _ in range(2))
            op = Conv(weight, stride, dilation, tuple(map(int, rng.integers(0, 3, 4))), groups)
        elif kind == 1:
            factor = rng.standard_normal((shape[0], *(1,) * (len(shape) - 1)))
            op = Scale(factor.astype(np.float32))
        elif kind == 2:
            size = int(np.prod(shape))
            op = Gather(rng.integers(-1, size, size).astype(np.int32), shape)
        else:
            op = Dense(rng.standard_normal((5, int(np.prod(shape)))).astype(np.float32))
        try:
            shape = linear_shape(op, shape)
        except ValueError:
            continue
        ops.append(op)
    return LinearMap(start, tuple(ops))


@pytest.mark.parametrize("seed", range(60))
def test_merged_map_matrix_and_count_agree_with_the_plain_chain(seed):
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 3)) * 2, int(rng.integers(3, 9)), int(rng.integers(3, 9)))
    plain = draw_ops(rng, shape)
    x = torch.from_numpy(rng.standard_normal((2, *shape)).astype(np.float32))
    wanted = apply(plain, x).numpy()
    merged = then(LinearMap(shape), *plain.ops)
    tolerance = 1e-5 * max(1, np.abs(wanted).max())
    assert np.abs(apply(merged, x).numpy() - wanted).max() <= tolerance
    product = (matrix(merged) @ x.flatten(1).numpy().T).T
    assert np.abs(product.reshape(wanted.shape) - wanted).max() <= tolerance
    assert_counted_and_listed(merged)


def assert_counted_and_listed(linear, bits=20):
    """fan_out and synapses agree with the map applied to every unit vector."""
    size = int(np.prod(linear.in_shape))
    units = torch.eye(size, dtype=torch.float64).reshape(size, *linear.in_shape)
    wanted = np.rint(apply(linear, units).flatten(1).numpy() * 2.0**bits)
    found, pieces = np.zeros_like(wanted), 0
    for pre, post, weight in synapses(linear, bits):
        assert (weight != 0).all()
        found[pre, post] = weight * 2.0**bits
        pieces += len(pre)
    assert np.abs(found - wanted).max() <= max(1, 1e-5 * np.abs(wanted).max())
    assert pieces == (found != 0).sum()  # no pair of neurons is listed twice
    assert np.array_equal(fan_out(linear, bits).ravel(), (found != 0).sum(1))
    shared, ranks = np.zeros_like(wanted), 3
    for rank in range(ranks):
        for pre, post, weight in synapses(linear, bits, Share(rank, ranks)):
            assert (post % ranks == rank).all()
            shared[pre, post] += weight * 2.0**bits
    assert np.array_equal(shared, found)


def upsampled(shape, factor):
    rows, columns = (np.arange(size * factor) // factor for size in shape[1:])
    index = np.arange(np.prod(shape)).reshape(shape)[:, rows][:, :, columns]
    return Gather(index.ravel().astype(np.int32), index.shape)


def conv(rng, outputs, inputs, kernel, **kwargs):
    return Conv(rng.standard_normal((outputs, inputs, *kernel)).astype(np.float32), **kwargs)


STRUCTURED = {
    "FPN": lambda r: [upsampled((3, 4, 5), 2), conv(r, 4, 3, (3, 3), pads=(1, 1, 1, 1))],
    "upsampled twice": lambda r: [
        upsampled((3, 4, 5), 2),
        conv(r, 3, 3, (3, 3), stride=(2, 2), pads=(1, 1, 1, 1)),
        upsampled((3, 4, 5), 3),
        conv(r, 2, 3, (2, 3)),
    ],
    "mean, then dense": lambda r: [
        Conv(np.full((3, 1, 4, 5), 0.05, np.float32), groups=3),
        Dense(r.standard_normal((6, 3)).astype(np.float32)),
    ],
    "mean at the border": lambda r: [
        Conv(np.full((3, 1, 3, 3), 1 / 9, np.float32), pads=(1, 1, 1, 1), groups=3),
        Scale(9 / np.multiply.outer([4, 6, 6, 4], [4, 6, 6, 6, 4]).astype(np.float32)[None]),
        conv(r, 2, 3, (3, 3)),
    ],
    "scale per neuron": lambda r: [
        Scale(r.standard_normal((3, 4, 5)).astype(np.float32)),
        conv(r, 2, 3, (2, 2)),
    ],
    "space to depth": lambda r: [
        Gather(
            np.arange(60).reshape(3, 2, 2, 5).transpose(2, 0, 1, 3).ravel().astype(np.int32),
            (6, 2, 5),
        ),
        conv(r, 2, 6, (2, 2)),
    ],
    "every second, none": lambda r: [
        Gather(np.array([-1, 0, 2, -1, 20, 22], np.int32), (2, 1, 3)),
        conv(r, 4, 2, (1, 2)),
    ],
    "nothing": lambda r: [Gather(np.full(6, -1, np.int32), (2, 1, 3)), conv(r, 4, 2, (1, 2))],
    "flattened": lambda r: [
        conv(r, 2, 3, (2, 2)),
        Gather(np.arange(24, dtype=np.int32)[::-1].copy(), (24,)),
        Dense(r.standard_normal((4, 24)).astype(np.float32)),
    ],
    "identity": lambda r: [],
}


@pytest.mark.parametrize("name", STRUCTURED)
def test_structured_chains_are_counted_and_listed(name):
    ops = STRUCTURED[name](np.random.default_rng(3))
    assert_counted_and_listed(then(LinearMap((3, 4, 5)), *ops))


def test_a_window_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="does not fit"):
        linear_shape(Conv(np.ones((1, 1, 5, 5), np.float32)), (1, 3, 3))
