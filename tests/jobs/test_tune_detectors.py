"""Tuning of detectors: what is judged, and that what it recommends is run."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from support.detectors import anchors_file, heads_file, scenes_npz
from support.places import EXAMPLES

from spinn_convert.backends.reference import backend as reference
from spinn_convert.conversion.method import Method
from spinn_convert.errors import DataError
from spinn_convert.jobs import detect
from spinn_convert.jobs import run as job
from spinn_convert.jobs.prepare import Source, convert, prepare
from spinn_convert.jobs.recipe import read_recipe
from spinn_convert.jobs.simulation import RunOptions
from spinn_convert.jobs.tuning import detectors, tune
from spinn_convert.jobs.tuning.budget import budget
from spinn_convert.jobs.tuning.classifiers import CLASSIFIERS
from spinn_convert.jobs.tuning.detectors import DETECTORS
from spinn_convert.jobs.tuning.records import Known, Scaling, Trial
from spinn_convert.network.recording import Settings, Stimulus, silent, unwatched
from spinn_convert.results.detection import decode, scores

pytestmark = pytest.mark.slow


@pytest.fixture
def heads(tmp_path):
    path = heads_file(tmp_path / "heads.onnx")
    anchors_file(path)
    scenes_npz(path.with_suffix(".npz"))
    return path


@pytest.fixture
def prepared(heads):
    return prepare(Source(heads))


@pytest.fixture
def known(prepared):
    images = prepared.dataset.calibration[:5]
    return Known(images, images, *detectors.answers(prepared, images, unwatched))


def test_what_is_printed_and_written_is_what_runs(heads, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tune, "SCALINGS", tune.SCALINGS[1:5:3])
    monkeypatch.setattr(tune, "WAYS", (tune.WAYS[0], tune.WAYS[-1]))
    told = command("tune", heads, "--images", 6, "--threads", 1)
    assert told.returncode == 0, told.stderr
    assert "ReLU1 mAP" in told.stdout
    assert "calibration images come without boxes" in told.stdout
    assert "95% alike" in told.stdout
    recipe = read_recipe("heads.tuned/settings.json")
    prepared = prepare(Source(heads, recipe=recipe))
    options = RunOptions(prepared.source)
    found = detect.simulate(prepared, prepared.dataset, convert(prepared), options)
    assert found.scores.steps[-1] == recipe.steps
    assert found.read_out == recipe.read_out
    assert found.scores.agreement_by_step[-1] > 0.9


def test_the_truth_is_what_the_ann_is_sure_of(prepared, known):
    for found, truth in zip(known.ann, known.truth, strict=True):
        sure = found.scores >= scores.SURE
        assert np.array_equal(found.boxes[sure], truth.boxes)
        assert np.array_equal(found.labels[sure], truth.labels)
    assert DETECTORS.right(prepared.model, known.ann, known) == pytest.approx(1)


def test_an_ann_that_is_sure_of_nothing_is_refused(prepared, monkeypatch):
    monkeypatch.setattr(scores, "SURE", 1.1)
    images = prepared.dataset.calibration[:5]
    with pytest.raises(DataError, match=r"finds nothing with a score of 1\.1 on 5 of them"):
        detectors.answers(prepared, images, unwatched)


@pytest.mark.parametrize("room", [0, 1e9])
def test_few_potentials_and_images_at_a_time_give_the_same_scores(
    prepared, known, monkeypatch, room
):
    monkeypatch.setattr(detectors, "ROOM", room)
    network, model, steps = convert(prepared), prepared.model, 40
    trial = Trial(Method(), "late", network)
    done = []
    found, events = DETECTORS.simulated(model, trial, known, steps, 1, lambda *n: done.append(n))
    assert done == [(image, 5) for image in range(1, 6)]
    whole = reference.run(network, Stimulus(known.values), Settings(steps))
    assert events == pytest.approx(whole.events_of_all)
    curve = DETECTORS.curve(model, trial.extended(found, events), known, steps)
    run = decode.decoder(model, decode.heads_of(model), network, 1)
    given = network, whole, known.images, run, "late", curve.steps, silent
    for number, step in enumerate(zip(*decode.snn_detections(*given))):
        assert curve.scores[number] == scores.precision(step, known.truth).map
        assert curve.agreement[number] == scores.agreement(step, known.ann)
    assert curve.steps[-1] == steps
    assert set(np.diff(curve.steps)) == {5}


def test_means_are_of_neighbours():
    assert detectors.smoothed(np.array([1.0, 0.7, 0.4, 1.0])) == pytest.approx(
        [0.85, 0.7, 0.7, 0.7]
    )


def test_steps_count_from_when_a_value_stays():
    assert scores.lasting((5, 10, 15, 20), [0.9, 0.94, 0.95, 0.97], 0.95) == 15
    assert scores.lasting((5, 10, 15, 20), [0.96, 0.94, 0.95, 0.97], 0.95) == 15
    assert scores.lasting((5, 10), [0.96, 0.95], 0.95) == 5
    assert scores.lasting((5, 10), [0.96, 0.94], 0.95) is None


def test_a_right_map_is_not_enough_nor_are_boxes_alike():
    found = {99.0: (0.99, 0.91), 99.9: (0.9, 0.99), 99.99: (0.98, 0.975), 100.0: (1.0, 1.0)}
    scalings = [Scaling(Method(p), *judged) for p, judged in found.items()]
    assert scalings[tune._best(DETECTORS, scalings)].method.percentile == 99.99
    assert scalings[tune._best(CLASSIFIERS, scalings)].method.percentile == 100


def test_few_images_are_simulated_on_enough(prepared):
    plan = budget(DETECTORS, prepared.network, 75, 10, 7, 2, None)
    assert (plan.first, plan.simulated, plan.corrected) == (16, 37, 38)
    assert budget(DETECTORS, prepared.network, 20, 10, 7, 2, None).first == 10


@pytest.mark.slow
def test_recommendation_for_the_example_finds_the_boxes_of_the_ann(tmp_path, monkeypatch):
    monkeypatch.setattr(tune, "SCALINGS", tune.SCALINGS[1:5:2])  # 99.9 and 99.99
    monkeypatch.setattr(tune, "WAYS", (tune.WAYS[0], tune.WAYS[-1]))
    source = Source(EXAMPLES / "retinanet.onnx", threads=2)
    tuned, folder = tune.execute(tune.TuneOptions(source, 20, tmp_path / "tuned"))
    assert tuned.recipe.method.percentile == 99.99
    assert json.loads((folder / tune.MARK).read_text())["steps"] == tuned.recipe.steps
    options = RunOptions(replace(source, recipe=tuned.recipe), images=20, out=tmp_path / "run")
    found = job.execute(options).simulated.scores
    assert found.agreement_by_step[-1] > 0.88
    assert found.snn_by_step[-1].map > found.ann.map - 0.02
