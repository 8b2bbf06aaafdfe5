"""ONNX nodes -> nodes of the graph, by the reader of each operator."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

import onnx
from onnx import helper, numpy_helper

from spinn_convert.errors import ModelError
from spinn_convert.linear.maps import LinearMap
from spinn_convert.linear.ops import Affine, MaxPool, Shape, pooled_shape
from spinn_convert.model.graph import Node
from spinn_convert.model.moved import Astray, File, Moved, moved, of_one_image
from spinn_convert.model.operators import Array, Step, Tensor, Unsupported, read
from spinn_convert.model.reading import reads
from spinn_convert.model.refusal import Refused, together

Values = dict[str, Tensor | Array | Moved | None]


@dataclass(frozen=True)
class Names:
    """Tensors that the model returns or that nodes read; all names that a step may not take."""

    used: frozenset[str]
    taken: set[str]


def constants(graph: onnx.GraphProto) -> Values:
    """Return all stored weights by name."""
    values: Values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    values[""] = None
    return values


def used_tensors(graph: onnx.GraphProto, nodes: Iterable[onnx.NodeProto] | None = None) -> set[str]:
    """Return all tensors that the model returns or that nodes read."""
    reading = graph.node if nodes is None else nodes
    return {value.name for value in graph.output} | {n for node in reading for n in reads(node)}


def names_of(graph: onnx.GraphProto) -> Names:
    """Return the names of all tensors of a graph."""
    used = used_tensors(graph)
    made = {name for node in graph.node for name in node.output}
    own = {value.name for value in (*graph.input, *graph.initializer)}
    return Names(frozenset(used), used | made | own)


def read_nodes(
    file: File,
    protos: Iterable[onnx.NodeProto],
    values: Values,
    names: Names,
    shapes: Mapping[str, Shape] | None = None,
) -> list[Node]:
    """Read nodes and add their results to `values`, which holds what they depend on.

    shapes: of tensors, with the batch axis; they allow to go on behind a node that was refused.
    Raises ModelError with everything that could not be read.
    """
    nodes: list[Node] = []
    refused = []
    for proto in protos:
        if not all(name in values for name in proto.input):
            continue  # made by a node that was refused
        try:
            nodes += read_node(file, proto, values, names)
        except Unsupported as error:
            node = error.node if isinstance(error, Astray) else proto
            refused.append(Refused(named(node), node.op_type, error.what, error.fix))
            if node is not proto:
                continue
            known = {name: (shapes or {}).get(name, ()) for name in proto.output}
            values.update({name: Tensor(name, s[1:]) for name, s in known.items() if len(s) > 1})
    if refused:
        raise ModelError(together(file.source.path, refused))
    return nodes


def named(node: onnx.NodeProto) -> str:
    """Return how messages name a node: as the file does, or by its first output."""
    return node.name or node.output[0]


def read_node(file: File, proto: onnx.NodeProto, values: Values, names: Names) -> list[Node]:
    """Read one node and add its outputs to `values`; raises Unsupported."""
    try:
        results = _results(file, proto, values, names.used)
        found = {name: list(_flatten(step, name, names.taken)) for name, step in results.items()}
    except ValueError as error:
        raise Unsupported(str(error)) from error
    for name, nodes in found.items():
        step = results[name]
        values[name] = Tensor(name, nodes[-1].shape) if isinstance(step, Step) else step
    return [node for nodes in found.values() for node in nodes]


def _results(
    file: File, node: onnx.NodeProto, values: Values, used: Collection[str]
) -> Mapping[str, Step | Tensor | Array | Moved]:
    """Return what the node's outputs are, by name; those that nothing uses may be missing."""
    operator = (
        f"{node.domain}.{node.op_type}" if node.domain not in ("", "ai.onnx") else node.op_type
    )
    attributes = {a.name: _attribute(a) for a in node.attribute}
    inputs = [values[name] for name in node.input]
    try:
        own = of_one_image(file, node, inputs)
        result = read(operator, own, attributes, len(node.output))
    except Unsupported as error:
        return moved(file, node, inputs, error)
    results = result if isinstance(result, tuple) else (result,)
    for position, name in enumerate(node.output):
        if position >= len(results) and name and name in used:
            raise Unsupported(f"its output {position + 1} ({name}) has no spiking form")
    return {name: value for name, value in zip(node.output, results) if name}


def _attribute(attribute: onnx.AttributeProto) -> object:
    value = helper.get_attribute_value(attribute)
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    return value.decode() if isinstance(value, bytes) else value


def _flatten(step: Step | Tensor | Array | Moved, name: str, taken: set[str]) -> Iterator[Node]:
    """Yield the nodes of a step, operands first; an operand that is a step gets a derived name."""
    if not isinstance(step, Step):
        return
    inputs = []
    for position, operand in enumerate(step.inputs):
        if isinstance(operand, Tensor):
            inputs.append(operand)
            continue
        inner = list(_flatten(operand, _derived(f"{name}.{position}", taken), taken))
        yield from inner
        inputs.append(Tensor(inner[-1].name, inner[-1].shape))
    shape = inputs[0].shape
    if isinstance(step.op, Affine):
        shape = LinearMap(shape, step.op.ops).out_shape
    elif isinstance(step.op, MaxPool):
        shape = pooled_shape(step.op, shape)
    yield Node(name, step.op, tuple(tensor.name for tensor in inputs), shape)


def _derived(name: str, taken: set[str]) -> str:
    """Return the name, longer if a tensor of the file has it, and take it."""
    while name in taken:
        name += "'"
    taken.add(name)
    return name
