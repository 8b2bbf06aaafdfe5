"""Damaged files give one clear message: no traceback, no hang, no gigabytes."""

from __future__ import annotations

import io
import os
import time

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from rich.console import Console
from support.damage import damaged
from support.damage_graphs import function_growth
from support.damage_seeds import convolutional, model, node, seeds, tiny
from support.damage_sizes import huge_outputs

from spinn_convert.cli import tables as cli_tables
from spinn_convert.conversion.fold import fold
from spinn_convert.errors import ModelError, SpinnConvertError
from spinn_convert.jobs.inspect import execute
from spinn_convert.jobs.prepare import Source
from spinn_convert.model.load import load
from spinn_convert.model.source.address_space import growing_by
from spinn_convert.model.source.check import check

FILES = int(os.environ.get("SPINN_DAMAGED", "150"))
SECONDS, MEMORY = 20, 2**31


@pytest.fixture
def inspected(tmp_path):
    """Return a function that inspects a file of this content, and prints the table."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "weights.bin").write_bytes(bytes(4096))
    (tmp_path / "outside.bin").write_bytes(bytes(4096))
    (tmp_path / "models" / "link.bin").symlink_to(tmp_path / "outside.bin")
    path = tmp_path / "models" / "damaged.onnx"

    def inspect(content):
        path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
        with growing_by(MEMORY):
            network = execute(Source(path)).network
            Console(file=io.StringIO()).print(cli_tables.population_table(network))
        return network

    return inspect


def refused(inspected, content):
    with pytest.raises(ModelError) as caught:
        inspected(content)
    assert "damaged.onnx" in str(caught.value)
    assert all(problem.fix for problem in caught.value.problems)
    return str(caught.value)


@pytest.mark.slow
def test_damaged_files_are_read_or_refused(inspected):
    failed, read = [], 0
    for name, content in damaged(FILES):
        started = time.monotonic()
        try:
            inspected(content)
            read += 1
        except SpinnConvertError as error:
            if len(str(error).splitlines()) > 2 * len(error.problems):
                failed.append(f"{name}: message {error}")
        except Exception as error:
            failed.append(f"{name}: {type(error).__name__}: {error}")
        if time.monotonic() - started > SECONDS:
            failed.append(f"{name}: {time.monotonic() - started:.0f} s")
    assert not failed, "\n".join(failed)
    assert 0 < read < FILES / 2


@pytest.mark.parametrize("name", seeds())
def test_the_files_that_are_damaged_are_valid(name, inspected):
    assert inspected(seeds()[name]).spiking


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"raw_data": b"12345"}, "5 bytes; shape [4, 2, 3, 3] of FLOAT needs 288"),
        ({"raw_data": bytes(400)}, "400 bytes"),
        ({"raw_data": None}, "it has 0 values"),
        ({"dims": [10**12]}, "needs 4000000000000"),
        ({"dims": [4, -2, 3, 3]}, "its shape is [4, -2, 3, 3]"),
        ({"data_type": 99}, "there is no data type 99"),
        ({"data_type": 0}, "there is no data type 0"),
    ],
)
def test_weights_that_do_not_fit_their_shape(inspected, changes, words):
    proto = tiny()
    tensor = proto.graph.initializer[0]
    for field, value in changes.items():
        tensor.ClearField(field)
        if field == "dims":
            tensor.dims.extend(value)
        elif value is not None:
            setattr(tensor, field, value)
    message = refused(inspected, proto)
    assert words in message
    assert "weight w: damaged" in message


@pytest.mark.parametrize("field", ["float_data", "raw_data"])
def test_weights_in_either_field_are_accepted(inspected, field):
    proto = tiny()
    if field == "float_data":
        tensor = proto.graph.initializer[0]
        values = numpy_helper.to_array(tensor)
        tensor.CopyFrom(helper.make_tensor("w", TensorProto.FLOAT, values.shape, values.ravel()))
    assert inspected(proto).spiking


@pytest.mark.parametrize(
    "kind",
    [
        *("BOOL", "INT4", "UINT4", "INT2", "INT16", "FLOAT16", "BFLOAT16", "FLOAT8E5M2"),
        *("STRING", "COMPLEX64", "DOUBLE", "UINT64"),
    ],
)
@pytest.mark.parametrize("raw", [False, True])
def test_weights_of_every_type_are_complete(tmp_path, kind, raw):
    if kind not in dict(TensorProto.DataType.items()):
        pytest.skip(f"this onnx has no {kind}")
    if raw and kind == "STRING":
        pytest.skip("text has no raw form")
    code = TensorProto.DataType.Value(kind)
    values = [b"a"] * 5 if kind == "STRING" else [1] * 5
    if raw:
        tensor = numpy_helper.from_array(np.ones(5, helper.tensor_dtype_to_np_dtype(code)), "n")
    else:
        tensor = helper.make_tensor("n", code, [5], values)
    proto = tiny()
    proto.graph.initializer.append(tensor)
    check(tmp_path, proto)


@pytest.mark.parametrize(("version", "read"), [(1, False), (6, False), (7, True), (999, False)])
def test_opsets_of_another_meaning_are_refused(inspected, version, read):
    nodes = [
        node("Conv", ["x", "w", "b"], ["a"]),
        node("Relu", ["a"], ["r"]),
        node("Conv", ["r", "u"], ["y"]),
    ]
    weights = {"w": np.ones((3, 2, 3, 3)), "b": np.ones(3), "u": np.ones((3, 3, 1, 1))}
    proto = model(nodes, {name: value.astype(np.float32) for name, value in weights.items()})
    proto.opset_import[0].version = version
    if read:
        assert inspected(proto).spiking
    else:
        assert "opset" in refused(inspected, proto)


@pytest.mark.parametrize("loop", [True, False])
def test_functions_without_end_are_refused(inspected, loop):
    proto = tiny()
    function_growth(None, proto)
    if loop:
        proto.functions[-1].node[0].CopyFrom(proto.functions[0].node[0])
        proto.functions[-1].node[0].op_type = "f0"
        proto.functions[-1].node[0].domain = "local"
    message = refused(inspected, proto)
    assert ("calls itself" if loop else "nodes") in message


@pytest.mark.parametrize("dims", [(10**12, 8), (8, 1000), (2**30, 2**30)])
def test_images_too_large_for_any_machine(inspected, dims):
    proto = convolutional()
    for dim, size in zip(proto.graph.input[0].type.tensor_type.shape.dim[2:], dims):
        dim.dim_value = size
    if max(dims) < 10**7:
        assert inspected(proto).spiking
    else:
        assert "elements" in refused(inspected, proto)


def test_padding_too_large_for_any_machine(inspected):
    proto = convolutional()
    (pads,) = [a for a in proto.graph.node[0].attribute if a.name == "pads"]
    pads.ints[1] = 2**31
    assert "elements" in refused(inspected, proto)


def test_names_are_printed_in_one_line_and_without_markup(inspected):
    name = "[/bold]\n\x1b[2J"
    proto = convolutional()
    for each in proto.graph.node[1:3]:
        each.name = ""
        renamed(each, "r", name)
    assert name in [population.name for population in inspected(proto).spiking]
    proto.graph.node[1].op_type = "Tanh"
    message = refused(inspected, proto)
    assert "\x1b" not in message
    assert len(message.splitlines()) == 2


def renamed(each, old, new):
    each.input[:] = [new if name == old else name for name in each.input]
    each.output[:] = [new if name == old else name for name in each.output]


@pytest.mark.slow
def test_constants_that_are_huge_together(inspected):
    proto = tiny()
    huge_outputs(None, proto, 2**24 - 1)
    assert "memory" in refused(inspected, proto)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"location": "none.bin"}, "put none.bin beside the model"),
        ({"location": "sub/none.bin"}, "put sub/none.bin beside the model"),
        ({"location": "link.bin"}, "replace link.bin by a copy of the file"),
        ({"location": "/etc/hostname"}, "/etc/hostname"),
        ({"location": "../outside.bin"}, "outside.bin"),
        ({"location": "weights.bin", "offset": "999999"}, "weights.bin, which has 4,096 bytes of"),
        ({"location": "weights.bin", "offset": "x"}, "x"),
        ({"location": "weights.bin", "length": "5"}, "its length is 5 bytes"),
        ({"location": "weights.bin", "length": str(10**15)}, "its shape needs 288"),
        ({}, "external"),
    ],
)
def test_weights_in_other_files(inspected, entries, words):
    proto = tiny()
    tensor = proto.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.ClearField("raw_data")
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    assert words in refused(inspected, proto)


def test_a_file_of_all_weights_that_is_missing_is_named_once(inspected):
    proto = convolutional()
    for tensor in proto.graph.initializer:
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="damaged.onnx.data")
    message = refused(inspected, proto)
    assert message.count("damaged.onnx.data") == 2
    assert "put damaged.onnx.data beside the model" in message


def test_weights_in_another_file_end_where_their_shape_does(inspected):
    proto = tiny()
    for tensor in proto.graph.initializer[:2]:
        tensor.data_location = TensorProto.EXTERNAL
        tensor.ClearField("raw_data")
        tensor.external_data.add(key="location", value="weights.bin")
    assert inspected(proto).spiking


def test_weights_in_other_files_that_no_model_holds(inspected):
    proto = tiny()
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    tensor.dims[:] = [2**30]
    assert "4,294,967,296 bytes; a model holds" in refused(inspected, proto)


def test_a_step_takes_no_name_of_the_file(tmp_path):
    """`c.0`, as the first part of the sum c would be called, is a tensor of this file."""
    nodes = [
        node("Conv", ["x", "w"], ["a"]),
        node("Relu", ["a"], ["c.0"]),
        node("Conv", ["c.0", "u"], ["c.1"]),
        node("Relu", ["c.1"], ["e"]),
        node("Concat", ["c.0", "e"], ["c"], axis=1),
        node("Conv", ["c", "v"], ["y"]),
    ]
    weights = {"w": np.ones((3, 2, 3, 3)), "u": np.ones((3, 3, 1, 1)), "v": np.ones((2, 6, 1, 1))}
    proto = model(nodes, {name: value.astype(np.float32) for name, value in weights.items()})
    path = tmp_path / "names.onnx"
    onnx.save(proto, path)
    graph = load(path).graph
    names = [each.name for each in graph.nodes]
    assert len(set(names)) == len(names)
    assert [layer.name for layer in fold(graph)] == ["x", "c.0", "e", "y"]
    assert {node.shape for node in graph.nodes if node.name.startswith("c.0")} == {
        (3, 6, 6),
        (6, 6, 6),
    }
