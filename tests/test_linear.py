"""Maps: applied by torch, as a sparse matrix, and counted, all agree."""

import numpy as np
import pytest
import torch

from spinn_convert.linear import LinearMap, apply, fan_out, matrix, synapses, then
from spinn_convert.ops import Conv, Dense, Gather, Scale, linear_shape


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
    assert fan_out(merged, 20).sum() == sum(len(pre) for pre, _, _ in synapses(merged, 20))


def test_a_window_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="does not fit"):
        linear_shape(Conv(np.ones((1, 1, 5, 5), np.float32)), (1, 3, 3))
