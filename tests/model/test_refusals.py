"""A refusal says each reason once, names all the nodes, and stays short."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnxruntime import quantization
from support.damage_seeds import convolutional
from support.onnx_opsets import SHAPE, written_at

from spinn_convert.errors import ModelError
from spinn_convert.model.load import load
from spinn_convert.model.refusal import MOST_LETTERS, Refused, together


def refused(path):
    with pytest.raises(ModelError) as caught:
        load(path)
    return str(caught.value)


class Images(quantization.CalibrationDataReader):
    def __init__(self):
        rng = np.random.default_rng(0)
        shape = (1, *SHAPE)
        self.left = [{"x": rng.standard_normal(shape).astype(np.float32)} for _ in range(3)]

    def get_next(self):
        return self.left.pop() if self.left else None


FORMATS = {
    "QDQ": ("DequantizeLinear", quantization.QuantFormat.QDQ),
    "operators": ("QLinearConv", quantization.QuantFormat.QOperator),
    "dynamic": ("ConvInteger", None),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FORMATS)
def test_a_quantised_model_is_refused_in_two_lines(name, tmp_path):
    operator, form = FORMATS[name]
    onnx.save(written_at(17), tmp_path / "float.onnx")
    if form is None:
        quantization.quantize_dynamic(tmp_path / "float.onnx", tmp_path / "int8.onnx")
    else:
        quantization.quantize_static(
            tmp_path / "float.onnx", tmp_path / "int8.onnx", Images(), quant_format=form
        )
    message = refused(tmp_path / "int8.onnx")
    assert "it is quantised" in message
    assert operator in message
    assert message.endswith("export the float model, as it was before quantisation")
    assert len(message.splitlines()) == 2
    assert len(message) < 400


def test_bytes_before_the_first_layer_are_no_quantised_model(tmp_path):
    """The host undoes them, as it casts or normalises images."""
    proto = written_at(17)
    for name, value in (("unit", np.float32(1 / 32)), ("zero", np.int8(0))):
        proto.graph.initializer.append(numpy_helper.from_array(value, name))
    undone = [
        helper.make_node("QuantizeLinear", ["x", "unit", "zero"], ["pixels"]),
        helper.make_node("DequantizeLinear", ["pixels", "unit", "zero"], ["undone"]),
    ]
    proto.graph.node[0].input[0] = "undone"
    nodes = [*undone, *proto.graph.node]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    onnx.save(proto, tmp_path / "bytes.onnx")
    assert load(tmp_path / "bytes.onnx").before[:2] == ("QuantizeLinear", "DequantizeLinear")


def test_a_reason_is_given_once_with_all_the_nodes(write_model):
    nodes, last = [], "x"
    for number in range(9):
        nodes.append(helper.make_node("Conv", [last, "w"], [f"c{number}"]))
        nodes.append(helper.make_node("Sigmoid", [f"c{number}"], [f"s{number}"], f"gate_{number}"))
        last = f"s{number}"
    nodes.append(helper.make_node("Conv", [last, "w"], ["y"]))
    message = refused(write_model(nodes, {"w": np.ones((1, 1, 1, 1), np.float32)}))
    names = ", ".join(f"gate_{number}" for number in range(9))
    assert f", 9 Sigmoid nodes ({names}): " in message
    assert len(message.splitlines()) == 2


def test_weights_that_are_not_finite_are_named_together(tmp_path):
    proto = convolutional()
    names = [tensor.name for tensor in proto.graph.initializer if len(tensor.dims) == 4]
    for tensor in proto.graph.initializer:
        if tensor.name in names:
            values = numpy_helper.to_array(tensor) * np.float32(np.nan)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    onnx.save(proto, tmp_path / "nan.onnx")
    message = refused(tmp_path / "nan.onnx")
    assert f"{len(names)} weights ({', '.join(names)}): has values that are NaN" in message


def test_other_reasons_and_remedies_stay_apart():
    found = [
        Refused("a", "Tanh", "no form", "train with Relu"),
        Refused("b", "Elu", "no form", "train with Relu"),
        Refused("c", "Sigmoid", "no form", "export logits"),
        Refused("d", "Gemm", "transA=1", ""),
        Refused("a", "Tanh", "no form", "train with Relu"),
    ]
    problems = together(Path("m.onnx"), found)
    assert [problem.where for problem in problems] == [
        "m.onnx, 2 nodes (a (Tanh), b (Elu))",
        "m.onnx, node c (Sigmoid)",
        "m.onnx, node d (Gemm)",
    ]


def test_names_are_cut_only_where_the_line_would_be_very_long():
    found = [Refused(f"/layer{n}/act/Sigmoid", "Sigmoid", "no form", "") for n in range(200)]
    (problem,) = together(Path("m.onnx"), found)
    assert problem.where.startswith("m.onnx, 200 Sigmoid nodes (/layer0/act/Sigmoid, /layer1/act")
    shown = problem.where.count("/layer")
    assert problem.where.endswith(f" and {200 - shown} more)")
    assert MOST_LETTERS - 30 < len(problem.where) < MOST_LETTERS + 60
