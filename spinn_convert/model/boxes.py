"""What is behind a detector's readouts as one ONNX file of its own, down to boxes."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import TensorProto, helper, numpy_helper

from spinn_convert.errors import ModelError, Problem
from spinn_convert.model.detector import LARGEST_GROWTH, Heads, deltas_of, order_of_outputs
from spinn_convert.model.host import suffix
from spinn_convert.model.load import Model

OPSET = 11
"""Of ScatterElements; the other operators that decode boxes are older."""
LOWEST = -1e30
"""A logit below all others."""
FOUND = {"boxes": TensorProto.FLOAT, "scores": TensorProto.FLOAT, "labels": TensorProto.INT64}


def boxes_file(model: Model, heads: Heads | None) -> onnx.ModelProto:
    """Return an ONNX file from the core's outputs of one image, (1, *shape), to its detections.

    Its outputs are boxes (n, 4), scores (n,) and labels (n,), in this order: those of a whole file,
    or what `Heads.detections` makes of heads, written as nodes. Raises ModelError where the file
    needs more than the core's outputs, or cannot hold these nodes.
    """
    file = suffix(model, 1)
    _check(model, heads, file)
    graph = file.graph
    if heads is None:
        ordered = [graph.output[number] for number in order_of_outputs(model)]
    else:
        ordered = _append_decoding(graph, model, heads)
    del graph.output[:]
    graph.output.extend(ordered)
    return file


def _check(model: Model, heads: Heads | None, file: onnx.ModelProto) -> None:
    problems = []
    if model.source.input in {value.name for value in file.graph.input}:
        what = "reads the image again behind its last layers with weights"
        problems.append((what, "export it with a fixed image size, or its heads only"))
    if (model.batch or 1) != 1:
        what = f"has a batch of {model.batch}; boxes are found image by image"
        problems.append((what, "export it with a batch of 1, or an open one"))
    opset = max(o.version for o in file.opset_import if o.domain in ("", "ai.onnx"))
    if heads is not None and opset < OPSET:
        what = f"is of opset {opset}, which has no operators to find boxes"
        problems.append((what, f"export it with opset {OPSET} or newer"))
    if problems:
        raise ModelError([Problem(str(model.path), *problem) for problem in problems])


def _append_decoding(
    graph: onnx.GraphProto, model: Model, heads: Heads
) -> list[onnx.ValueInfoProto]:
    """Append `Heads.detections` as nodes; return the new outputs.

    A candidate is an anchor with a class, numbered anchor * classes + class: of those with the same
    logit the first comes first, as there. All others have the logit LOWEST.
    """
    moves = deltas_of(model)
    (logits, shape), (deltas, _) = model.outputs[1 - moves], model.outputs[moves]
    rows, columns = model.image_shape[-2:]
    count, classes = shape or (0, 0)
    anchors = np.concatenate([level.anchors for level in heads.levels])
    sides = anchors[:, 2:] - anchors[:, :2]
    least = float(np.log(heads.least_score / (1 - heads.least_score)))

    def constant(values: ArrayLike) -> str:
        array = np.asarray(values)
        array = array.astype(np.int64 if array.dtype.kind == "i" else np.float32)
        name = f"found {len(graph.initializer)}"
        graph.initializer.append(numpy_helper.from_array(array, name))
        return name

    def make(operator: str, *inputs: str, **attributes: Any) -> str:
        """Append a node; return its output."""
        name = f"found {operator} {len(graph.node)}"
        graph.node.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def best(name: str, most: int) -> tuple[str, str]:
        """Append a node; return the largest of a vector's elements, and their places."""
        top, places = (f"found {part} {len(graph.node)}" for part in ("best", "places"))
        graph.node.append(helper.make_node("TopK", [name, constant([most])], [top, places]))
        return top, places

    def first_image(name: str) -> str:
        one = make("Gather", name, constant(0), axis=0)
        return make("Cast", one, to=TensorProto.FLOAT)

    def columns_of(name: str, start: int) -> str:
        return make("Slice", name, constant([start]), constant([start + 2]), constant([1]))

    flat = make("Reshape", first_image(logits), constant([-1]))
    ends = list(accumulate(len(level.anchors) * classes for level in heads.levels))
    levels = []
    for begin, end in zip([0, *ends], ends):
        some = make("Slice", flat, constant([begin]), constant([end]))
        top, places = best(some, min(heads.candidates, end - begin))
        nothing = constant(np.full(end - begin, LOWEST))
        levels.append(make("ScatterElements", nothing, places, top, axis=0))
    candidates = make("Concat", *levels, axis=0)

    shifts = first_image(deltas)
    moved = make("Mul", columns_of(shifts, 0), constant(sides))
    centres = make("Add", moved, constant(anchors[:, :2] + sides / 2))
    growth = make("Exp", make("Min", columns_of(shifts, 2), constant(LARGEST_GROWTH)))
    half = make("Mul", growth, constant(sides / 2))
    corners = make("Concat", make("Sub", centres, half), make("Add", centres, half), axis=1)
    inside = make("Max", corners, constant(0.0))
    boxes = make("Min", inside, constant(np.array([columns, rows] * 2, float)))

    by_anchor = make("Reshape", candidates, constant([1, count, classes]))
    selected = make(
        "NonMaxSuppression",
        make("Reshape", boxes, constant([1, count, 4])),
        make("Transpose", by_anchor, perm=[0, 2, 1]),
        *(constant([limit]) for limit in (heads.most_boxes, heads.most_overlap, least)),
    )
    label, anchor = (make("Gather", selected, constant(axis), axis=1) for axis in (1, 2))
    kept = make("Add", make("Mul", anchor, constant(classes)), label)
    nothing = constant(np.full(count * classes, LOWEST))
    separate = make("Gather", candidates, kept, axis=0)
    remaining = make("ScatterElements", nothing, kept, separate, axis=0)
    top, places = best(remaining, min(heads.most_boxes, count * classes))
    real = make("Greater", top, constant(least))
    top, places = (make("Compress", name, real, axis=0) for name in (top, places))
    found = (
        make("Gather", boxes, make("Div", places, constant(classes)), axis=0),
        make("Sigmoid", top),
        make("Mod", places, constant(classes)),
    )
    return [helper.make_tensor_value_info(n, k, None) for n, k in zip(found, FOUND.values())]
