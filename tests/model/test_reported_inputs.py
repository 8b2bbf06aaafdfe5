"""Inputs that users of other converters and exporters reported: each equals onnxruntime here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from support.onnx_oracle import by_onnxruntime
from support.onnx_text import HEAD, constant, ints, written

from spinn_convert.conversion.method import PAPER
from spinn_convert.conversion.steps import converted, folded
from spinn_convert.conversion.verify import verify
from spinn_convert.model import host
from spinn_convert.model.load import load
from spinn_convert.network import rate
from spinn_convert.results.decode import decoder

LENIENT = replace(PAPER, percentile=100, normalisation="layer", dead_channels="layer")


def assert_converted(proto, path, tolerance=1e-5, oracle=None):
    """Check the rates of the converted file against onnxruntime's outputs of the file itself."""
    onnx.save(proto, path)
    model, layers = folded(load(path), LENIENT)
    rng = np.random.default_rng(1)
    images = rng.standard_normal((6, *model.image_shape)).astype(np.float32)
    network = converted(load(path), images, LENIENT, 1)
    assert verify(model, layers, network, images, 1) <= tolerance
    (rates,) = rate.rates(network, host.core_input(model, images, 1), clip=False)
    found = decoder(model, network, 1)(rates, images)
    kind = (oracle or proto).graph.input[0].type.tensor_type.elem_type
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    batches = np.split(images.astype(dtype), 6 // (model.batch or 6))
    wanted = [by_onnxruntime(oracle or proto, {"x": batch})[0] for batch in batches]
    wanted = np.concatenate(wanted).reshape(found.shape)
    assert np.abs(found - wanted).max() <= tolerance * np.abs(wanted).max()
    return model


TAIL = "y = Conv (m, v)"
GRAPHS = {
    # github.com/ENOT-AutoDL/onnx2torch/issues/148
    "auto_pad SAME_UPPER": 'm = Conv <auto_pad = "SAME_UPPER", strides = [2, 2]> (r, k)',
    # github.com/Talmaj/onnx2pytorch/issues/10
    "auto_pad VALID": 'm = Conv <auto_pad = "VALID"> (r, k)',
    # github.com/pytorch/pytorch/issues/183528
    "mean of a window beyond the padding": "m = AveragePool <kernel_shape = [3, 3], strides ="
    " [2, 2], pads = [1, 1, 1, 1], ceil_mode = 1, count_include_pad = 1> (r)",
    # github.com/onnx/onnx/issues/4958
    "mean of a window with one pixel": "m = AveragePool <kernel_shape = [3, 3], strides = [3, 3],"
    " pads = [1, 1, 1, 1], ceil_mode = 1> (r)",
    # github.com/NeuromorphicProcessorProject/snn_toolbox/issues/103
    "padded max pooling": "m = MaxPool <kernel_shape = [3, 3], strides = [2, 2], pads ="
    " [1, 1, 1, 1]> (r)",
    # github.com/onnx/onnx/issues/1378
    "dilated max pooling": "m = MaxPool <kernel_shape = [2, 2], dilations = [2, 2]> (r)",
    # github.com/microsoft/onnxruntime/issues/22819
    "batch norm with a computed scale": "q = Mul (s, s) m = BatchNormalization"
    " (r, q, t, mean, variance)",
    # github.com/opencv/opencv/issues/24729, github.com/rockchip-linux/rknn-toolkit/issues/275
    "pads that are joined": f"a = {ints(4)} z = ConstantOfShape <value = int64[1] {{0}}> (a)"
    f" o = {ints(0, 0, 1, 1)} p = Concat <axis = 0> (z, o) q = Pad (r, p) m = Conv (q, k)",
    # github.com/microsoft/onnxruntime/issues/2433, github.com/onnx/onnx-tensorrt/issues/847
    "negative pads": f"p = {ints(0, 0, -1, 1, 0, 0, -2, -1)} q = Pad (r, p) m = Conv (q, k)",
    # github.com/onnx/onnx/issues/4299, github.com/apache/tvm/pull/19450
    "transposed convolution, SAME_UPPER and output_padding": "n = ConvTranspose <strides = [2, 2],"
    ' auto_pad = "SAME_UPPER", output_padding = [1, 1]> (r, k) m = Relu (n)',
    # github.com/apache/tvm/pull/11076
    "transposed convolution with an output_shape": "n = ConvTranspose <strides = [2, 2],"
    " output_shape = [16, 16]> (r, k) m = Relu (n)",
    # github.com/microsoft/onnxscript/issues/2986
    "ReLU6 as Max and Min": "d = Conv (r, k) e = Max (d, zero) m = Min (e, half)",
    "ReLU6 as Min and Max": "d = Conv (r, k) e = Min (half, d) m = Max (zero, e)",
    "ReLU as Max": "d = Conv (r, k) m = Max (d, zero)",
    # github.com/onnx/onnx-tensorflow/pull/556
    "Clip without a ceiling": "d = Conv (r, k) m = Clip (d, zero)",
    "Clip without a floor, after Relu": "m = Clip (r, , half)",
    # github.com/gmalivenko/onnx2keras/issues/167
    "Clip without limits": "m = Clip (r)",
    # github.com/fastmachinelearning/hls4ml/issues/1266
    "Resize without roi": "q = Constant <value_floats = [1.0, 1.0, 2.0, 2.0]> ()"
    ' m = Resize <mode = "nearest", coordinate_transformation_mode = "asymmetric",'
    ' nearest_mode = "floor"> (r, , q)',
    # github.com/pytorch/pytorch/pull/68202
    "shared weights": "d = Conv <pads = [1, 1, 1, 1]> (r, k) e = Relu (d) f = Conv (e, k)"
    " m = Relu (f)",
    "depthwise, dilated": "d = Conv <group = 4, dilations = [2, 2]> (r, depthwise) m = Relu (d)",
    "in groups": "d = Conv <group = 2> (r, g) m = Relu (d)",
    "a chain of Identity": "a = Identity (r) e = Identity (a) m = Identity (e)",
    # github.com/ENOT-AutoDL/onnx2torch/pull/97
    "Dropout with its mask": "m, mask = Dropout (r, half)",
    # github.com/pytorch/pytorch/issues/109292, github.com/onnx/onnx/issues/3324
    "squeeze as If": f"p = GlobalAveragePool (r) h = Shape (p) i = Constant <value_int = 3> ()"
    " d = Gather (h, i) o = Constant <value_int = 1> () yes = Equal (d, o)"
    f" q = If (yes) <then_branch = g1 () => (float a1) {{ ax = {ints(3)} a1 = Squeeze (p, ax) }},"
    " else_branch = g2 () => (float a2) { a2 = Identity (p) }>"
    f" ay = {ints(3)} m = Unsqueeze (q, ay)",
    "a tensor cast to float16 and back": "a = Cast <to = 10> (r) m = Cast <to = 1> (a)",
}  # fmt: skip


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_between_two_layers(name, tmp_path):
    tolerance = 2e-3 if "float16" in name else 1e-5
    assert_converted(written(f"{HEAD} {GRAPHS[name]} {TAIL}"), tmp_path / "m.onnx", tolerance)


HEADS = {
    # github.com/ENOT-AutoDL/onnx2torch/issues/103
    "a matrix reshaped from a stored tensor": f"f = Flatten (r) q = {ints(256, 3)}"
    " g = Reshape (folded, q) y = MatMul (f, g)",
    # github.com/SthPhoenix/InsightFace-REST/issues/9
    "batch norm of a vector": "p = GlobalAveragePool (r) f = Flatten (p)"
    " m = BatchNormalization (f, s, t, mean, variance) y = MatMul (m, few)",
    # github.com/kraiskil/onnx2c/issues/12
    "Gemm with alpha and beta": "f = Flatten (r) y = Gemm <alpha = 0.5, beta = 2.0> (f, flat, b)",
    # github.com/chainer/onnx-chainer/issues/103
    "Gemm with C in one row": "f = Flatten (r) y = Gemm (f, flat, row)",
    "Gemm with C of one value": "f = Flatten (r) y = Gemm (f, flat, half)",
    "Gemm without C": "f = Flatten (r) y = Gemm (f, flat)",
    "Gemm with transA": "f = Flatten (r) q = Transpose <perm = [1, 0]> (f)"
    " y = Gemm <transA = 1> (q, flat)",
    # github.com/norse/norse/pull/438
    "Flatten from a negative axis": "f = Flatten <axis = -3> (r) y = MatMul (f, flat)",
    # github.com/gmalivenko/onnx2keras/issues/42
    "ReduceMean over negative axes": "m = ReduceMean <axes = [-1, -2], keepdims = 0> (r)"
    " y = MatMul (m, few)",
    # github.com/pytorch/pytorch/issues/42993
    "a shape made of Shape": f"h = Shape (r) i = Constant <value_int = 0> () n = Gather (h, i)"
    f" ax = {ints(0)} u = Unsqueeze (n, ax) rest = {ints(-1)} q = Concat <axis = 0> (u, rest)"
    " f = Reshape (r, q) y = MatMul (f, flat)",
    "a bias before the product, then Softmax": "f = Flatten (r) g = MatMul (f, flat)"
    " h = Add (b, g) y = Softmax (h)",
}


@pytest.mark.parametrize("name", HEADS)
def test_a_graph_after_the_last_convolution(name, tmp_path):
    assert_converted(written(f"{HEAD} {HEADS[name]}"), tmp_path / "m.onnx")


BASE = f"{HEAD} d = Conv <pads = [1, 1, 1, 1]> (r, k) m = Relu (d) {TAIL}"


def renamed(proto):
    """github.com/gmalivenko/onnx2keras/issues/15: 'dense_4/Identity:0' is no valid scope name."""
    names = {"r": "/layer1/Relu_output_0", "d": "φ層 1", "m": "dense_4/Identity:0", "k": "a.0/w:0"}
    for number, node in enumerate(proto.graph.node):
        node.name = f"/dense_{number}/Identity:0"
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for tensor in proto.graph.initializer:
        tensor.name = names.get(tensor.name, tensor.name)


def sparse(proto):
    """github.com/microsoft/onnxruntime/issues/5578, github.com/onnx/optimizer/issues/5."""
    (dense,) = [tensor for tensor in proto.graph.initializer if tensor.name == "k"]
    values = numpy_helper.to_array(dense) * (constant("k") > 0.2)
    places = np.flatnonzero(values).astype(np.int64)
    stored = numpy_helper.from_array(values.ravel()[places], "k")
    indices = numpy_helper.from_array(places, "k places")
    proto.graph.initializer.remove(dense)
    proto.graph.sparse_initializer.append(helper.make_sparse_tensor(stored, indices, values.shape))


def sparse_node(proto):
    """github.com/microsoft/onnxruntime/issues/24530: a Constant with sparse_value."""
    sparse(proto)
    tensor = proto.graph.sparse_initializer.pop()
    shape = tuple(tensor.dims)
    places = numpy_helper.to_array(tensor.indices)
    rows = np.stack(np.unravel_index(places, shape), axis=1).astype(np.int64)
    tensor.indices.CopyFrom(numpy_helper.from_array(rows, "rows"))
    proto.graph.node.insert(0, helper.make_node("Constant", [], ["k"], sparse_value=tensor))


def unused(proto):
    """github.com/microsoft/onnxruntime/issues/2662: num_batches_tracked; here also a NaN."""
    for name, value in (("num_batches_tracked", np.array(7)), ("old", np.float32(np.nan))):
        proto.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))


