"""Graph -> layers: everything linear between two rectifiers becomes one map.

After folding, a layer is what one population computes: relu(sum of maps of earlier layers + bias).
Additions disappear, since projections into one population add up; what a bias turns into on its
way through padding, pooling and further convolutions is computed here once, per neuron.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from math import inf

from spinn_convert.conversion.maxima import maximum
from spinn_convert.conversion.value import Value, added, mapped, never_negative
from spinn_convert.linear.maps import LinearMap
from spinn_convert.linear.ops import Affine, Floats, Input, MaxPool, Relu, Shape, Sum
from spinn_convert.model.graph import Graph, Node


@dataclass(frozen=True, eq=False)
class Layer:
    """min(relu(sum of maps + bias), ceiling) if `kind` is "spiking"; "readout" has no rectifier.

    inputs: names of earlier layers, each with the map applied to it. bias: of the layer's shape,
    or (C, 1, 1) if constant over space. ceiling: of the activation, as of Clip or ReLU6.
    measured: the tensor of the ONNX file that has the layer's activations, from which its scale is
    calibrated. difference: whether the layer is difference neurons of a max pooling, relu(a - b)
    with a and b elements of `measured`; signed: whether these may be negative.
    """

    name: str
    kind: str
    shape: Shape
    inputs: tuple[tuple[str, LinearMap], ...] = ()
    bias: Floats | None = None
    ceiling: float = inf
    measured: str = ""
    difference: bool = False
    signed: bool = False


def fold(graph: Graph) -> tuple[Layer, ...]:
    """Return the layers in topological order: input, spiking, and a readout per graph output."""
    nodes = _rectified_first(_reachable(graph), graph.outputs)
    taken = {node.name for node in graph.nodes}
    values: dict[str, Value] = {}
    layers: list[Layer] = []
    for node, measured in nodes:
        operands = [values[name] for name in node.inputs]
        if isinstance(node.op, Affine):
            values[node.name] = mapped(operands[0], node.op)
        elif isinstance(node.op, Sum):
            values[node.name] = added(*operands)
        elif isinstance(node.op, MaxPool):
            values[node.name] = _pooled(node, measured, operands[0], layers, taken)
        else:
            layers.append(_layer(node, measured, operands))
            values[node.name] = Value(node.shape, ((node.name, LinearMap(node.shape)),))
    for name in graph.outputs:
        label = _unused(f"{name} readout", taken) if _is_layer(name, layers) else name
        value = values[name]
        bias = _full_rank(value.bias, value.shape)
        layers.append(Layer(label, "readout", value.shape, value.terms, bias, measured=name))
    return tuple(layers)


def depths(layers: Sequence[Layer]) -> dict[str, int]:
    """Return by name the number of spiking layers before each, on the longest path; input: -1."""
    found: dict[str, int] = {}
    for layer in layers:
        found[layer.name] = max((found[source] + 1 for source, _ in layer.inputs), default=-1)
    return found


def _reachable(graph: Graph) -> list[Node]:
    needed = set(graph.outputs)
    for node in reversed(graph.nodes):
        if node.name in needed:
            needed.update(node.inputs)
    return [node for node in graph.nodes if node.name in needed]


def _rectified_first(nodes: list[Node], outputs: Collection[str]) -> list[tuple[Node, str]]:
    """Return nodes and the tensors to measure, relu(max(x)) turned into the equal max(relu(x)).

    Then difference neurons have one synapse from each rectified neuron of their window; otherwise
    they would need all synapses of the layer that computes x.
    """
    readers: dict[str, list[Node]] = {}
    for node in nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)
    pools = {
        node.name: node
        for node in nodes
        if isinstance(node.op, MaxPool)
        and node.name not in outputs
        and readers[node.inputs[0]] == [node]
        and [type(reader.op) for reader in readers[node.name]] == [Relu]
    }
    shapes = {node.name: node.shape for node in nodes}
    taken, result = set(shapes), list[tuple[Node, str]]()
    for node in nodes:
        pool = pools.get(node.inputs[0]) if isinstance(node.op, Relu) else None
        if pool is not None:
            x = pool.inputs[0]
            name = _unused(f"{node.name} before pooling", taken)
            result.append((replace(node, name=name, inputs=(x,), shape=shapes[x]), x))
            result.append((replace(pool, name=node.name, inputs=(name,)), x))
        elif node.name not in pools:
            measured = node.inputs[0] if isinstance(node.op, MaxPool) else node.name
            result.append((node, measured))
    return result


def _layer(node: Node, measured: str, operands: Sequence[Value]) -> Layer:
    if isinstance(node.op, Input):
        return Layer(node.name, "input", node.shape, measured=measured)
    (value,), ceiling = operands, node.op.ceiling if isinstance(node.op, Relu) else inf
    bias = _full_rank(value.bias, value.shape)
    return Layer(node.name, "spiking", value.shape, value.terms, bias, ceiling, measured)


def _pooled(node: Node, measured: str, value: Value, layers: list[Layer], taken: set[str]) -> Value:
    """Return the maximum over windows; layers of difference neurons are appended to `layers`."""
    op, sources = node.op, {source for source, _ in value.terms}
    analog = any(layer.name in sources and layer.kind == "input" for layer in layers)
    signed = analog or not never_negative(value)

    def rectify(difference: Value) -> Value:
        name = _unused(f"{node.name} difference", taken)
        bias = _full_rank(difference.bias, difference.shape)
        layer = Layer(name, "spiking", difference.shape, difference.terms, bias, inf, measured)
        layers.append(replace(layer, difference=True, signed=signed))
        return Value(layer.shape, ((name, LinearMap(layer.shape)),))

    return maximum(value, op, rectify) if isinstance(op, MaxPool) else value


def _unused(name: str, taken: set[str]) -> str:
    """Return the name, with a number if it is taken, and add it to `taken`."""
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name} {number}"
    taken.add(found)
    return found


def _is_layer(name: str, layers: Sequence[Layer]) -> bool:
    return any(layer.name == name for layer in layers)


def _full_rank(bias: Floats | None, shape: Shape) -> Floats | None:
    return None if bias is None else bias.reshape((1,) * (len(shape) - bias.ndim) + bias.shape)
