"""Elements that leave their image and come back, in files for one, several or any images."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from support.onnx_oracle import by_graph, by_onnxruntime

from spinn_convert.errors import ModelError


def file(batch, *nodes, **weights):
    """Return a file with the input x of (batch, 2, 4, 6) and the output y."""
    graph = helper.make_graph(
        nodes,
        "moves",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 2, 4, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def node(operator, inputs, output, **attributes):
    return helper.make_node(operator, inputs.split(), [output], output, **attributes)


STRIDED = [node("Reshape", "x all", "f"), node("Gather", "f i", "y")]
PLACES = np.arange(48).reshape(2, 4, 6).transpose(2, 0, 1)
AWAY = np.array([-1])
HERE_AND_BACK = {
    "as_strided": lambda b: file(
        b, *STRIDED, all=AWAY, i=np.stack([48 * n + PLACES for n in range(b)])
    ),
    "a channel shuffle as in ShuffleNet": lambda b: file(
        b,
        node("Reshape", "x s", "a"),
        node("Transpose", "a", "c", perm=[1, 0, 2]),
        node("Reshape", "c t", "d"),
        node("Transpose", "d", "e", perm=[1, 0, 2, 3]),
        node("Reshape", "e u", "y"),
        s=np.array([b, 2, 24]), t=np.array([2, b, 8, 3]), u=np.array([b, 3, 16]),
    ),
    "batch last and first again": lambda b: file(
        b,
        node("Transpose", "x", "a", perm=[1, 2, 3, 0]),
        node("Squeeze", "a", "c"),
        node("Reshape", "c s", "d"),
        node("Transpose", "d", "y", perm=[1, 0]),
        s=np.array([48, b]),
    ),
    "a vector per image": lambda b: file(b, node("Reshape", "x s", "y"), s=np.array([b, 48])),
    "constants of all images": lambda b: file(
        b,
        node("Add", "x c", "a"),
        node("Concat", "a c", "y", axis=1),
        c=np.repeat(np.arange(48, dtype=np.float32).reshape(1, 2, 4, 6), b, 0),
    ),
    "sizes with the batch": lambda b: file(
        b, helper.make_node("Resize", ["x", "", "", "s"], ["y"]), s=np.array([b, 2, 8, 12])
    ),
    "expanded": lambda b: file(
        b, node("Reshape", "x s", "a"), node("Expand", "a t", "y"),
        s=np.array([b, 48, 1]), t=np.array([b, 48, 3]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("name", HERE_AND_BACK)
def test_elements_that_come_back_are_found(name, batch, tmp_path):
    model = HERE_AND_BACK[name](batch)
    x = np.random.default_rng(0).standard_normal((batch, 2, 4, 6)).astype(np.float32)
    (found,) = by_graph(model, {"x": x}, tmp_path / "moves.onnx")
    (wanted,) = by_onnxruntime(model, {"x": x})
    assert np.array_equal(found.astype(np.float32), wanted)


MIXED = {
    "all images in one": ["b", node("Flatten", "x", "y", axis=0)],
    "one vector": ["b", node("Reshape", "x all", "a"), node("Gather", "a places", "y")],
    "images in reverse": ["b", node("Slice", "x last first zero back", "y")],
    "the first image": ["b", node("Gather", "x zero", "y")],
    "channels as images": [
        "b", node("Reshape", "x one", "a"), node("Transpose", "a", "y", perm=[1, 0, 2])
    ],
    "two images swapped": [2, node("Gather", "x swapped", "y")],
    "the same image twice": [2, node("Gather", "x twice", "y")],
}  # fmt: skip
NUMBERS = {
    "all": AWAY, "zero": np.array([0]), "one": np.array([0, 1, 48]), "last": np.array([-1]),
    "first": np.array([-(2**31)]), "back": np.array([-1]), "swapped": np.array([1, 0]),
    "twice": np.array([0, 0]), "places": np.arange(48)[None],
}  # fmt: skip


@pytest.mark.parametrize("name", MIXED)
def test_images_that_are_mixed_are_refused(name, tmp_path):
    """Also where a file takes any number of images, and they are mixed only from two on."""
    batch, *nodes = MIXED[name]
    model = file(batch, *nodes, node("Relu", "y", "z"), **NUMBERS)
    model.graph.output[0].name = "z"
    with pytest.raises(ModelError, match=r"node . \(\w+\): .*batch axis"):
        by_graph(model, {}, tmp_path / "mixed.onnx")