def some_as_inputs(proto):
    """github.com/microsoft/onnxjs/issues/147: weights listed before the image, or not at all."""
    image = proto.graph.input.pop()
    for tensor in list(proto.graph.initializer)[:2]:
        value = helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        proto.graph.input.append(value)
    proto.graph.input.append(image)


def wrong_shape(proto):
    """github.com/pytorch/pytorch/issues/71549: the output's shape in the file is not what comes."""
    proto.graph.output[0].type.tensor_type.shape.CopyFrom(onnx.TensorShapeProto())
    for size in (1, 9, 9, 9):
        proto.graph.output[0].type.tensor_type.shape.dim.add(dim_value=size)


def in_domain(proto):
    """The default domain by its other name, and imports of domains that nothing uses."""
    for node in proto.graph.node:
        node.domain = "ai.onnx"
    proto.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))


EDITS = [renamed, sparse, sparse_node, unused, some_as_inputs, wrong_shape, in_domain]


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
def test_a_file_in_another_form(edit, tmp_path):
    proto = written(BASE)
    edit(proto)
    assert_converted(proto, tmp_path / "m.onnx")


def test_nodes_of_one_name(tmp_path):
    """github.com/onnx/onnx-tensorflow/issues/1000; onnxruntime refuses them, names mean nothing."""
    proto, oracle = written(BASE), written(BASE)
    for node in proto.graph.node:
        node.name = "Conv"
    assert_converted(proto, tmp_path / "m.onnx", oracle=oracle)


