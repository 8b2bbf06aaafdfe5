"""ONNX file -> Model: onnxruntime simplifies, then one reader per operator."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from spinn_convert.errors import ModelError, Problem
from spinn_convert.graph import Graph, Node
from spinn_convert.linear import LinearMap
from spinn_convert.onnx_ops import Array, Step, Tensor, Unsupported, read
from spinn_convert.ops import Affine, Input, MaxPool, Shape, pooled_shape


@dataclass(frozen=True, eq=False)
class Model:
    """An ONNX file: its graph as we read it, and the file itself for onnxruntime."""

    path: Path
    sha256: str
    graph: Graph
    proto: onnx.ModelProto
    input_shape: Shape
    batch: int | None


def load(path: Path) -> Model:
    """Read an ONNX classifier.

    Raises ModelError that lists every node, attribute and weight that cannot be read.
    """
    proto, sha256 = _parse(path)
    name, shape, batch = _input(path, proto)
    simple = simplify(proto, 1, path)
    graph = _graph(path, simple, name, shape)
    return Model(path, sha256, graph, proto, shape, batch)


def runnable(model: Model, outputs: Sequence[str], batch: int) -> bytes:
    """Return the simplified model for a fixed batch, with any tensors as its outputs."""
    simple = simplify(model.proto, model.batch or batch, model.path)
    del simple.graph.output[:]
    for name in outputs:
        simple.graph.output.append(
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        )
    return bytes(simple.SerializeToString())


def _parse(path: Path) -> tuple[onnx.ModelProto, str]:
    try:
        content = path.read_bytes()
    except OSError as error:
        fix = "check the path" if not path.exists() else "check that it is a readable file"
        raise ModelError([Problem(str(path), error.strerror or str(error), fix)]) from error
    try:
        proto = onnx.load(path)
    except Exception as error:  # protobuf raises types of its own, external data OSError
        what = f"this is not a complete ONNX file ({error})"
        raise ModelError([Problem(str(path), what, "export the model again")]) from error
    if not proto.graph.node:
        what = "this is not an ONNX file, or it has no nodes"
        raise ModelError([Problem(str(path), what, "export the model again")])
    _refuse_nan(path, proto)
    return proto, hashlib.sha256(content).hexdigest()


def _refuse_nan(path: Path, proto: onnx.ModelProto) -> None:
    problems = []
    for tensor in proto.graph.initializer:
        if tensor.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16):
            bad = int((~np.isfinite(numpy_helper.to_array(tensor))).sum())
            if bad:
                what = f"{bad} values of weight {tensor.name} are NaN or infinite"
                problems.append(Problem(str(path), what, "train or export the model again"))
    if problems:
        raise ModelError(problems)


def _input(path: Path, proto: onnx.ModelProto) -> tuple[str, Shape, int | None]:
    """Return the name, shape without batch, and batch size (None if dynamic) of the input."""
    stored = {tensor.name for tensor in proto.graph.initializer}
    inputs = [value for value in proto.graph.input if value.name not in stored]
    if len(inputs) != 1:
        what = f"has {len(inputs)} inputs ({', '.join(value.name for value in inputs)})"
        raise ModelError([Problem(str(path), what, "export a model with one image input")])
    dims = inputs[0].type.tensor_type.shape.dim
    sizes = [dim.dim_value for dim in dims]
    if len(sizes) < 2 or any(size < 1 for size in sizes[1:]):
        shown = [dim.dim_param or dim.dim_value for dim in dims]
        what = f"input {inputs[0].name} has shape {shown}; all but the batch axis must be fixed"
        raise ModelError([Problem(str(path), what, "export the model with a fixed image size")])
    return inputs[0].name, tuple(sizes[1:]), sizes[0] or None


def simplify(proto: onnx.ModelProto, batch: int, path: Path) -> onnx.ModelProto:
    """Return the model with the batch fixed, folded by onnxruntime's basic optimisations."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(proto)
    stored = {tensor.name for tensor in fixed.graph.initializer}
    for value in fixed.graph.input:
        if value.name not in stored:
            value.type.tensor_type.shape.dim[0].dim_value = batch
    del fixed.graph.value_info[:]
    for value in fixed.graph.output:
        value.type.tensor_type.ClearField("shape")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "simple.onnx"
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(target)
        options.log_severity_level = 4
        try:
            onnxruntime.InferenceSession(
                fixed.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
            return onnx.load(target)
        except Exception as error:  # onnxruntime raises a dozen types of its own
            reason = str(error).strip().splitlines()[0]
            what = f"onnxruntime cannot load this model ({reason})"
            raise ModelError([Problem(str(path), what, "export the model again")]) from error


def _graph(path: Path, proto: onnx.ModelProto, input_name: str, shape: Shape) -> Graph:
    """Read all nodes, or raise ModelError with everything that could not be read."""
    values: dict[str, Tensor | Array | None] = {
        tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer
    }
    values[""], values[input_name] = None, Tensor(input_name, shape)
    nodes = [Node(input_name, Input(), (), shape)]
    problems = []
    used = _used(proto)
    for node in proto.graph.node:
        if not all(name in values for name in node.input):
            continue  # made by a node that was refused
        where = f"{path}, node {node.name or node.output[0]} ({node.op_type})"
        try:
            results = _read(node, values, used)
            read_nodes = {name: list(_flatten(step, name)) for name, step in results.items()}
        except Unsupported as error:
            problems.append(Problem(where, error.what, error.fix))
            continue
        except ValueError as error:
            problems.append(Problem(where, str(error)))
            continue
        for name, new in read_nodes.items():
            nodes += new
            step = results[name]
            values[name] = Tensor(name, new[-1].shape) if isinstance(step, Step) else step
    if problems:
        raise ModelError(problems)
    outputs = [values[value.name] for value in proto.graph.output]
    return Graph(tuple(nodes), tuple(o.name for o in outputs if isinstance(o, Tensor)))


def _used(proto: onnx.ModelProto) -> set[str]:
    """Return the names of all tensors that a node reads or the model returns."""
    read_by_nodes = {name for node in proto.graph.node for name in node.input}
    return read_by_nodes | {value.name for value in proto.graph.output}


def _read(
    node: onnx.NodeProto, values: Mapping[str, Tensor | Array | None], used: set[str]
) -> dict[str, Step | Tensor | Array]:
    """Return what the node's outputs are, by name; those that nothing uses may be missing."""
    operator = (
        f"{node.domain}.{node.op_type}" if node.domain not in ("", "ai.onnx") else node.op_type
    )
    attributes = {a.name: _attribute(a) for a in node.attribute}
    inputs = [values[name] for name in node.input]
    result = read(operator, inputs, attributes, len(node.output))
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


def _flatten(step: Step | Tensor | Array, name: str) -> Iterator[Node]:
    """Yield the nodes of a step, operands first; an operand that is a step gets a derived name."""
    if not isinstance(step, Step):
        return
    inputs = []
    for position, operand in enumerate(step.inputs):
        if isinstance(operand, Tensor):
            inputs.append(operand)
            continue
        inner = list(_flatten(operand, f"{name}.{position}"))
        yield from inner
        inputs.append(Tensor(inner[-1].name, inner[-1].shape))
    shape = inputs[0].shape
    if isinstance(step.op, Affine):
        shape = LinearMap(shape, step.op.ops).out_shape
    elif isinstance(step.op, MaxPool):
        shape = pooled_shape(step.op, shape)
    yield Node(name, step.op, tuple(tensor.name for tensor in inputs), shape)
