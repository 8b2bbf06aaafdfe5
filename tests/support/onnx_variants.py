"""The same network as different exporters write it."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from support.torch_networks import Basic, export, resnet

SHAPE = (3, 32, 32)


def small():
    torch.manual_seed(0)
    return resnet(Basic, (1, 1), 8, 5).eval()


def exported(path, dynamo=False, **kwargs):
    return export(small(), path, SHAPE, dynamo, **kwargs)


def edited(edit):
    """Return a function that writes the network after `edit` has changed the protobuf."""

    def write(path):
        proto = onnx.load(exported(path))
        edit(proto)
        onnx.save(proto, path)
        return path

    return write


def weights_as_constants(proto):
    nodes = [
        helper.make_node("Constant", [], [tensor.name], value=tensor)
        for tensor in proto.graph.initializer
    ]
    nodes += proto.graph.node
    del proto.graph.node[:], proto.graph.initializer[:]
    proto.graph.node.extend(nodes)


def weights_as_inputs(proto):
    for tensor in proto.graph.initializer:
        info = helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        proto.graph.input.append(info)


def fixed_batch(size):
    def edit(proto):
        proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = size
        del proto.graph.value_info[:]
        proto.graph.output[0].type.tensor_type.ClearField("shape")

    return edit


def in_float16(proto):
    for tensor in proto.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            values = numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.elem_type = TensorProto.FLOAT16
    del proto.graph.value_info[:]


def pixels_as_bytes(proto):
    """Take uint8 pixels: cast, scale and shift come before the first convolution."""
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    name = proto.graph.input[0].name
    for node in proto.graph.node:
        if node.input and node.input[0] == name:
            node.input[0] = "scaled"
    constants = {"factor": 1 / 255.0, "shift": 0.5}
    for key, value in constants.items():
        proto.graph.initializer.append(numpy_helper.from_array(np.float32(value), key))
    nodes = [
        helper.make_node("Cast", [name], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["cast", "factor"], ["unit"]),
        helper.make_node("Sub", ["unit", "shift"], ["scaled"]),
        *proto.graph.node,
    ]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)


PRESERVE = torch.onnx.TrainingMode.PRESERVE
VARIANTS = {
    **{f"opset {n}": lambda path, n=n: exported(path, opset=n) for n in (9, 11, 13, 17, 20)},
    "batch norms": lambda path: exported(path, training=PRESERVE, do_constant_folding=False),
    "not folded": lambda path: exported(path, do_constant_folding=False),
    "weights also inputs": lambda path: exported(path, keep_initializers_as_inputs=True),
    "dynamo, not optimised": lambda path: exported(path, True, optimize=False),
    "dynamo, external data": lambda path: exported(path, True, external_data=True),
    "weights in constants": edited(weights_as_constants),
    "weights listed": edited(weights_as_inputs),
    "batch of 1": edited(fixed_batch(1)),
    "batch of 3": edited(fixed_batch(3)),
    "float16": edited(in_float16),
    "bytes": edited(pixels_as_bytes),
}
