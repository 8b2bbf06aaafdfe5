"""Boxes from the outputs of a detector's heads, against onnxruntime and by hand."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper
from support.detectors import anchors_file, heads_file
from support.networks import classifier

from spinn_convert.errors import DataError
from spinn_convert.model.detector import Heads, Level, kind_of, overlaps, read_heads
from spinn_convert.model.load import load


def test_anchors_stand_around_their_places():
    level = Level((1, 2), (8, 10), (8.0,), (1.0, 4.0))
    assert level.anchors.tolist() == [
        [-4, -4, 4, 4],
        [-2, -8, 2, 8],
        [6, -4, 14, 4],
        [8, -8, 12, 8],
    ]


def suppressed(boxes, scores, most, least):
    """Return (class, box) pairs that onnxruntime's NonMaxSuppression keeps."""
    node = helper.make_node("NonMaxSuppression", ["b", "s", "n", "i", "t"], ["kept"])
    inputs = [
        helper.make_tensor_value_info("b", TensorProto.FLOAT, [1, None, 4]),
        helper.make_tensor_value_info("s", TensorProto.FLOAT, [1, None, None]),
    ]
    constants = [
        helper.make_tensor("n", TensorProto.INT64, [1], [1000]),
        helper.make_tensor("i", TensorProto.FLOAT, [1], [most]),
        helper.make_tensor("t", TensorProto.FLOAT, [1], [least]),
    ]
    output = [helper.make_tensor_value_info("kept", TensorProto.INT64, [None, 3])]
    graph = helper.make_graph([node], "nms", inputs, output, constants)
    opset = [helper.make_opsetid("", 11)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (kept,) = session.run(None, {"b": boxes[None], "s": scores.T[None]})
    return {(int(label), int(box)) for _, label, box in kept}


@pytest.mark.parametrize("seed", range(5))
def test_overlapping_boxes_go_as_onnxruntime_decides(seed):
    rng = np.random.default_rng(seed)
    level = Level((6, 6), (8, 8), (16.0, 24.0))
    count = len(level.anchors)
    logits = rng.normal(-1, 1.5, (count, 3)).astype(np.float32)
    deltas = rng.normal(0, 0.2, (count, 4)).astype(np.float32)
    found = Heads((level,), 0.3, 0.4, 10_000, 10_000).detections(logits, deltas, (48, 40))
    sides = level.anchors[:, 2:] - level.anchors[:, :2]
    centre = level.anchors[:, :2] + sides * (0.5 + deltas[:, :2])
    half = sides * np.exp(deltas[:, 2:]) / 2
    boxes = np.clip(np.concatenate([centre - half, centre + half], 1), 0, [40, 48, 40, 48])
    kept = suppressed(boxes.astype(np.float32), 1 / (1 + np.exp(-logits)), 0.4, 0.3)
    wanted = sorted((-1 / (1 + np.exp(-logits[box, label])), label, box) for label, box in kept)
    assert found.labels.tolist() == [label for _, label, _ in wanted]
    assert np.allclose(found.scores, [-score for score, _, _ in wanted])
    assert np.allclose(found.boxes, boxes[[box for _, _, box in wanted]], atol=1e-4)


def test_best_candidates_of_each_level_and_best_boxes_remain():
    levels = (Level((4, 4), (16, 16), (8.0,), (1.0,)), Level((2, 2), (32, 32), (16.0,), (1.0,)))
    logits = np.arange(20, dtype=np.float32)[:, None]
    deltas = np.zeros((20, 4), np.float32)
    found = Heads(levels, candidates=3, most_boxes=5).detections(logits, deltas, (64, 64))
    assert np.allclose(found.scores, 1 / (1 + np.exp(-logits[[19, 18, 17, 15, 14], 0])))


def test_overlap_is_the_share_of_the_union():
    one = np.array([[0, 0, 10, 10]], np.float32)
    other = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10]], np.float32)
    assert np.allclose(overlaps(one, other), [[1, 1 / 3, 0]])


def test_kinds_of_files(tmp_path, write_model):
    heads = heads_file(tmp_path / "heads.onnx")
    assert kind_of(load(heads)) == "heads of a detector"
    assert kind_of(load(classifier(write_model))) == "classifier"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"most_boxes": "many"}, "most_boxes"),
        ({"nms": 0.5}, "nms"),
        ({"least_score": 1.5}, "least_score is 1.5"),
        ({"most_overlap": 0}, "most_overlap is 0"),
        ({"levels": []}, r"has 0 anchors; heads\.onnx has 128"),
    ],
)
def test_wrong_anchors_are_refused(tmp_path, changed, words):
    model = load(heads_file(tmp_path / "heads.onnx"))
    anchors_file(model.path, **changed)
    with pytest.raises(DataError, match=words):
        read_heads(model)


def test_heads_without_anchors_say_what_to_write(tmp_path):
    model = load(heads_file(tmp_path / "heads.onnx"))
    with pytest.raises(DataError, match=r"heads\.anchors\.json.*without anchors.*\n.*\"levels\""):
        read_heads(model)
    (tmp_path / "heads.anchors.json").write_text("{")
    with pytest.raises(DataError, match=r"heads\.anchors\.json"):
        read_heads(model)
