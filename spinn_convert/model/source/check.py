"""What an ONNX file must fulfil before onnxruntime and the readers see it.

onnxruntime refuses most damage by itself; here is what it, or protobuf, takes without complaint:
weights that are not there, functions that grow without end, operators of another meaning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import prod
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from spinn_convert.errors import ModelError, Problem
from spinn_convert.model.reading import all_nodes, reads
from spinn_convert.model.refusal import Refused, together

FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)
OLDEST_OPSET = 7
"""Before, additions broadcast otherwise and batch normalisation was in training by default."""
MOST_BYTES = 2**31 - 1
"""protobuf, and so onnxruntime, takes no larger model."""
MOST_CALLED_NODES = 1_000_000
BITS = {"INT4": 4, "UINT4": 4, "FLOAT4E2M1": 4, "INT2": 2, "UINT2": 2}
BITS |= {"FLOAT6E2M3": 6, "FLOAT6E3M2": 6}


def check(path: Path, proto: onnx.ModelProto) -> None:
    """Raise ModelError with everything that is wrong with the file."""
    problems = [
        Problem(str(path), what, fix)
        for found in (_opsets(proto), _functions(proto))
        for what, fix in found
    ]
    problems += together(path, _weights(proto)) or together(path, _training(proto))
    if problems:
        raise ModelError(problems)


def _opsets(proto: onnx.ModelProto) -> Iterator[tuple[str, str]]:
    for entry in proto.opset_import:
        if entry.domain in ("", "ai.onnx") and entry.version < OLDEST_OPSET:
            what = f"has opset {entry.version}; its operators have today's meaning from opset"
            fix = "export it with opset 13 or later, or convert it by onnx.version_converter"
            yield f"{what} {OLDEST_OPSET} on", fix


def _functions(proto: onnx.ModelProto) -> Iterator[tuple[str, str]]:
    """Find functions that call themselves, or each other so often that no memory holds them."""
    bodies = {(f.domain, f.name): f.node for f in proto.functions}
    sizes: dict[tuple[str, str], int] = {}
    open_calls: list[tuple[str, str]] = []

    def size(nodes: Iterable[onnx.NodeProto]) -> int:
        return sum(1 + called((node.domain, node.op_type)) for node in all_nodes(nodes))

    def called(key: tuple[str, str]) -> int:
        if key in open_calls:
            raise RecursionError
        if key in bodies and key not in sizes:
            open_calls.append(key)
            sizes[key] = size(bodies[key])
            open_calls.pop()
        return sizes.get(key, 0)

    try:
        total = size(proto.graph.node)
    except RecursionError:
        yield "has a function that calls itself", "export the model without functions"
        return
    if total > MOST_CALLED_NODES:
        yield f"its functions make {total:.3g} nodes", "export the model without functions"


def _training(proto: onnx.ModelProto) -> Iterator[Refused]:
    """Find nodes that compute otherwise in training; onnxruntime would skip some of them."""
    bodies = [proto.graph.node, *(function.node for function in proto.functions)]
    nodes = [node for body in bodies for node in all_nodes(body)]
    constants = {tensor.name: tensor for tensor in proto.graph.initializer}
    for node in nodes:
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.name == "value":
                constants[node.output[0]] = attribute.t
    for node in nodes:
        switches = [a.i for a in node.attribute if a.name == "training_mode"]
        if node.op_type == "Dropout" and len(node.input) > 2 and node.input[2] in constants:
            switches.append(int(numpy_helper.to_array(constants[node.input[2]]).any()))
        if node.op_type == "BatchNormalization":
            switches.append(int(any(node.output[1:])))
        if any(switches):
            what, fix = "computes as in training", "export the model in evaluation mode"
            yield Refused(node.name or ", ".join(node.output[:1]), node.op_type, what, fix)


def _weights(proto: onnx.ModelProto) -> Iterator[Refused]:
    """Find stored weights whose data do not fit their shape, or are not finite."""
    read = {name for node in proto.graph.node for name in reads(node)}
    for tensor in proto.graph.initializer:
        try:
            complaint = _data_problem(tensor)
            values = None if complaint else numpy_helper.to_array(tensor)
        except (ValueError, TypeError, KeyError, OverflowError) as error:  # onnx's own complaints
            complaint = str(error)
        if complaint:
            yield _damaged(tensor, complaint)
        elif values is None or tensor.data_type not in FLOATS or tensor.name not in read:
            continue
        elif not np.isfinite(values).all():
            what = "has values that are NaN or infinite"
            yield Refused(tensor.name, "", what, "train or export the model again")


def _damaged(tensor: onnx.TensorProto, complaint: str) -> Refused:
    return Refused(tensor.name, "", f"damaged: {complaint}", "export the model again")


def _data_problem(tensor: onnx.TensorProto) -> str:
    """Return in which way a tensor's data do not fit its type and shape, "" if they do."""
    complaint = _shape_problem(tensor)
    if complaint:
        return complaint
    kind = TensorProto.DataType.Name(tensor.data_type)
    if tensor.HasField("raw_data"):
        stored, needed, unit = len(tensor.raw_data), _bytes(tensor), "bytes"
    else:
        stored = len(getattr(tensor, helper.tensor_dtype_to_field(tensor.data_type)))
        packed = 8 // BITS[kind] if BITS.get(kind) in (2, 4) else 1
        needed = -(-prod(tensor.dims) // packed) * (2 if kind.startswith("COMPLEX") else 1)
        unit = "values"
    if stored != needed:
        return f"it has {stored} {unit}; shape {list(tensor.dims)} of {kind} needs {needed}"
    return ""


def _shape_problem(tensor: onnx.TensorProto) -> str:
    known = tensor.data_type in TensorProto.DataType.values()
    if not known or tensor.data_type == TensorProto.UNDEFINED:
        return f"there is no data type {tensor.data_type}"
    return f"its shape is {list(tensor.dims)}" if min(tensor.dims, default=0) < 0 else ""


def _bytes(tensor: onnx.TensorProto) -> int:
    """Return how many bytes of raw data a tensor's shape needs."""
    kind = TensorProto.DataType.Name(tensor.data_type)
    dtype: np.dtype[np.generic] = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    elements: int = prod(tensor.dims)
    return -(-elements * BITS.get(kind, 8 * dtype.itemsize) // 8)


def bound_external(path: Path, proto: onnx.ModelProto) -> None:
    """Let every weight in another file read as many bytes as its shape needs, and no more.

    Raises ModelError when these are more than a model can hold.
    """
    total, refused = 0, []
    for tensor in _tensors(proto):
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        complaint = _shape_problem(tensor)
        needed = 0 if complaint else _bytes(tensor)
        entries = {entry.key: entry for entry in tensor.external_data}
        if "length" not in entries:
            entries["length"] = tensor.external_data.add(key="length", value=str(needed))
        total += needed
        if not complaint and entries["length"].value != str(needed):
            complaint = f"its length is {entries['length'].value} bytes, its shape needs {needed}"
        if complaint:
            refused.append(_damaged(tensor, complaint))
    problems = together(path, refused)
    if total > MOST_BYTES:
        what = f"its weights take {total:,} bytes; a model holds {MOST_BYTES:,}"
        problems.append(Problem(str(path), what, "export a smaller model"))
    if problems:
        raise ModelError(problems)


def unreadable_external(path: Path, proto: onnx.ModelProto) -> list[Problem]:
    """Return what keeps onnx from reading weights that lie in other files, one problem a file."""
    ends: dict[str, int] = {}
    for tensor in _tensors(proto):
        if tensor.data_location == TensorProto.EXTERNAL:
            entries = {entry.key: entry.value for entry in tensor.external_data}
            numbers = [entries.get(key, "") for key in ("offset", "length")]
            end = sum(int(number) for number in numbers if number.isdecimal())
            location = entries.get("location", "")
            ends[location] = max(end, ends.get(location, 0))
    found = [(name, _file_problem(path.parent / name, name, end)) for name, end in ends.items()]
    return [
        Problem(str(path), f"its weights lie in the file {name}, {problem[0]}", problem[1])
        for name, problem in found
        if problem and name and not Path(name).is_absolute() and ".." not in Path(name).parts
    ]


def _file_problem(file: Path, name: str, end: int) -> tuple[str, str] | None:
    """Return what is wrong with a file that should have `end` bytes, and what to do."""
    if not file.exists():
        return "which is not there", f"put {name} beside the model, under this name"
    if file.is_symlink() or file.stat().st_nlink > 1:
        return "which is a link, and onnx reads no links", f"replace {name} by a copy of the file"
    if file.is_file() and file.stat().st_size < end:
        what = f"which has {file.stat().st_size:,} bytes of {end:,}"
        return what, f"copy {name} again, it is not complete"
    return None


def _tensors(proto: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Yield all weights and all tensors in attributes, subgraphs and functions included."""
    yield from proto.graph.initializer
    bodies = [proto.graph.node, *(function.node for function in proto.functions)]
    for node in (node for body in bodies for node in all_nodes(body)):
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from graph.initializer
            yield from (attribute.t, *attribute.tensors)
