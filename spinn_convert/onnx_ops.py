"""One reader per ONNX operator.

A reader's positional parameters are the operator's inputs: a `Tensor` is computed by the network,
an array must be constant. Its keyword-only parameters are the attributes that it understands, with
ONNX's defaults. From this signature come the list of accepted attributes, the messages of refusal
and the table in the README: there is no second list to keep.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any, get_args, get_type_hints

import numpy as np

from spinn_convert.ops import Affine, Conv, Dense, Floats, Gather, Op, Relu, Scale, Shape, Sum

Array = np.ndarray


@dataclass(frozen=True)
class Tensor:
    """A tensor of the network, without its batch axis."""

    name: str
    shape: Shape


@dataclass(frozen=True, eq=False)
class Step:
    """An operator on tensors or on the results of other steps."""

    op: Op
    inputs: tuple[Tensor | Step, ...]


class Unsupported(Exception):
    """Raised by a reader: what cannot be read, and what the user can do."""

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(what)
        self.what, self.fix = what, fix


Reader = Callable[..., Step | Tensor]
READERS: dict[str, Reader] = {}


def reads(*operators: str) -> Callable[[Reader], Reader]:
    """Register a reader under the ONNX names of its operators."""

    def register(reader: Reader) -> Reader:
        for operator in operators:
            if operator in READERS:
                raise KeyError(f"two readers for {operator}")
            READERS[operator] = reader
        return reader

    return register


@cache
def signature(operator: str) -> tuple[tuple[tuple[str, Any], ...], dict[str, Any], bool]:
    """Return a reader's inputs with their types, its attributes, and if inputs repeat."""
    reader = READERS[operator]
    hints = get_type_hints(reader)
    parameters = inspect.signature(reader).parameters.values()
    inputs = tuple(
        (p.name, hints[p.name])
        for p in parameters
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL)
    )
    attributes = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    return inputs, attributes, any(p.kind is p.VAR_POSITIONAL for p in parameters)


def read(
    operator: str, inputs: Sequence[Tensor | Array | None], attributes: Mapping[str, Any]
) -> Step | Tensor:
    """Read one node; raises Unsupported, also for whatever the signature does not allow."""
    if operator not in READERS:
        raise Unsupported(
            "this operator has no spiking form",
            f"spinn_convert reads {', '.join(sorted(READERS))}",
        )
    parameters, known, repeats = signature(operator)
    unknown = sorted(set(attributes) - set(known))
    if unknown:
        values = ", ".join(f"{name}={attributes[name]!r}" for name in unknown)
        raise Unsupported(f"attribute {values} is not understood")
    if len(inputs) > len(parameters) and not repeats:
        raise Unsupported(f"has {len(inputs)} inputs, at most {len(parameters)} are understood")
    for value, (name, hint) in zip(inputs, parameters):
        accepted = get_args(hint) or (hint,)
        if isinstance(value, Tensor) and Tensor not in accepted:
            raise Unsupported(f"input {name} is computed by the network; it must be constant")
        if isinstance(value, np.ndarray) and np.ndarray not in accepted:
            raise Unsupported(f"input {name} is constant; it must come from the network")
    return READERS[operator](*inputs, **attributes)


def _float32(values: Array) -> Floats:
    return np.ascontiguousarray(values, np.float32)


def _without_batch(values: Array, rank: int) -> Floats:
    """Strip the batch axis of a constant that broadcasts to (batch, *shape of `rank`)."""
    if values.ndim == rank + 1:
        if len(values) != 1:
            raise Unsupported(f"a constant of shape {values.shape} differs along the batch axis")
        values = values[0]
    if values.ndim > rank:
        raise Unsupported(f"a constant of shape {values.shape} on a tensor of rank {rank + 1}")
    return _float32(values)


@reads("Conv")
def conv(
    x: Tensor,
    w: Array,
    b: Array | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] = (1, 1),
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    pads: Sequence[int] = (0, 0, 0, 0),
    strides: Sequence[int] = (1, 1),
) -> Step:
    """2-D convolution."""
    if w.ndim != 4:
        raise Unsupported(f"weights of shape {w.shape}: only 2-D convolutions have a spiking form")
    if auto_pad not in ("NOTSET", "VALID"):
        pads = _same_pads(x.shape, w.shape[2:], strides, dilations, auto_pad)
    top, left, bottom, right = pads
    op = Conv(
        _float32(w),
        (strides[0], strides[1]),
        (dilations[0], dilations[1]),
        (top, left, bottom, right),
        group,
    )
    return Step(Affine((op,), None if b is None else _float32(b).reshape(-1, 1, 1)), (x,))


