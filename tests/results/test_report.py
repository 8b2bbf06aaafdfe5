"""What a report says of the steps that an SNN takes."""

from __future__ import annotations

import numpy as np
import pytest

from spinn_convert.results import report


@pytest.mark.parametrize(
    ("steps", "shown"),
    [
        (1, "1"),
        (16, "16"),
        (17, "17 (0 + depth 17)"),
        (26, "26 (9 + depth 17)"),
        (66, "66 (49 + depth 17)"),
        (None, "more than 66"),
    ],
)
def test_steps_are_shown_beside_the_depth(steps, shown):
    assert report.shown_steps(steps, 17, 66) == shown


def test_scores_are_counted_image_by_image():
    rng = np.random.default_rng(0)
    snn, ann, labels = (rng.integers(0, 3, shape) for shape in ((40, 9), 40, 40))
    found = report.snn_json(report.compare(snn, ann, labels))
    for step in range(9):
        right = sum(snn[image, step] == labels[image] for image in range(40))
        same = sum(snn[image, step] == ann[image] for image in range(40))
        assert found["accuracy_by_step"][step] == pytest.approx(right / 40)
        assert found["agreement_by_step"][step] == pytest.approx(same / 40)
    assert found["accuracy"] == found["accuracy_by_step"][-1]
    assert found["agreement"] == found["agreement_by_step"][-1]


def test_without_the_ann_only_accuracy_is_known():
    found = report.snn_json(report.compare(np.array([[0, 1]]), None, np.array([1])))
    assert found == {"accuracy": 1, "accuracy_by_step": [0, 1]}