def test_functions_within_functions(tmp_path):
    """github.com/robertknight/rten/issues/655: local functions of the new exporter."""
    functions = """
        <domain: "local", opset_import: ["" : 17, "local" : 1]>
        block (x, q) => (o) { a = local.inner (x, q) o = Relu (a) }
        <domain: "local", opset_import: ["" : 17]>
        inner (x, q) => (o) { o = Conv <pads = [1, 1, 1, 1]> (x, q) }"""
    body = f"{HEAD} d = local.block (r, k) m = local.block (d, k) {TAIL}"
    assert_converted(written(body, functions=functions), tmp_path / "m.onnx")


def test_pixels_last_with_a_reshape_as_keras_writes_it(tmp_path):
    """github.com/microsoft/onnxruntime/issues/1050."""
    body = "q = Transpose <perm = [0, 3, 1, 2]> (x) c = Conv <pads = [1, 1, 1, 1]> (q, w)"
    body += f" r = Relu (c) m = Transpose <perm = [0, 2, 3, 1]> (r) h = {ints(-1, 256)}"
    body += " f = Reshape (m, h) y = MatMul (f, flat)"
    model = assert_converted(written(body, inputs="float[N, 8, 8, 2] x"), tmp_path / "m.onnx")
    assert model.before == ("Transpose",)


def test_a_reshape_for_the_one_image_of_the_batch(tmp_path):
    """github.com/onnx/models/issues/114: emotion_ferplus of the zoo reshapes to (1, 4096)."""
    body = f"{HEAD} h = {ints(1, 256)} f = Reshape (r, h) y = MatMul (f, flat)"
    proto = written(body, inputs="float[1, 2, 8, 8] x")
    assert assert_converted(proto, tmp_path / "m.onnx").batch == 1


def test_dense_layers_in_double_precision(tmp_path):
    """github.com/microsoft/onnxruntime/issues/16494."""
    proto = written("f = Flatten (x) g = MatMul (f, e) h = Relu (g) y = MatMul (h, o)")
    rng = np.random.default_rng(0)
    for name, shape in (("e", (128, 8)), ("o", (8, 3))):
        proto.graph.initializer.append(numpy_helper.from_array(rng.normal(0, 0.3, shape), name))
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.elem_type = TensorProto.DOUBLE
    assert_converted(proto, tmp_path / "m.onnx")
