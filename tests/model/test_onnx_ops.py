"""Every reader against onnxruntime, one node at a time; SPINN_CASES=200 draws that many of each."""

from __future__ import annotations

import inspect
import itertools
import os
from typing import get_args

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from onnx import TensorProto, helper
from support import (
    onnx_cases,  # noqa: F401  (registers its cases)
    onnx_layout_cases,  # noqa: F401
)
from support.onnx_draw import CASES, OLDEST, Case, Fed, damaged, ints
from support.onnx_oracle import (
    assert_equal,
    by_graph,
    by_onnxruntime,
    by_reader,
    chain,
    fed_arrays,
    file_model,
    node_model,
    whole_graph,
)

from spinn_convert.errors import ModelError
from spinn_convert.linear.ops import Affine
from spinn_convert.model.operators import (
    READERS,
    Step,
    Tensor,
    Unsupported,
    read,
    reads,
    resize,
    signature,
)

DRAWN = int(os.environ.get("SPINN_CASES", "40"))
MORE = {"Resize": 8, "Pad": 2, "Slice": 2, "AveragePool": 2}


def drawn(count):
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.slow
@pytest.mark.parametrize("operator", sorted(CASES))
def test_reader_agrees_with_onnxruntime(operator):
    @drawn(DRAWN * MORE.get(operator, 1))
    @given(CASES[operator])
    def check(case):
        wanted = by_onnxruntime(node_model(case), fed_arrays(case)[1])
        if means_nothing(case, wanted):
            with pytest.raises(Unsupported, match=r"nothing but padding|is empty"):
                by_reader(case)
        else:
            assert_equal(case, by_reader(case), wanted)

    check()


@pytest.mark.parametrize("include", [0, 1])
def test_an_average_over_padding_only_is_zero(include):
    attributes = {
        "kernel_shape": [2, 2],
        "dilations": [1, 2],
        "pads": [0, 1, 0, 1],
        "count_include_pad": include,
    }
    case = Case("AveragePool", 19, [np.ones((1, 2, 2, 1), np.float32).view(Fed)], attributes)
    (found,) = by_reader(case)
    assert not found.any()
    assert_equal(case, [found], by_onnxruntime(node_model(case), fed_arrays(case)[1]))


