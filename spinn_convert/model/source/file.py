"""The ONNX file itself: parse it, simplify it by onnxruntime, take a part of it."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper

from spinn_convert.errors import ModelError, Problem
from spinn_convert.linear.ops import Shape
from spinn_convert.model.reading import reads
from spinn_convert.model.source.address_space import growing_by
from spinn_convert.model.source.check import bound_external, check, unreadable_external
from spinn_convert.model.source.clips import as_clips
from spinn_convert.model.source.tidy import tidy

PROVIDERS = ["CPUExecutionProvider"]
TYPES = {
    "float": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
    "double": TensorProto.DOUBLE,
    "int64": TensorProto.INT64,
    "int32": TensorProto.INT32,
    "uint8": TensorProto.UINT8,
    "bool": TensorProto.BOOL,
}
ROOM = 2**30
"""Bytes that onnxruntime may take to simplify a file, beside COPIES of the file itself."""
COPIES = 4
LARGEST_CONSTANT = 2**26
"""Bytes of a constant that onnxruntime computes, or more if the file itself has more."""
LARGEST_SHAPE = 1024
"""Elements of a constant that may say a shape, or what decides about one."""
FOLDING_LIMIT = "optimization.constant_folding_max_output_size_in_bytes"
LONGEST_REASON = 300
FIXES = {
    r"bfloat16|Could not find an implementation|NOT_IMPLEMENTED": "export the model in float32",
    "is not a registered function": "export the model without operators of your own",
}
"""What to do, by words of onnxruntime's message."""
SILENT = 4
"""onnxruntime's severity above all that it logs: it raises what it logs as an error."""


@dataclass(frozen=True, eq=False)
class Source:
    """An ONNX file and its one input: name, sizes with the batch axis (None if dynamic)."""

    path: Path
    sha256: str
    proto: onnx.ModelProto
    input: str
    sizes: tuple[int | None, ...]


def parse(path: Path) -> Source:
    """Read an ONNX file; raises ModelError when it is missing, damaged, or has no single input."""
    try:
        content = path.read_bytes()
    except OSError as error:
        fix = "check the path" if not path.exists() else "check that it is a readable file"
        raise ModelError([Problem(str(path), error.strerror or str(error), fix)]) from error
    sha256 = hashlib.sha256(content).hexdigest()
    del content
    proto = onnx.ModelProto()
    try:
        proto = onnx.load(path, load_external_data=False)
        bound_external(path, proto)
        onnx.load_external_data_for_model(proto, str(path.parent))
    except ModelError:
        raise
    except Exception as error:  # protobuf raises types of its own, external data OSError
        what = f"this is not a complete ONNX file ({error})"
        found = unreadable_external(path, proto)
        again = [Problem(str(path), what, "export the model again")]
        raise ModelError(found or again) from error
    if not proto.graph.node:
        what = "this is not an ONNX file, or it has no nodes"
        raise ModelError([Problem(str(path), what, "export the model again")])
    tidy(path, proto)
    check(path, proto)
    return Source(path, sha256, proto, *_input(path, proto))


def _input(path: Path, proto: onnx.ModelProto) -> tuple[str, tuple[int | None, ...]]:
    stored = {tensor.name for tensor in proto.graph.initializer}
    inputs = [value for value in proto.graph.input if value.name not in stored]
    if len(inputs) != 1:
        what = f"has {len(inputs)} inputs ({', '.join(value.name for value in inputs)})"
        raise ModelError([Problem(str(path), what, "export a model with one image input")])
    dims = inputs[0].type.tensor_type.shape.dim
    if len(dims) < 2:
        what = f"input {inputs[0].name} has {len(dims)} axes; expected a batch of images"
        raise ModelError([Problem(str(path), what, "export a model with one image input")])
    return inputs[0].name, tuple(dim.dim_value if dim.dim_value > 0 else None for dim in dims)


def simplify(source: Source, sizes: Sequence[int]) -> onnx.ModelProto:
    """Return the model for one input shape, folded by onnxruntime's basic optimisations.

    Raises ModelError when onnxruntime cannot load it.
    """
    fixed = onnx.ModelProto()
    fixed.CopyFrom(source.proto)
    for value in fixed.graph.input:
        if value.name == source.input:
            for dim, size in zip(value.type.tensor_type.shape.dim, sizes):
                dim.dim_value = size
    del fixed.graph.value_info[:]
    for value in fixed.graph.output:
        if value.type.HasField("tensor_type"):
            value.type.tensor_type.ClearField("shape")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "simple.onnx"
        options = _options(onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC)
        options.optimized_model_filepath = str(target)
        made = _session(source.path, fixed, options)
        simple = onnx.load(target)
    del simple.graph.output[:]
    simple.graph.output.extend(map(_value_info, made.get_outputs()))
    as_clips(simple)
    return simple


def _session(
    path: Path, proto: onnx.ModelProto, options: onnxruntime.SessionOptions
) -> onnxruntime.InferenceSession:
    """Return onnxruntime's session of a file, or of a part; ModelError if it cannot load that."""
    with by_onnxruntime(path, "load this model"):
        content = proto.SerializeToString()
        largest = max(LARGEST_CONSTANT, len(content))
        options.add_session_config_entry(FOLDING_LIMIT, str(largest))
        with growing_by(ROOM + COPIES * len(content)):
            return onnxruntime.InferenceSession(content, options, PROVIDERS, enable_fallback=0)


