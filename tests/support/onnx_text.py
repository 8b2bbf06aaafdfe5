"""Small models from ONNX's text form, with constants drawn by their names."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
from onnx import numpy_helper

SHAPES = {
    **{"w": (4, 2, 3, 3), "k": (4, 4, 3, 3), "v": (3, 4, 1, 1), "depthwise": (4, 1, 3, 3)},
    **{"flat": (256, 3), "folded": (4, 8, 8, 3), "few": (4, 3), "b": (3,), "row": (1, 3)},
    **{"s": (4,), "t": (4,), "mean": (4,), "variance": (4,), "slope": (4, 1, 1), "g": (4, 2, 3, 3)},
}
NUMBERS = {"zero": 0.0, "six": 6.0, "half": 0.5, "true": True}
HEAD = "c = Conv <pads = [1, 1, 1, 1]> (x, w) r = Relu (c)"
"""Makes r, (batch, 4, 8, 8), of the input x, (batch, 2, 8, 8)."""


def constant(name):
    if name in NUMBERS:
        value = np.asarray(NUMBERS[name])
        return value.astype(np.float32) if value.dtype.kind == "f" else value
    rng = np.random.default_rng(sum(map(ord, name)))
    values = rng.normal(0, 0.5, SHAPES[name]).astype(np.float32)
    return np.abs(values) + 0.5 if name == "variance" else values


def ints(*values):
    """Return the text of a constant list of integers."""
    return f"Constant <value_ints = {list(values)}> ()"


def written(body, opset=17, inputs="float[N, 2, 8, 8] x", outputs="float y", functions=""):
    """Return the model of a graph's nodes; the constants that they read are drawn."""
    text = f'<ir_version: 10, opset_import: ["" : {opset}, "local" : 1]>\n'
    text += f"network ({inputs}) => ({outputs}) {{ {body} }} {functions}"
    proto = onnx.parser.parse_model(text)
    used = {name for node in proto.graph.node for name in node.input}
    made = {name for node in proto.graph.node for name in node.output}
    for name in sorted(used & {*SHAPES, *NUMBERS} - made):
        proto.graph.initializer.append(numpy_helper.from_array(constant(name), name))
    return proto
