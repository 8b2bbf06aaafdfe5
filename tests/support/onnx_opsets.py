"""One small network in every opset, of the operators whose form has changed from 7 on."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

SHAPE = (3, 12, 12)
CLASSES = 5


def newest_opset():
    """Return the newest opset that both the installed onnx and onnxruntime take."""
    for opset in range(onnx.defs.onnx_opset_version(), 0, -1):
        proto = stamped([helper.make_node("Relu", ["x"], ["y"])], {}, opset)
        try:
            onnxruntime.InferenceSession(proto.SerializeToString())
        except Exception:  # onnxruntime's own types
            continue
        return opset
    raise AssertionError("no opset")


def stamped(nodes, weights, opset, weights_as_inputs=False):
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", *SHAPE])]
    stored = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    if weights_as_inputs:
        inputs += [helper.make_tensor_value_info(w.name, w.data_type, w.dims) for w in stored]
    shape = ["batch", CLASSES] if weights else ["batch", *SHAPE]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)]
    graph = helper.make_graph(nodes, "network", inputs, outputs, stored)
    opsets = [helper.make_opsetid("", opset)]
    oldest = 3 if weights_as_inputs else 4
    version = max(oldest, helper.find_min_ir_version_for(opsets, ignore_unknown=True))
    return helper.make_model(graph, opset_imports=opsets, ir_version=min(version, 12))


def written_at(opset, weights_as_inputs=False):
    """Return the network; what is an attribute in old opsets is an input in new ones."""
    rng = np.random.default_rng(0)
    weights = {
        "w": rng.normal(0, 0.3, (8, 3, 3, 3)).astype(np.float32),
        "scale": rng.uniform(0.5, 2, 8).astype(np.float32),
        "shift": rng.normal(0, 0.2, 8).astype(np.float32),
        "mean": rng.normal(0, 0.2, 8).astype(np.float32),
        "variance": rng.uniform(0.5, 1.5, 8).astype(np.float32),
        "v": rng.normal(0, 0.3, (6, 4, 3, 3)).astype(np.float32),
        "u": rng.normal(0, 0.5, (CLASSES, 6)).astype(np.float32),
        "b": rng.normal(0, 0.5, CLASSES).astype(np.float32),
    }

    def node(operator, inputs, outputs, since=99, given=(), **attributes):
        """Write a node whose attributes `given` are inputs since an opset."""
        inputs, outputs = inputs.split(), outputs.split()
        for name, value in given:
            if opset < since:
                attributes[name] = np.asarray(value).tolist()
            else:
                dtype = np.float32 if np.asarray(value).dtype.kind == "f" else np.int64
                inputs.append(f"{outputs[0]} {name}")
                weights[inputs[-1]] = np.asarray(value, dtype)
        return helper.make_node(operator, inputs, outputs, **attributes)

    scales = [1.0, 1.0, 2.0, 2.0]
    if opset < 10:
        grown = node("Upsample", "p", "g", 9, [("scales", scales)])
    elif opset == 10:
        grown = node("Resize", "p", "g", 10, [("scales", scales)])
    else:
        nearest = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        grown = node("Resize", "p", "g", 11, [("roi", np.zeros(0)), ("scales", scales)], **nearest)
    halves = {"num_outputs": 2} if opset >= 18 else {}
    nodes = [
        node("Pad", "x", "a", 11, [("pads", [0, 0, 1, 1, 0, 0, 1, 1])]),
        node("Conv", "a w", "c"),
        node("BatchNormalization", "c scale shift mean variance", "n"),
        node("Relu", "n", "r"),
        node("Dropout", "r", "d", 12, [("ratio", 0.5)]),
        node("MaxPool", "d", "p", kernel_shape=[2, 2], strides=[2, 2]),
        grown,
        node("Slice", "g", "s", 10, [("starts", [1, 0]), ("ends", [12, 11]), ("axes", [2, 3])]),
        node("Split", "s", "h i", axis=1, **halves),
        node("Sub", "h i", "j"),
        node("Unsqueeze", "j", "k", 13, [("axes", [1])]),
        node("Squeeze", "k", "l", 13, [("axes", [1])]),
        node("Conv", "l v", "m", strides=[2, 2]),
        node("Clip", "m", "o", 11, [("min", 0.0), ("max", 1.0)]),
        node("ReduceMean", "o", "q", 18, [("axes", [2, 3])], keepdims=0),
        node("Gemm", "q u b", "t", transB=1),
        node("Softmax", "t", "y", axis=1),
    ]
    return stamped(nodes, weights, opset, weights_as_inputs)
