"""Tensors between two rectifiers: sums of linear maps of the layers before them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinn_convert.linear.maps import LinearMap, apply, then
from spinn_convert.linear.ops import Affine, Conv, Dense, Floats, Gather, Scale, Shape


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor of `shape`: the sum over `terms` of a map applied to a layer, plus `bias`.

    terms: name of a layer, and the map. bias: broadcasts to `shape`; None for zero.
    """

    shape: Shape
    terms: tuple[tuple[str, LinearMap], ...]
    bias: Floats | None = None


def mapped(value: Value, op: Affine) -> Value:
    """Return the value behind a chain of linear operators and a bias."""
    terms = tuple((source, then(linear, *op.ops)) for source, linear in value.terms)
    shape, bias = LinearMap(value.shape, op.ops).out_shape, value.bias
    if bias is not None and op.ops:
        import torch

        full = np.array(np.broadcast_to(bias, value.shape), np.float32, order="C")
        moved = apply(LinearMap(value.shape, op.ops), torch.from_numpy(full)[None])[0]
        bias = moved.numpy()
    return Value(shape, terms, _plus(bias, op.bias))


def gathered(value: Value, op: Gather) -> Value:
    """Return a value that copies elements of this one."""
    return mapped(value, Affine((op,)))


def negated(value: Value) -> Value:
    """Return minus the value."""
    return mapped(value, Affine((Scale(np.full((1,) * len(value.shape), -1, np.float32)),)))


def added(*values: Value) -> Value:
    """Return the sum of values of one shape."""
    total = values[0]
    for value in values[1:]:
        total = Value(total.shape, total.terms + value.terms, _plus(total.bias, value.bias))
    return total


def never_negative(value: Value) -> bool:
    """Return if the value is a sum of rectified layers without negative weights or biases."""
    factors = [
        op.weight if isinstance(op, Conv | Dense) else op.factor
        for _, linear in value.terms
        for op in linear.ops
        if not isinstance(op, Gather)
    ]
    return all((factor >= 0).all() for factor in (*factors, value.bias) if factor is not None)


def _plus(a: Floats | None, b: Floats | None) -> Floats | None:
    if a is None or b is None:
        return b if a is None else a
    return np.asarray(a + b, np.float32)