@contextmanager
def by_onnxruntime(path: Path, doing: str) -> Iterator[None]:
    """Raise ModelError for whatever onnxruntime raises within the block."""
    try:
        yield
    except Exception as error:  # onnxruntime raises a dozen types of its own, protobuf beyond 2 GB
        what = f"onnxruntime cannot {doing} ({_reason(error)})"
        fixes = [fix for words, fix in FIXES.items() if re.search(words, str(error))]
        fix = fixes[0] if fixes else "export the model again"
        raise ModelError([Problem(str(path), what, fix)]) from error


def _reason(error: Exception) -> str:
    """Return the first line of onnxruntime's message, without codes and places in its source."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    line = re.sub(r"\[ONNXRuntimeError\] : \d+ : \w+ : ", "", line)
    if "bad_alloc" in line or isinstance(error, MemoryError):
        return "its constants take more memory than such a file should need"
    line = re.sub(r"/\S+\.(cc|h):\d+ [^(]*\([^)]*\) (const )?", "", line)
    return line if len(line) <= LONGEST_REASON else f"{line[:LONGEST_REASON]}..."


def _options(level: onnxruntime.GraphOptimizationLevel) -> onnxruntime.SessionOptions:
    onnxruntime.set_default_logger_severity(SILENT)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = SILENT
    options.intra_op_num_threads = 1  # no pool, whose stacks take address space
    options.add_session_config_entry("session.disable_prepacking", "1")
    return options


def _value_info(value: onnxruntime.NodeArg) -> onnx.ValueInfoProto:
    """Return name, type and shape of a session's input or output."""
    kind = TYPES.get(value.type.removeprefix("tensor(").removesuffix(")"), TensorProto.UNDEFINED)
    sizes = [size if isinstance(size, int) else None for size in value.shape or ()]
    return helper.make_tensor_value_info(value.name, kind, sizes)


def described(
    source: Source, proto: onnx.ModelProto, names: Sequence[str]
) -> list[onnx.ValueInfoProto]:
    """Return type and shape of the tensors `names` of a simplified file.

    Of large weights onnxruntime is told the shape only; no shape depends on more.
    """
    options = _options(onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL)
    weights = [
        helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        for tensor in proto.graph.initializer
        if prod(tensor.dims) > LARGEST_SHAPE
    ]
    made = _session(source.path, part(proto, [source.input, *weights], names), options)
    return list(map(_value_info, made.get_outputs()))


def evaluated(
    source: Source, proto: onnx.ModelProto, names: Sequence[str]
) -> dict[str, NDArray[np.generic]]:
    """Return the values of tensors that depend on no input."""
    if not names:
        return {}
    return dict(zip(names, computed(source, part(proto, [], names), {})))


def computed(
    source: Source, proto: onnx.ModelProto, feeds: Mapping[str, NDArray[np.generic]]
) -> list[NDArray[np.generic]]:
    """Return what a part of the file makes of its inputs."""
    options = _options(onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL)
    session = _session(source.path, proto, options)
    with by_onnxruntime(source.path, "compute a part of this model"), growing_by(ROOM):
        found: list[NDArray[np.generic]] = session.run(None, dict(feeds))
    return found


def averaged(source: Source, pooled: Collection[str]) -> Source:
    """Return the file with the max poolings that make the tensors `pooled` replaced by means."""
    proto = onnx.ModelProto()
    proto.CopyFrom(source.proto)
    for node in proto.graph.node:
        if node.op_type in ("MaxPool", "GlobalMaxPool") and node.output[0] in pooled:
            kept = [a for a in node.attribute if a.name != "storage_order"]
            mean = node.op_type.replace("Max", "Average")
            if "Global" not in mean:
                kept.append(helper.make_attribute("count_include_pad", 0))
            new = helper.make_node(mean, node.input, node.output[:1], name=node.name)
            new.attribute.extend(kept)
            node.CopyFrom(new)
    return replace(source, proto=proto)


def ancestors(
    nodes: Sequence[onnx.NodeProto], outputs: Collection[str], inputs: Collection[str] = ()
) -> list[onnx.NodeProto]:
    """Return the nodes that compute `outputs`, in order; the search stops at `inputs`."""
    needed, found = set(outputs) - set(inputs), []
    for node in reversed(nodes):
        if needed & set(node.output):
            needed.update(name for name in reads(node) if name not in inputs)
            found.append(node)
    return found[::-1]


def part(
    proto: onnx.ModelProto, inputs: Sequence[str | onnx.ValueInfoProto], outputs: Sequence[str]
) -> onnx.ModelProto:
    """Return the model of the nodes between `inputs` and the tensors `outputs`.

    inputs: names of the model's inputs, or descriptions of any tensors.
    """
    own = {value.name: value for value in proto.graph.input}
    values = [own[value] if isinstance(value, str) else value for value in inputs]
    given = {value.name for value in values}
    nodes = ancestors(proto.graph.node, outputs, given)
    used = {name for node in nodes for name in reads(node)} | set(outputs)
    graph = helper.make_graph(
        nodes,
        "part",
        [value for value in values if value.name in used],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [tensor for tensor in proto.graph.initializer if tensor.name in used - given],
    )
    return helper.make_model(
        graph,
        opset_imports=proto.opset_import,
        ir_version=proto.ir_version,
        functions=proto.functions,
    )


def static_shape(value: onnx.ValueInfoProto) -> Shape | None:
    """Return a tensor's shape, with its batch axis; None if any size is unknown."""
    kind = value.type.tensor_type
    sizes = tuple(dim.dim_value for dim in kind.shape.dim)
    return sizes if kind.HasField("shape") and all(size > 0 for size in sizes) else None