def _same_pads(
    shape: Shape, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int], mode: str
) -> tuple[int, int, int, int]:
    """Return (top, left, bottom, right) for SAME_UPPER or SAME_LOWER."""
    begin, end = [], []
    for size, k, stride, dilation in zip(shape[1:], kernel, strides, dilations):
        needed = max(0, (-(-size // stride) - 1) * stride + dilation * (k - 1) + 1 - size)
        small, large = needed // 2, needed - needed // 2
        begin.append(small if mode == "SAME_UPPER" else large)
        end.append(large if mode == "SAME_UPPER" else small)
    return begin[0], begin[1], end[0], end[1]


@reads("Relu")
def relu(x: Tensor) -> Step:
    """Rectifier: one population of neurons."""
    return Step(Relu(), (x,))


@reads("Add")
def add(a: Tensor | Array, b: Tensor | Array) -> Step:
    """Sum of two tensors, or of a tensor and a constant."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        if a.shape != b.shape:
            raise Unsupported(f"adds shapes {a.shape} and {b.shape}; broadcasting two tensors")
        return Step(Sum(), (a, b))
    if isinstance(a, Tensor):
        return _add_constant(a, b)
    return _add_constant(b, a)


def _add_constant(tensor: Tensor | Array, constant: Tensor | Array) -> Step:
    if not isinstance(tensor, Tensor) or isinstance(constant, Tensor):
        raise Unsupported("adds two constants")
    return Step(Affine((), _without_batch(constant, len(tensor.shape))), (tensor,))


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
) -> Step:
    """Per-channel scale and shift, with the statistics stored in the file."""
    if training_mode:
        raise Unsupported("training_mode=1", "export the model in evaluation mode")
    if not spatial:
        raise Unsupported("spatial=0")
    factor = scale / np.sqrt(var.astype(np.float64) + epsilon)
    columns = (-1, *(1,) * (len(x.shape) - 1))
    bias = _float32(b - mean * factor).reshape(columns)
    return Step(Affine((Scale(_float32(factor).reshape(columns)),), bias), (x,))


@reads("GlobalAveragePool")
def global_average_pool(x: Tensor) -> Step:
    """Mean over space, which stays as (C, 1, 1)."""
    return _spatial_mean(x)


def _spatial_mean(x: Tensor) -> Step:
    channels, height, width = x.shape
    weight = np.full((channels, 1, height, width), 1 / (height * width), np.float32)
    return Step(Affine((Conv(weight, groups=channels),)), (x,))


@reads("ReduceMean")
def reduce_mean(
    x: Tensor,
    axes_input: Array | None = None,
    *,
    axes: Sequence[int] | None = None,
    keepdims: int = 1,
    noop_with_empty_axes: int = 0,
) -> Step:
    """Mean over both spatial axes."""
    chosen = axes if axes_input is None else [int(a) for a in axes_input]
    rank = len(x.shape) + 1
    if rank != 4 or chosen is None or sorted(a % rank for a in chosen) != [2, 3]:
        raise Unsupported(f"axes={chosen} of a tensor of rank {rank}; only the mean over space")
    pooled = _spatial_mean(x)
    return pooled if keepdims else _reshape(pooled, x.shape[:1])


def _reshape(x: Tensor | Step, shape: Shape) -> Step:
    return Step(Affine((Gather(np.arange(prod(shape), dtype=np.int32), shape),)), (x,))


@reads("Flatten")
def flatten(x: Tensor, *, axis: int = 1) -> Step:
    """Reshape to a vector."""
    if axis % (len(x.shape) + 1) != 1:
        raise Unsupported(f"axis={axis} flattens into the batch axis")
    return _reshape(x, (prod(x.shape),))


@reads("Reshape")
def reshape(x: Tensor, shape: Array, *, allowzero: int = 0) -> Step:
    """Reshape that leaves the batch axis alone."""
    wanted = [int(size) for size in shape]
    if not allowzero:
        wanted = [(1, *x.shape)[i] if size == 0 else size for i, size in enumerate(wanted)]
    if -1 in wanted:
        wanted[wanted.index(-1)] = prod(x.shape) // max(1, -prod(wanted))
    if wanted[:1] != [1] or prod(wanted) != prod(x.shape):
        raise Unsupported(f"shape={wanted} of a tensor {(1, *x.shape)} moves the batch axis")
    return _reshape(x, tuple(wanted[1:]))


@reads("Gemm")
def gemm(
    a: Tensor,
    b: Array,
    c: Array | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,
    transB: int = 0,
) -> Step:
    """Dense layer."""
    if transA:
        raise Unsupported("transA=1 mixes the images of a batch")
    weight = alpha * (b if transB else b.T)
    bias = None if c is None else _without_batch(beta * c, 1)
    return Step(Affine((Dense(_float32(weight)),), bias), (a,))


@reads("Identity", "Dropout")
def identity(x: Tensor, *_: Tensor | Array | None) -> Tensor:
    """Nothing at inference."""
    return x
