"""Boxes found by a file of ONNX nodes are those that we decode ourselves."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from support.detectors import anchors_file, heads_file
from support.places import EXAMPLES

from spinn_convert.errors import ModelError
from spinn_convert.files.scenes import load_scenes
from spinn_convert.model import host
from spinn_convert.model.boxes import boxes_file
from spinn_convert.model.detector import heads_detections, read_heads, whole_detections
from spinn_convert.model.load import load

pytestmark = pytest.mark.slow

CASES = {
    "all": {},
    "few candidates": {"candidates": 7, "least_score": 0.01},
    "few boxes": {"most_boxes": 3},
    "much overlap": {"most_overlap": 0.9, "most_boxes": 300},
    "none": {"least_score": 0.999999},
}


@pytest.fixture
def model(tmp_path):
    return load(heads_file(tmp_path / "heads.onnx"))


def found_by_nodes(model, heads, maps):
    session = onnxruntime.InferenceSession(boxes_file(model, heads).SerializeToString())
    return session.run(None, maps)


@pytest.mark.parametrize("changed", CASES.values(), ids=CASES)
@pytest.mark.parametrize("step", [0, 0.5], ids=["distinct", "equal logits"])
def test_nodes_find_what_we_find(model, changed, step):
    """Spikes make few different logits, so that the order among equals matters."""
    heads = read_heads(model, anchors_file(model.path, **changed))
    rng = np.random.default_rng(1)
    sizes = {"scores map": 6, "moves map": 8}
    maps = {
        name: rng.standard_normal((1, width, 8, 8)).astype(np.float32)
        for name, width in sizes.items()
    }
    if step:
        maps["scores map"] = np.round(maps["scores map"] / step).astype(np.float32) * step
    heads_file_itself = [
        maps[name].reshape(1, 2, -1, 8, 8).transpose(0, 3, 4, 1, 2).reshape(1, 128, -1)
        for name in sizes
    ]
    (expected,) = heads_detections(model, heads, heads_file_itself)
    boxes, scores, labels = found_by_nodes(model, heads, maps)
    assert np.array_equal(labels, expected.labels)
    assert np.allclose(scores, expected.scores, atol=1e-6)
    assert np.allclose(boxes, expected.boxes, atol=1e-4)
    assert (len(labels) == 0) == ("least_score" in changed and changed["least_score"] > 0.9)


def test_candidates_are_counted_level_by_level(tmp_path):
    """Two levels in one output: 3 candidates of each, whatever the other holds."""
    path = heads_file(tmp_path / "heads.onnx")
    coarse = {"size": [4, 4], "stride": [4, 4], "sides": [8, 9], "ratios": [0.5, 1.0]}
    fine = {"size": [4, 8], "stride": [4, 2], "sides": [4, 5], "ratios": [1.0]}
    model = load(path)
    levels = {"levels": [fine, coarse], "candidates": 3, "most_overlap": 0.95}
    heads = read_heads(model, anchors_file(path, **levels))
    assert [len(level.anchors) for level in heads.levels] == [64, 64]
    maps = {"scores map": np.ones((1, 6, 8, 8), np.float32)}
    maps["moves map"] = np.zeros((1, 8, 8, 8), np.float32)
    (expected,) = heads_detections(
        model, heads, [np.ones((1, 128, 3)), np.zeros((1, 128, 4), np.float32)]
    )
    boxes, _, labels = found_by_nodes(model, heads, maps)
    assert labels.tolist() == expected.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert np.allclose(boxes, expected.boxes)


def test_files_that_cannot_hold_the_nodes_are_refused(tmp_path):
    path = heads_file(tmp_path / "heads.onnx")
    proto = onnx.load(path)
    proto.opset_import[0].version = 9
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
    onnx.save(proto, path)
    model = load(path)
    heads = read_heads(model, anchors_file(path))
    with pytest.raises(ModelError, match="opset 9, which has no operators to find boxes") as told:
        boxes_file(model, heads)
    assert "a batch of 2; boxes are found image by image" in str(told.value)


def test_files_that_read_the_image_again_are_refused(tmp_path):
    path = heads_file(tmp_path / "heads.onnx")
    proto = onnx.load(path)
    mean = onnx.helper.make_node("ReduceMean", ["x"], ["mean"], keepdims=0)
    scaled = onnx.helper.make_node("Mul", ["scores out", "mean"], ["scaled"])
    proto.graph.node.extend([mean, scaled])
    proto.graph.output[0].name = "scaled"
    onnx.save(proto, path)
    model = load(path)
    heads = read_heads(model, anchors_file(path))
    with pytest.raises(ModelError, match="reads the image again"):
        boxes_file(model, heads)


def test_whole_file_is_cut_behind_its_heads():
    model = load(EXAMPLES / "retinanet.onnx")
    images = load_scenes(EXAMPLES / "retinanet", model.image_shape).images[:1]
    names = [*model.graph.outputs, *(name for name, _ in model.outputs)]
    (values,) = host.tensors(model, images, names, 1)
    maps = dict(zip(model.graph.outputs, values))
    boxes, scores, labels = found_by_nodes(model, None, maps)
    expected = whole_detections(model, values[len(maps) :])
    assert 0 < len(boxes) == len(expected.boxes)
    order = np.argsort(-scores, kind="stable")
    assert np.array_equal(labels[order], expected.labels)
    assert np.allclose(boxes[order], expected.boxes, atol=1e-3)
