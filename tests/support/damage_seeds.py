"""Small valid ONNX models, one of each kind that users have, to be damaged by `damage`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from support.places import EXAMPLES

RESNET = EXAMPLES / "resnet18.onnx"
node = helper.make_node


def model(
    nodes: Sequence[onnx.NodeProto],
    weights: Mapping[str, np.ndarray],
    outputs: Sequence[str] = ("y",),
    dtype: int = TensorProto.FLOAT,
    shape: Sequence[int | str] = ("batch", 2, 8, 8),
) -> onnx.ModelProto:
    """Return the model of the nodes, of opset 17, with the input x."""
    graph = helper.make_graph(
        nodes,
        "seed",
        [helper.make_tensor_value_info("x", dtype, shape)],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _weights(dtype: type = np.float32) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = {"w": (4, 2, 3, 3), "b": (4,), "v": (3, 64), "c": (3,)}
    return {name: rng.standard_normal(shape).astype(dtype) for name, shape in shapes.items()}


def _core(image: str = "x") -> list[onnx.NodeProto]:
    return [
        node("Conv", [image, "w", "b"], ["a"], "conv", pads=[1] * 4, kernel_shape=[3, 3]),
        node("Relu", ["a"], ["r"], "relu"),
        node("MaxPool", ["r"], ["p"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", ["p"], ["f"], "flat"),
        node("Gemm", ["f", "v", "c"], ["l"], "gemm", transB=1),
    ]


def tiny() -> onnx.ModelProto:
    """Convolution, rectifier, maximum pooling, dense layer, softmax."""
    return model([*_core(), node("Softmax", ["l"], ["y"], "softmax")], _weights())


def convolutional() -> onnx.ModelProto:
    """Convolution, rectifier, pooling, convolution, mean over space: fits any image."""
    nodes = [
        *_core()[:3],
        node("Conv", ["p", "u"], ["q"], "conv2", kernel_shape=[1, 1]),
        node("Relu", ["q"], ["s"], "relu2"),
        node("GlobalAveragePool", ["s"], ["m"], "mean"),
        node("Flatten", ["m"], ["y"], "flat"),
    ]
    weights = _weights() | {"u": np.ones((5, 4, 1, 1), np.float32)}
    return model(nodes, weights)


def half() -> onnx.ModelProto:
    """The same in float16."""
    nodes = [*_core(), node("Softmax", ["l"], ["y"], "softmax")]
    return model(nodes, _weights(np.float16), dtype=TensorProto.FLOAT16)


def quantised() -> onnx.ModelProto:
    """The same with quantised weights and activations (QDQ)."""
    weights = _weights() | {"s": np.float32(0.1), "z": np.int8(0), "u": np.uint8(128)}
    weights["w8"] = np.clip(np.rint(weights.pop("w") * 40), -127, 127).astype(np.int8)
    nodes = [
        node("QuantizeLinear", ["x", "s", "u"], ["xq"]),
        node("DequantizeLinear", ["xq", "s", "u"], ["xd"]),
        node("DequantizeLinear", ["w8", "s", "z"], ["w"]),
        *_core("xd"),
        node("Identity", ["l"], ["y"]),
    ]
    return model(nodes, weights)


def detector() -> onnx.ModelProto:
    """Boxes: reshaping before, a Loop and an If behind the core."""
    i64 = {"sizes": np.array([-1, 2, 4, 2, 4, 2]), "count": np.array(3), "row": np.array([1, -1])}
    head = node("Resize", ["x", "", "", "size"], ["big"], "resize", mode="nearest")
    body = helper.make_graph(
        [
            node("Add", ["sum", "l"], ["next"]),
            node("Identity", ["go"], ["on"]),
            node("ReduceSum", ["next"], ["scan"], keepdims=0),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum", TensorProto.FLOAT, None),
        ],
        [onnx.ValueInfoProto(name=name) for name in ("on", "next", "scan")],
    )
    for value, kind in zip(body.output, (TensorProto.BOOL, *[TensorProto.FLOAT] * 2)):
        value.CopyFrom(helper.make_tensor_value_info(value.name, kind, None))
    branches = {
        f"{name}_branch": helper.make_graph(
            [node(operator, ["last"], [f"{name}_y"])],
            name,
            [],
            [helper.make_tensor_value_info(f"{name}_y", TensorProto.FLOAT, None)],
        )
        for name, operator in (("then", "Sigmoid"), ("else", "Neg"))
    }
    nodes = [
        head,
        *_core("big"),
        node("Loop", ["count", "", "l"], ["last", "scans"], "loop", body=body),
        node("ReduceMax", ["scans"], ["most"], keepdims=0),
        node("Greater", ["most", "zero"], ["positive"]),
        node("If", ["positive"], ["y"], "choice", **branches),
        node("NonZero", ["y"], ["found"]),
        node("TopK", ["scans", "k"], ["best", "where"], "best"),
        node("Tile", ["row", "k"], ["rows"], "tile"),
        node("ConstantOfShape", ["k"], ["filled"], "fill"),
        node("Range", ["count", "count", "count"], ["range"], "range"),
        node("Expand", ["zero", "k"], ["more"], "expand"),
        node("Pad", ["row", "pads"], ["padded"], "pad"),
    ]
    weights = _weights() | i64 | {"zero": np.float32(0), "k": np.array([2])}
    weights |= {"size": np.array([1, 2, 8, 8]), "pads": np.array([1, 1])}
    outputs = ("y", "found", "best", "rows", "filled", "range", "more", "padded")
    return model(nodes, weights, outputs, shape=("batch", 2, 4, 4))


def seeds() -> dict[str, bytes]:
    """Return the content of all files by name."""
    made = {
        "tiny": tiny,
        "convolutional": convolutional,
        "half": half,
        "quantised": quantised,
        "detector": detector,
    }
    return {name: make().SerializeToString() for name, make in made.items()}