@pytest.mark.parametrize("size", range(1, 10))
def test_the_last_part_of_a_split_is_smaller(size):
    x = np.arange(size, dtype=np.float32).reshape(1, size).view(Fed)
    for parts in range(1, size + 1):
        case = Case("Split", 18, [x], {"axis": 1, "num_outputs": parts}, parts)
        if -(-size // parts) * (parts - 1) < size:
            assert_equal(case, by_reader(case), by_onnxruntime(node_model(case), {"i0": x}))
        else:
            with pytest.raises(Unsupported, match=r"num_outputs|split="):
                by_reader(case)


@pytest.mark.parametrize("coordinates", get_args(resize.Coordinates))
@pytest.mark.parametrize("nearest_mode", get_args(resize.Rounding))
def test_every_small_resizing_agrees_with_onnxruntime(coordinates, nearest_mode):
    for size, resized in itertools.product(range(1, 7), repeat=2):
        x = np.arange(1, size + 1, dtype=np.float32).reshape(1, size).view(Fed)
        crop = np.asarray([0, -0.2, 1, 0.9], np.float32)
        attributes = {
            "coordinate_transformation_mode": coordinates,
            "nearest_mode": nearest_mode,
            "extrapolation_value": -3.0,
        }
        case = Case("Resize", 19, [x, crop, None, ints([1, resized])], attributes)
        assert_equal(case, by_reader(case), by_onnxruntime(node_model(case), {"i0": x}))


def means_nothing(case, outputs):
    """Return if a maximum was taken over padding only, or if nothing is left."""
    if any(output.size == 0 for output in outputs):
        return True
    return case.operator == "MaxPool" and outputs[0].min() == np.finfo(np.float32).min


@pytest.mark.slow
@pytest.mark.parametrize("operator", sorted(CASES))
def test_what_is_not_refused_agrees_with_onnxruntime(operator):
    """A node with one attribute or input replaced is refused, or read as onnxruntime reads it."""

    @drawn(DRAWN)
    @given(damaged(operator, sorted(signature(operator).attributes)))
    def check(case):
        try:
            found = by_reader(case)
        except Unsupported:
            return
        try:
            wanted = by_onnxruntime(node_model(case), fed_arrays(case)[1])
        except Exception:  # not valid ONNX, and load lets onnxruntime judge that
            return
        assert_equal(case, found, wanted)

    check()


@pytest.mark.parametrize("operator", sorted(CASES))
def test_file_agrees_with_onnxruntime(operator, tmp_path):
    """The whole way through a file that onnxruntime simplifies."""
    path = tmp_path / "node.onnx"

    @drawn(max(4, DRAWN // 10))
    @given(CASES[operator])
    def check(case):
        model, feeds = file_model(case)
        wanted = by_onnxruntime(model, feeds)
        if means_nothing(case, wanted):
            with pytest.raises(ModelError, match=r"nothing but padding|is empty"):
                by_graph(model, feeds, path)
        else:
            assert_equal(case, by_graph(model, feeds, path), wanted)

    check()


def test_there_are_cases_of_every_operator():
    assert set(CASES) | {"Constant"} == set(READERS)


def test_two_readers_of_one_operator_are_an_error():
    with pytest.raises(KeyError, match="two readers for Conv"):
        reads("Conv")(lambda x: x)


@pytest.mark.parametrize("operator", sorted(READERS))
def test_unknown_attribute_is_refused_with_name_and_value(operator):
    with pytest.raises(Unsupported, match=r"vendor_option='fast' is not understood"):
        read(operator, valid_inputs(operator), {"vendor_option": "fast"})


def valid_inputs(operator):
    weights = np.ones((4, 4, 1, 1), np.float32)
    required = [p for p in signature(operator).inputs if p.default is p.empty]
    return [Tensor("x", (4, 4, 4)) if takes_tensor(p) else weights for p in required]


def takes_tensor(parameter: inspect.Parameter):
    return Tensor in (get_args(parameter.annotation) or (parameter.annotation,))


NOT_READ = {"Constant": {"sparse_value", "value_string", "value_strings"}}


@pytest.mark.parametrize("operator", sorted(READERS))
def test_signatures_have_the_attributes_and_defaults_of_onnx(operator):
    """Of every opset from 7 on; what ONNX requires in each of them has no default here."""
    schemas = schemas_since(operator, OLDEST)
    attributes = signature(operator).attributes
    known = {name for schema in schemas for name in schema.attributes}
    assert known - set(attributes) == NOT_READ.get(operator, set())
    assert set(attributes) <= known
    for name, parameter in attributes.items():
        found = [schema.attributes[name] for schema in schemas if name in schema.attributes]
        required = len(found) == len(schemas) and all(attribute.required for attribute in found)
        assert (parameter.default is parameter.empty) == required, name
        for attribute in found:
            if attribute.default_value.name:
                assert default(attribute) == pytest.approx(parameter.default), name


def schemas_since(operator, opset):
    """Return the schemas that hold in an opset or a later one."""
    schemas = onnx.defs.get_all_schemas_with_history()
    own = [s for s in schemas if s.name == operator and s.domain == "" and not s.deprecated]
    first = max((s.since_version for s in own if s.since_version <= opset), default=opset)
    return [schema for schema in own if schema.since_version >= first]


def default(attribute):
    value = helper.get_attribute_value(attribute.default_value)
    return value.decode() if isinstance(value, bytes) else value


CONSTANTS = {
    "value": np.arange(3.0),
    "value_float": 1.5,
    "value_floats": [1.5, 2.5],
    "value_int": 3,
    "value_ints": [3, 4],
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants_are_read(name):
    found = read("Constant", [], {name: CONSTANTS[name]})
    assert isinstance(found, np.ndarray)
    assert found.dtype == (np.int64 if "int" in name else found.dtype)
    assert np.array_equal(found, CONSTANTS[name])


def test_windows_of_one_element_need_no_neurons():
    step = read("MaxPool", [Tensor("x", (4, 6, 6))], {"kernel_shape": [1, 1], "strides": [2, 2]})
    assert isinstance(step, Step)
    assert isinstance(step.op, Affine)


def test_indices_of_max_pooling_are_refused_where_they_are_used(tmp_path):
    pool = helper.make_node("MaxPool", ["x"], ["p", "i"], "pool", kernel_shape=[2, 2])
    onnx.save(chain([pool, helper.make_node("Relu", ["p"], ["y"])]), tmp_path / "unused.onnx")
    assert whole_graph(tmp_path / "unused.onnx").nodes[-1].shape == (2, 5, 5)
    cast = helper.make_node("Cast", ["i"], ["y"], to=TensorProto.FLOAT)
    onnx.save(chain([pool, cast]), tmp_path / "used.onnx")
    with pytest.raises(ModelError, match=r"node pool \(MaxPool\): its output 2 \(i\)"):
        whole_graph(tmp_path / "used.onnx")


def test_split_gives_every_output_its_node(tmp_path):
    split = helper.make_node("Split", ["x"], ["a", "b"], axis=1)
    minus = helper.make_node("Sub", ["b", "a"], ["y"])
    x = np.random.default_rng(1).standard_normal((2, 2, 6, 6)).astype(np.float32)
    (found,) = by_graph(chain([split, minus], 12), {"x": x}, tmp_path / "split.onnx")
    assert np.allclose(found, x[:, 1:] - x[:, :1])


def test_float16_models_are_read_as_float32(tmp_path):
    rng = np.random.default_rng(1)
    w = rng.standard_normal((3, 2, 3, 3)).astype(np.float16)
    x = rng.standard_normal((2, 2, 6, 6)).astype(np.float16)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["y"]),
    ]
    model = chain(nodes, dtype=TensorProto.FLOAT16, weights={"w": w})
    (found,) = by_graph(model, {"x": x}, tmp_path / "half.onnx")
    (wanted,) = by_onnxruntime(model, {"x": x})
    assert np.abs(found - wanted).max() < 1e-2
