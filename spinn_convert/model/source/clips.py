"""Max and Min with one constant, which are limits: ReLU6 is Min(Max(x, 0), 6) in some files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite

import numpy as np
import onnx
from onnx import helper, numpy_helper

from spinn_convert.model.reading import reads

FIRST_OPSET_OF_INPUTS = 11
"""Before, the limits of Clip were attributes."""


@dataclass(frozen=True, eq=False)
class Limited:
    """A node that clips a tensor from low to high."""

    node: onnx.NodeProto
    tensor: str
    low: float
    high: float
    dtype: np.dtype[np.generic] | None


def as_clips(proto: onnx.ModelProto) -> None:
    """Write Max and Min with one constant as Relu or Clip, several in a row as one."""
    graph = proto.graph
    if not any(node.op_type in ("Max", "Min") for node in graph.node):
        return
    stored = {tensor.name: tensor for tensor in graph.initializer}
    readers = Counter(name for node in graph.node for name in reads(node))
    readers.update(value.name for value in graph.output)
    limits: dict[str, Limited] = {}
    for node in list(graph.node):
        own = _limits(node, stored)
        if own is None:
            continue
        before = limits.get(own.tensor)
        if before is not None and readers[own.tensor] == 1:
            low, high = (min(max(limit, own.low), own.high) for limit in (before.low, before.high))
            own = Limited(node, before.tensor, low, high, own.dtype or before.dtype)
            graph.node.remove(before.node)
            del limits[before.node.output[0]]
        limits[node.output[0]] = own
    for limited in limits.values():
        if limited.dtype is not None:
            _write(proto, limited)


def _limits(node: onnx.NodeProto, stored: Mapping[str, onnx.TensorProto]) -> Limited | None:
    """Return what a Relu, or a Max or Min with one constant number, clips; None of other nodes."""
    if node.op_type == "Relu":
        return Limited(node, node.input[0], 0, inf, None)
    constants = [stored[name] for name in node.input if name in stored]
    tensors = [name for name in node.input if name not in stored]
    if node.op_type not in ("Max", "Min") or len(constants) != 1 or len(tensors) != 1:
        return None
    limit = numpy_helper.to_array(constants[0])
    if limit.size != 1 or limit.dtype.kind != "f":
        return None
    low, high = (float(limit.item()), inf) if node.op_type == "Max" else (-inf, float(limit.item()))
    return Limited(node, tensors[0], low, high, limit.dtype)


def _write(proto: onnx.ModelProto, limited: Limited) -> None:
    """Write a node anew as Relu or Clip; its name and the name of its result stay."""
    old, limits = limited.node, {"min": limited.low, "max": limited.high}
    if limits == {"min": 0, "max": inf}:
        old.CopyFrom(helper.make_node("Relu", [limited.tensor], old.output, old.name))
        return
    new = helper.make_node("Clip", [limited.tensor], old.output, old.name)
    for key, limit in limits.items():
        if _opset(proto) < FIRST_OPSET_OF_INPUTS and isfinite(limit):
            new.attribute.append(helper.make_attribute(key, limit))
        elif _opset(proto) >= FIRST_OPSET_OF_INPUTS:
            stored = numpy_helper.from_array(
                np.array(limit, limited.dtype), f"{old.output[0]} {key}"
            )
            proto.graph.initializer.append(stored)
            new.input.append(stored.name)
    old.CopyFrom(new)


def _opset(proto: onnx.ModelProto) -> int:
    versions: list[int] = [e.version for e in proto.opset_import if e.domain in ("", "ai.onnx")]
    return max(versions)
