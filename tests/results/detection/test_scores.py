"""Scores of boxes: what they must be by definition."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spinn_convert.files.scenes import Truth
from spinn_convert.model.detector import Detections
from spinn_convert.results.detection.scores import (
    DetectorScores,
    Precision,
    agreement,
    as_json,
    precision,
)

BOXES = np.array([[10, 10, 50, 60], [70, 20, 90, 90]], np.float32)


ALL = pytest.approx(1)


def truth(boxes=BOXES, labels=(1, 4), crowd=(False, False), scale=1.0):
    return Truth(boxes, np.array(labels), np.array(crowd), (100, 100), scale)


def found(boxes=BOXES, labels=(1, 4), scores=(0.9, 0.8)):
    return Detections(np.asarray(boxes, np.float32), np.array(scores, np.float32), np.array(labels))


def test_what_is_there_is_found():
    result = precision([found()], [truth()])
    assert (result.map, result.map50, result.map75) == (ALL, ALL, ALL)


def test_boxes_are_compared_in_the_pixels_of_the_picture():
    assert precision([found(BOXES / 4)], [truth(scale=0.25)]).map == ALL


def test_half_a_box_aside_counts_at_half_only():
    aside = BOXES + np.array([[8, 0, 8, 0], [4, 0, 4, 0]])  # overlap 2/3
    result = precision([found(aside)], [truth()])
    assert (result.map50, result.map75) == (ALL, 0)
    assert result.map == pytest.approx(0.4)


def test_another_class_is_not_found():
    assert precision([found(labels=(1, 3))], [truth()]).map == pytest.approx(0.5)


def test_a_crowd_is_neither_missed_nor_wrong():
    crowd = truth(crowd=(False, True))
    assert precision([found(BOXES[:1], (1,), (0.9,))], [crowd]).map == ALL
    assert precision([found()], [crowd]).map == ALL


def test_nothing_found_and_nothing_there():
    nothing = found(np.zeros((0, 4)), (), ())
    assert precision([nothing], [truth()]) == Precision(0, 0, 0)
    assert precision([found()], [truth(np.zeros((0, 4), np.float32), (), ())]) == Precision(0, 0, 0)
    assert agreement([nothing], [nothing]) == 1
    assert agreement([nothing], [found()]) == 0


def test_agreement_is_the_f1_of_equal_boxes():
    assert agreement([found()], [found()]) == 1
    assert agreement([found()], [found(labels=(1, 3))]) == 0.5
    assert agreement([found()], [found(scores=(0.9, 0.2))]) == pytest.approx(2 / 3)
    near, far = (
        BOXES + np.array([0, 0, 0, more]) for more in (5, 9)
    )  # overlaps 0.91, 0.93; 0.85, 0.89
    assert agreement([found()], [found(near)]) == 1
    assert agreement([found()], [found(far)]) == 0
    twice = found(BOXES[[0, 0]], (1, 1))
    assert agreement([twice], [found(BOXES[:1], (1,), (0.9,))]) == pytest.approx(2 / 3)


def test_steps_count_from_when_it_stays_near_the_ann():
    by_step = tuple(Precision(value, 0, 0) for value in (0.1, 0.499, 0.4, 0.496, 0.499))
    scores = DetectorScores(
        Precision(0.5, 0, 0), Precision(0.5, 0, 0), 1, (10, 20, 30, 40, 50), by_step, (0.5,) * 5
    )
    assert scores.steps_within(0.01) == 40
    assert scores.steps_within(0.004) == 50
    assert replace(scores, snn_by_step=by_step[:3], steps=(10, 20, 30)).steps_within(0.01) is None
    content = as_json(scores)
    assert content["snn"]["steps_within_1_percent"] == 40
    assert content["snn"]["map_by_step"] == [0.1, 0.499, 0.4, 0.496, 0.499]
