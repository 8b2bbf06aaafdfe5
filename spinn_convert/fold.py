"""Graph -> layers: everything linear between two rectifiers becomes one map.

After folding, a layer is what one population computes: relu(sum of maps of earlier layers + bias).
Additions disappear, since projections into one population add up; what a bias turns into on its
way through padding, pooling and further convolutions is computed here once, per neuron.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

import numpy as np

from spinn_convert.errors import ConversionError, Problem
from spinn_convert.graph import Graph, Node
from spinn_convert.linear import LinearMap, apply, then
from spinn_convert.ops import Affine, Floats, Input, MaxPool, Relu, Shape, Sum


@dataclass(frozen=True, eq=False)
class Layer:
    """min(relu(sum of maps + bias), ceiling) if spiking; without rectifier if a readout.

    `bias` has the layer's shape or is (C, 1, 1) when it is constant over space.
    """

    name: str
    kind: str
    shape: Shape
    inputs: tuple[tuple[str, LinearMap], ...] = ()
    bias: Floats | None = None
    ceiling: float = inf


@dataclass(frozen=True, eq=False)
class _Value:
    """A tensor as a linear combination of layers; the bias broadcasts to `shape`."""

    shape: Shape
    terms: tuple[tuple[str, LinearMap], ...]
    bias: Floats | None = None


def fold(graph: Graph) -> tuple[Layer, ...]:
    """Return the layers in topological order: input, spiking, and a readout per graph output.

    Raises ConversionError for an operator that needs neurons and has none.
    """
    nodes = _reachable(graph)
    _refuse_max_pooling(nodes)
    values: dict[str, _Value] = {}
    layers: list[Layer] = []
    for node in nodes:
        operands = [values[name] for name in node.inputs]
        if isinstance(node.op, Input):
            layers.append(Layer(node.name, "input", node.shape))
        elif isinstance(node.op, Affine):
            values[node.name] = _affine(operands[0], node.op, node.shape)
            continue
        elif isinstance(node.op, Sum):
            values[node.name] = _sum(operands)
            continue
        elif isinstance(node.op, Relu):
            layers.append(_layer(node.name, "spiking", operands[0], node.op.ceiling))
        values[node.name] = _Value(node.shape, ((node.name, LinearMap(node.shape)),))
    taken = {layer.name for layer in layers}
    for name in graph.outputs:
        label = f"{name} readout" if name in taken else name
        layers.append(_layer(label, "readout", values[name], inf))
    return tuple(layers)


def _refuse_max_pooling(nodes: list[Node]) -> None:
    problems = [
        Problem(
            f"node that makes {node.name} (MaxPool)",
            "max pooling has no spiking form yet",
            "train with average pooling, or with a stride of the convolution before it",
        )
        for node in nodes
        if isinstance(node.op, MaxPool)
    ]
    if problems:
        raise ConversionError(problems)


def _reachable(graph: Graph) -> list[Node]:
    needed = set(graph.outputs)
    for node in reversed(graph.nodes):
        if node.name in needed:
            needed.update(node.inputs)
    return [node for node in graph.nodes if node.name in needed]


def _layer(name: str, kind: str, value: _Value, ceiling: float) -> Layer:
    bias = value.bias
    if bias is not None:
        bias = bias.reshape((1,) * (len(value.shape) - bias.ndim) + bias.shape)
    return Layer(name, kind, value.shape, value.terms, bias, ceiling)


def _affine(value: _Value, op: Affine, shape: Shape) -> _Value:
    terms = tuple((source, then(linear, *op.ops)) for source, linear in value.terms)
    bias = value.bias
    if bias is not None and op.ops:
        import torch

        full = np.ascontiguousarray(np.broadcast_to(bias, value.shape), np.float32)
        mapped = apply(LinearMap(value.shape, op.ops), torch.from_numpy(full)[None])[0]
        bias = mapped.numpy()
    return _Value(shape, terms, _add(bias, op.bias))


def _sum(values: list[_Value]) -> _Value:
    total = values[0]
    for value in values[1:]:
        total = replace(total, terms=total.terms + value.terms, bias=_add(total.bias, value.bias))
    return total


def _add(a: Floats | None, b: Floats | None) -> Floats | None:
    if a is None or b is None:
        return b if a is None else a
    return np.asarray(a + b, np.float32)
