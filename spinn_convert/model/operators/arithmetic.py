"""Sums of tensors and constants, products with constants, batch normalisation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spinn_convert.linear.ops import Floats, LinearOp, Scale, Shape, Sum
from spinn_convert.model.operators.registry import Array, Step, Tensor, Unsupported, Value, reads
from spinn_convert.model.operators.remedies import GATES
from spinn_convert.model.operators.steps import (
    bias_of,
    broadcast,
    float32,
    linear,
    repeated,
    without_batch,
)

Operand = Tensor | Array


@reads("Add")
def add(a: Tensor | Array, b: Tensor | Array) -> Value:
    """Sum of two tensors, or of a tensor and a constant."""
    return _total(((1, a), (1, b)))


@reads("Sub")
def sub(a: Tensor | Array, b: Tensor | Array) -> Value:
    """Difference of two tensors, or of a tensor and a constant, in either order."""
    return _total(((1, a), (-1, b)))


@reads("Sum")
def total(*terms: Tensor | Array) -> Value:
    """Sum of any number of tensors and constants."""
    return _total([(1, term) for term in terms])


@reads("Neg")
def neg(x: Tensor) -> Value:
    """Change the sign."""
    return _total(((-1, x),))


def _total(terms: Sequence[tuple[int, Operand]]) -> Value:
    """Return the sum of signed terms, with ONNX's broadcasting."""
    tensors = [(sign, term) for sign, term in terms if isinstance(term, Tensor)]
    constants = [(sign, term) for sign, term in terms if isinstance(term, np.ndarray)]
    shape = _common_shape([t for _, t in tensors], [c for _, c in constants])
    bias: Floats | None = None
    if constants:
        added = [sign * without_batch(term, len(shape)) for sign, term in constants]
        bias = bias_of(float32(sum(added[1:], added[0])), shape)
    factors: dict[Tensor, int] = {}
    for sign, tensor in tensors:
        factors[tensor] = factors.get(tensor, 0) + sign
    chains = [(x, _scaled(x, factor, shape)) for x, factor in factors.items()]
    if len(chains) == 1:
        tensor, ops = chains[0]
        return linear(tensor, *ops, bias=bias) if ops or bias is not None else tensor
    summed = Step(Sum(), tuple(linear(x, *ops) if ops else x for x, ops in chains))
    return summed if bias is None else linear(summed, bias=bias)


def _scaled(x: Tensor, factor: int, shape: Shape) -> tuple[LinearOp, ...]:
    """Return the operators that bring a term of a sum to its factor and shape."""
    ops: tuple[LinearOp, ...] = repeated(x.shape, shape)
    if factor == 1:
        return ops
    return Scale(np.full((1,) * len(x.shape), factor, np.float32)), *ops


def _common_shape(tensors: Sequence[Tensor], constants: Sequence[Array]) -> Shape:
    """Return the shape, without batch, of an elementwise operator's result."""
    if not tensors:
        raise Unsupported("all its inputs are constant")
    ranks = {len(tensor.shape) for tensor in tensors}
    if len(ranks) > 1:
        listed = ", ".join(str(("batch", *tensor.shape)) for tensor in tensors)
        raise Unsupported(f"shapes {listed} mix the batch axis with others")
    (rank,) = ranks
    for constant in constants:
        without_batch(constant, rank)
    shape = broadcast(*((1, *t.shape) for t in tensors), *(c.shape for c in constants))
    if 0 in shape:
        raise Unsupported(f"its result of shape {shape} is empty")
    return shape[1:]


@reads("Mul")
def mul(a: Tensor | Array, b: Tensor | Array) -> Value:
    """Product of a tensor and a constant."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        raise Unsupported("multiplies two tensors of the network", GATES)
    if isinstance(a, Tensor):
        return _product(a, b)
    return _product(b, a)


@reads("Div")
def div(a: Tensor, b: Tensor | Array) -> Value:
    """Tensor divided by a constant."""
    if isinstance(b, Tensor):
        raise Unsupported(
            "divides by a tensor of the network", "divide by constants: spikes cannot divide"
        )
    if b.dtype.kind != "f" or not b.all():
        raise Unsupported("divides by a constant that has zeros or is not floating point")
    return _product(a, 1 / b.astype(np.float64))


def _product(tensor: Operand, constant: Operand) -> Value:
    if not isinstance(tensor, Tensor) or isinstance(constant, Tensor):
        raise Unsupported("all its inputs are constant")
    shape = _common_shape([tensor], [constant])
    factor = without_batch(constant, len(shape))
    return linear(tensor, *repeated(tensor.shape, shape), Scale(factor))


@reads("BatchNormalization")
def batch_normalization(
    x: Tensor,
    scale: Array,
    b: Array,
    mean: Array,
    var: Array,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    spatial: int = 1,
    training_mode: int = 0,
) -> Value:
    """Per-channel scale and shift, with the statistics stored in the file."""
    if training_mode:
        raise Unsupported("training_mode=1", "export the model in evaluation mode")
    if spatial != 1:
        raise Unsupported(f"spatial={spatial}: onnxruntime has statistics per channel only")
    if any(values.shape != x.shape[:1] for values in (scale, b, mean, var)):
        raise Unsupported(f"statistics of shapes {scale.shape}, {var.shape} on shape {x.shape}")
    deviation = var.astype(np.float64) + epsilon
    if not (deviation > 0).all():
        raise Unsupported("a variance is negative", "train or export the model again")
    factor = scale / np.sqrt(deviation)
    columns = (-1, *(1,) * (len(x.shape) - 1))
    bias = float32(b - mean * factor).reshape(columns)
    return linear(x, Scale(float32(factor).reshape(columns)), bias=bias)
