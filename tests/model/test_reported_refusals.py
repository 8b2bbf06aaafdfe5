"""Inputs that users of other converters reported and that have no spiking form: what is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from support.onnx_text import HEAD, ints, written

from spinn_convert.conversion.method import PAPER
from spinn_convert.conversion.steps import converted, folded
from spinn_convert.conversion.verify import verify
from spinn_convert.errors import ModelError
from spinn_convert.model.load import load

LENIENT = replace(PAPER, percentile=100, normalisation="layer", dead_channels="layer")
TAIL = "y = Conv (m, v)"


def refused(proto, path):
    """Return the message of a file that cannot be read, calibrated or verified."""
    onnx.save(proto, path)
    with pytest.raises(ModelError) as caught:
        convert(path)
    message = str(caught.value)
    assert len(message.splitlines()) <= 2 * len(caught.value.problems)
    return message


def convert(path):
    model, layers = folded(load(path), LENIENT)
    rng = np.random.default_rng(1)
    images = rng.standard_normal((3, *model.image_shape)).astype(np.float32)
    verify(model, layers, converted(load(path), images, LENIENT, 1), images, 1)


GRAPHS = {
    # github.com/nitin-rathi/hybrid-snn-conversion/issues/7
    "PRelu": ("m = PRelu (r, slope)", ["(PRelu)", "train with Relu"]),
    "LeakyRelu": ("m = LeakyRelu (c)", ["(LeakyRelu)", "train with Relu"]),
    "SiLU": (
        "q = Sigmoid (c) m = Mul (c, q)",
        ["(Sigmoid)", "train with Relu", "(Mul): multiplies two tensors", "leave out gates"],
    ),
    # github.com/ENOT-AutoDL/onnx2torch/issues/83
    "LayerNormalization": (
        "q = Constant <value_floats = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]> ()"
        " m = LayerNormalization (r, q)",
        ["(LayerNormalization)", "use BatchNormalization"],
    ),
    # github.com/microsoft/onnxruntime/issues/5549: onnxruntime itself drops it without a word
    "Dropout in training": ("m = Dropout (r, half, true)", ["(Dropout)", "in evaluation mode"]),
    # github.com/openvinotoolkit/openvino/pull/37170, github.com/pytorch/pytorch/issues/49229
    "batch norm in training": (
        "m, a, e = BatchNormalization <training_mode = 1> (r, s, t, mean, variance)",
        ["(BatchNormalization)", "in evaluation mode"],
    ),
    # github.com/llvm/torch-mlir/pull/2695
    "max pooling by columns": (
        "m = MaxPool <kernel_shape = [2, 2], storage_order = 1> (r)",
        ["storage_order=1 is not understood"],
    ),
    "linear Resize": (
        "q = Constant <value_floats = [1.0, 1.0, 2.0, 2.0]> ()"
        ' m = Resize <mode = "linear"> (r, , q)',
        ["mode='linear'", "train with mode='nearest'"],
    ),
    "a curve": ("m = Sqrt (r)", ["(Sqrt)", "only Relu and Clip may bend"]),
    "a maximum of two tensors": ("m = Max (r, c)", ["(Max)", "use MaxPool"]),
    "a product as Einsum": (
        'f = Flatten (r) m = Einsum <equation = "bi,io->bo"> (f, flat)',
        ["(Einsum)", "write it as MatMul"],
    ),
    "an operator of one's own": ("m = local.Mine (r)", ["operators of your own"]),
    # github.com/openvinotoolkit/openvino/issues/94
    "quarters of an image as a batch": (
        f"h = {ints(-1, 1, 8, 8)} q = Reshape (c, h) p = Relu (q) i = {ints(-1, 4, 8, 8)}"
        " m = Reshape (p, i)",
        ["(Reshape)", "moves the batch axis", "keep the images of a batch apart"],
    ),
    # github.com/pytorch/pytorch/issues/41893: a traced constant in a file with an open batch
    "a shape of one image": (
        f"h = {ints(1, 4, 8, 8)} m = Reshape (r, h)",
        ["the batch of x is open, but", "export the model with a batch of 1"],
    ),
    "sizes of one image": (
        f'h = {ints(1, 4, 16, 16)} m = Resize <mode = "nearest"> (r, , , h)',
        ["the batch of x is open, but", "export the model with a batch of 1"],
    ),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_without_a_spiking_form(name, tmp_path):
    body, words = GRAPHS[name]
    tail = "y = Identity (m)" if "Einsum" in name else TAIL
    message = refused(written(f"{HEAD} {body} {tail}"), tmp_path / "m.onnx")
    assert all(word in message for word in words), message


INPUTS = {
    # github.com/ENOT-AutoDL/onnx2torch/issues/205
    "open sizes": ("float[N, 2, H, W] x", "only the batch axis may be open"),
    "no shape": ("float x", "expected a batch of images"),
    "two images": ("float[N, 2, 8, 8] x, float[N, 2, 8, 8] other", "has 2 inputs (x, other)"),
}


@pytest.mark.parametrize("name", INPUTS)
def test_another_input_than_images_of_one_size(name, tmp_path):
    inputs, words = INPUTS[name]
    proto = written(f"{HEAD} m = Relu (r) {TAIL}", inputs=inputs)
    assert words in refused(proto, tmp_path / "m.onnx")


def test_signals_along_one_axis(tmp_path):
    """github.com/fastmachinelearning/hls4ml/issues/686."""
    proto = written("c = Conv (x, q) r = Relu (c) y = Conv (r, q)", inputs="float[N, 4, 8] x")
    weights = numpy_helper.from_array(np.ones((4, 4, 3), np.float32), "q")
    proto.graph.initializer.append(weights)
    message = refused(proto, tmp_path / "m.onnx")
    assert "2 Conv nodes (c, y): " in message
    assert "only 2-D convolutions" in message


def test_batch_norm_in_training_before_opset_14(tmp_path):
    """github.com/onnx/onnx/issues/1042: its further outputs are what says so."""
    body = f"{HEAD} m, a, e, g, h = BatchNormalization (r, s, t, mean, variance) {TAIL}"
    assert "evaluation mode" in refused(written(body, opset=9), tmp_path / "m.onnx")


@pytest.mark.parametrize("kind", [TensorProto.DOUBLE, TensorProto.BFLOAT16])
def test_convolutions_that_onnxruntime_has_in_float32_only(kind, tmp_path):
    """github.com/microsoft/onnxruntime/issues/11453, github.com/onnx/onnx/issues/4051."""
    proto = written(f"{HEAD} m = Relu (r) {TAIL}")
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    for tensor in proto.graph.initializer:
        values = numpy_helper.to_array(tensor).astype(dtype)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.elem_type = kind
    assert "export the model in float32" in refused(proto, tmp_path / "m.onnx")


def test_a_file_that_onnxruntime_has_optimised(tmp_path):
    """github.com/microsoft/onnxruntime/issues/11476: FusedConv is its own operator."""
    proto = written(f"{HEAD} d = Conv (r, k) m = Relu (d) {TAIL}")
    fused = proto.graph.node[2]
    fused.op_type, fused.domain, fused.name = "FusedConv", "com.microsoft", "fused"
    fused.attribute.append(helper.make_attribute("activation", "Relu"))
    proto.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    message = refused(proto, tmp_path / "m.onnx")
    assert "node fused (FusedConv): " in message
    assert "as it was exported, of ONNX's own operators" in message
