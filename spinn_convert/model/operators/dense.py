"""Products with a constant matrix."""

from __future__ import annotations

from typing import Literal

import numpy as np

from spinn_convert.linear.ops import Dense
from spinn_convert.model.operators.registry import Array, Step, Tensor, Unsupported, reads
from spinn_convert.model.operators.remedies import GATES
from spinn_convert.model.operators.steps import (
    bias_of,
    broadcast,
    elements,
    float32,
    gather,
    linear,
    mixed,
    without_batch,
)


@reads("Gemm")
def gemm(
    a: Tensor,
    b: Array,
    c: Array | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,
    transB: Literal[0, 1] = 0,
) -> Step:
    """Dense layer."""
    if transA:
        raise Unsupported("transA=1 mixes the images of a batch")
    weight = float32(alpha * (b if transB else b.T))
    if len(a.shape) != 1 or weight.ndim != 2 or weight.shape[1] != a.shape[0] or not b.size:
        raise Unsupported(f"a matrix of shape {b.shape}, transB={transB}, on shape {a.shape}")
    if c is None:
        return linear(a, Dense(weight))
    bias, shape = without_batch(c, 1), weight.shape[:1]
    if broadcast(bias.shape, shape) != shape:
        raise Unsupported(f"C of shape {c.shape} does not broadcast to {shape}")
    return linear(a, Dense(weight), bias=bias_of(float32(beta * bias), shape))


@reads("MatMul")
def matmul(a: Tensor | Array, b: Tensor | Array) -> Step:
    """Product of a constant matrix and the last axis of a tensor, or the one before the last."""
    if isinstance(a, Tensor):
        if not isinstance(b, Tensor) and b.ndim == 1:
            return _along(a, -1, b[None], dropped=True)
        return _along(a, -1, _matrix(b, len(a.shape) + 1).T)
    if isinstance(b, Tensor):
        if len(b.shape) < 2:
            raise Unsupported("a constant left of a tensor (batch, N) mixes the images of a batch")
        if a.ndim == 1:
            return _along(b, -2, a[None], dropped=True)
        return _along(b, -2, _matrix(a, len(b.shape) + 1))
    raise Unsupported("multiplies two constants")


def _matrix(values: Tensor | Array, rank: int) -> Array:
    """Return the one matrix that multiplies everything."""
    if isinstance(values, Tensor):
        raise Unsupported("multiplies two tensors of the network", GATES)
    if not 2 <= values.ndim <= rank:
        raise Unsupported(f"a constant of shape {values.shape} on a tensor of rank {rank}")
    if any(size != 1 for size in values.shape[:-2]):
        raise Unsupported(f"several matrices, {values.shape}", "use one matrix per MatMul")
    return values.reshape(values.shape[-2:])


def _along(x: Tensor, axis: int, weight: Array, dropped: bool = False) -> Step:
    """Multiply one axis by weights (M, N); the axis is dropped for a vector (M = 1)."""
    if weight.shape[1] != x.shape[axis] or not weight.size:
        raise Unsupported(f"a matrix of shape {weight.shape[::-1]} on shape {x.shape}")
    if len(x.shape) == 1 and not dropped:
        return linear(x, Dense(float32(weight)))
    chosen = len(x.shape) + axis
    kept = tuple(size for place, size in enumerate(x.shape) if place != chosen)
    back = np.moveaxis(elements((len(weight), *kept)), 0, chosen)
    if dropped:
        back = back.squeeze(chosen)
    return linear(x, *mixed(x.shape, (chosen,), float32(weight)), gather(back))
