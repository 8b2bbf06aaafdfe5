"""The shipped detector: boxes of the rates, of the spikes and of the board's integers."""

from __future__ import annotations

import numpy as np
import pytest
from support.places import EXAMPLES

import spinn_convert as sc
from spinn_convert.model import host
from spinn_convert.model.detector import Heads, Level, kind_of
from spinn_convert.network.recording import silent
from spinn_convert.results.detection import decode
from spinn_convert.results.detection.scores import agreement, precision

pytestmark = pytest.mark.slow
SCENES = 12


@pytest.fixture(scope="module")
def detector():
    """Model, scenes, network, and what the ANN finds on the first scenes."""
    model = sc.load(EXAMPLES / "retinanet.onnx")
    scenes = sc.load_scenes(EXAMPLES / "retinanet", model)
    network = sc.convert(model, scenes.calibration, threads=2)
    ann = decode.ann_detections(model, None, scenes.images.first(SCENES), 2, silent)
    return model, scenes, network, ann


def assert_same(one, other):
    assert np.array_equal(one.labels, other.labels)
    assert np.allclose(one.scores, other.scores, atol=1e-4)
    assert np.allclose(one.boxes, other.boxes, atol=0.01)


def test_unclipped_rates_find_what_the_file_finds(detector):
    model, scenes, network, ann = detector
    assert kind_of(model) == "whole detector"
    assert precision(ann, scenes.truth).map > 0.35
    images = scenes.images.first(SCENES)
    run, values = decode.decoder(model, None, network, 2), model.core_input(images)
    found = decode.rate_detections(network, values, images, run, 2, silent, clip=False)
    assert len(found) == SCENES
    for one, other in zip(ann, found):
        assert_same(one, other)


def test_our_anchors_find_what_the_file_finds(detector):
    """The file's own tensors of the heads, decoded by us with the anchors it was trained with."""
    model, scenes, _, ann = detector
    sides = [tuple(round(side * 2 ** (k / 3)) for k in range(3)) for side in (14, 24, 40, 64, 88)]
    cells = [(12, 12), (6, 6), (3, 3), (2, 2), (1, 1)]
    levels = tuple(
        Level(size, (96 // size[0], 96 // size[1]), tuple(map(float, some)))
        for size, some in zip(cells, sides)
    )
    heads = Heads(levels, candidates=300, most_boxes=100)
    names = [
        "/head/classification_head/Concat_10_output_0",
        "/head/regression_head/Concat_10_output_0",
    ]
    images = scenes.images.first(SCENES)
    for one, (logits, moves) in zip(ann, host.tensors(model, images, names, 2)):
        logits, moves = logits.reshape(-1, 10), moves.reshape(-1, 4)
        assert_same(one, heads.detections(logits, moves, (96, 96)))


def test_spikes_and_the_boards_integers_find_nearly_the_same(detector):
    model, scenes, network, ann = detector
    images = scenes.images.first(SCENES)
    values = model.core_input(images)
    run = decode.decoder(model, None, network, 2)
    scored, needed = decode.sampled_steps(network, 112, "late", 56)
    sizing = model.core_input(scenes.calibration[:30])
    alike = {}
    for backend in ("reference", "spinnaker-integers"):
        recording = sc.run(network, values, backend, 112, sampled=needed, calibration=sizing)
        found = list(
            zip(*decode.snn_detections(network, recording, images, run, "late", scored, silent))
        )
        alike[backend] = agreement(found[-1], ann)
        assert agreement(found[-1], ann) > agreement(found[0], ann)
    assert alike["reference"] > 0.85
    assert alike["spinnaker-integers"] > 0.75
