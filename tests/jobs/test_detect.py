"""Detectors from the file to report and pictures."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from support.detectors import anchors_file, coco_folder, heads_file, scenes_npz

import spinn_convert as sc
from spinn_convert.backends.reference import backend as reference
from spinn_convert.errors import DataError, ModelError
from spinn_convert.jobs import diagnose
from spinn_convert.jobs import run as job
from spinn_convert.jobs.prepare import Source
from spinn_convert.jobs.simulation import RunOptions
from spinn_convert.network.recording import Settings, Stimulus
from spinn_convert.results.detection import decode


@pytest.fixture
def heads(tmp_path):
    path = heads_file(tmp_path / "heads.onnx")
    anchors_file(path)
    scenes_npz(path.with_suffix(".npz"))
    return path


@pytest.mark.slow
def test_report_has_the_scores_of_all_three(heads, tmp_path):
    options = RunOptions(Source(heads), steps=60, out=tmp_path / "out")
    outcome = job.execute(options)
    content = json.loads((tmp_path / "out" / "report.json").read_text())
    assert content == outcome.report
    snn = content["snn"]
    assert snn["steps_sampled"][-1] == 60
    assert len(snn["map_by_step"]) == len(snn["agreement_by_step"]) == len(snn["steps_sampled"])
    assert {"map", "map50", "map75"} <= content["ann"].keys()
    assert content["relu1"]["agreement"] > 0.9
    assert snn["agreement"] > snn["agreement_by_step"][0]
    assert snn["agreement"] > 0.9
    for name in ("map.png", "scenes.png"):
        with Image.open(tmp_path / "out" / name) as picture:
            assert len(np.unique(np.asarray(picture))) > 20


@pytest.mark.parametrize("read_out", [pytest.param("all", marks=pytest.mark.slow), "late"])
def test_sampled_potentials_are_those_of_all_steps(heads, read_out):
    model = sc.load(heads)
    scenes = sc.load_scenes(heads.with_suffix(".npz"), model)
    network = sc.convert(model, scenes.calibration, threads=1)
    values = model.core_input(scenes.images)
    scored, needed = decode.sampled_steps(network, 40, read_out, 3)
    assert scored[-1] == 40
    run = decode.decoder(model, decode.heads_of(model), network, 1)
    results = []
    for kept in (None, needed):
        settings = Settings(40, sampled=kept)
        recording = reference.run(network, Stimulus(values), settings)
        found = decode.snn_detections(
            network, recording, scenes.images, run, read_out, scored, lambda *_: None
        )
        results.append([one for image in found for one in image])
    assert len(results[0]) == len(results[1]) == 6 * len(scored)
    for one, other in zip(*results):
        assert np.array_equal(one.boxes, other.boxes)
        assert np.array_equal(one.scores, other.scores)


@pytest.mark.parametrize(
    "backend",
    [
        pytest.param("nest", marks=[pytest.mark.nest, pytest.mark.slow]),
        "spinnaker-integers",
    ],
)
def test_other_backends_keep_the_same_steps(heads, backend):
    model = sc.load(heads)
    scenes = sc.load_scenes(heads.with_suffix(".npz"), model)
    network = sc.convert(model, scenes.calibration, threads=1)
    values = model.core_input(scenes.images[:2])
    whole = sc.run(network, values, backend, 32, threads=1)
    some = sc.run(network, values, backend, 32, threads=1, sampled=[5, 20, 32])
    for name, potentials in whole.readout.items():
        kept = np.array(some.settings.sampled)
        assert {5, 20, 32} <= set(kept.tolist())
        assert np.array_equal(potentials[:, kept - 1], some.readout[name])
    if backend == "nest":
        same = sc.run(network, values, "reference", 32, threads=1, sampled=[5, 20, 32])
        for name, potentials in some.readout.items():
            assert np.allclose(potentials, same.readout[name], rtol=1e-5, atol=1e-4)


@pytest.mark.slow
def test_scores_from_a_script(heads):
    model = sc.load(heads)
    scenes = sc.load_scenes(heads.with_suffix(".npz"), model)
    network = sc.convert(model, scenes.calibration, threads=1)
    recording = sc.run(network, model.core_input(scenes.images), steps=60, threads=1)
    scores = sc.score_detections(
        model, network, recording, scenes.images, scenes.truth, [20, 60], threads=1
    )
    assert scores.steps == (20, 60)
    assert scores.agreement_by_step[1] > 0.9
    with pytest.raises(DataError, match="5 truths given"):
        sc.score_detections(model, network, recording, scenes.images, scenes.truth[:5])
    few = sc.run(network, model.core_input(scenes.images), steps=60, threads=1, sampled=[60])
    given = model, network, few, scenes.images, scenes.truth
    assert sc.score_detections(*given).snn_by_step[-1] == scores.snn_by_step[-1]
    with pytest.raises(DataError, match=r"no potentials of the steps \[.*20"):
        sc.score_detections(*given, [20])
    with pytest.raises(DataError, match="sampled"):
        sc.run(network, model.core_input(scenes.images), steps=60, sampled=[61])


@pytest.mark.slow
def test_pictures_are_found_beside_the_model(tmp_path, command):
    path = heads_file(tmp_path / "heads.onnx")
    anchors_file(path)
    coco_folder(tmp_path / "heads")
    told = command(path, "--steps", 30, "--out", tmp_path / "out")
    assert told.returncode == 0, told.stderr
    assert "ANN mAP" in told.stdout
    assert "its labels are" in told.stderr  # of a network that was never trained


@pytest.mark.slow
def test_gates_compare_boxes(heads, tmp_path, command):
    told = command(heads, "--steps", 30, "--out", tmp_path / "a", "--fail-under-agreement", 100)
    assert told.returncode == 1
    assert "the SNN has of the ANN's boxes" in told.stderr
    told = command(heads, "--steps", 30, "--out", tmp_path / "b", "--fail-under-accuracy", 99)
    assert "the SNN has a mAP of" in told.stderr


def test_heads_without_anchors_are_refused_before_anything_is_computed(heads, command):
    (heads.parent / "heads.anchors.json").unlink()
    told = command(heads)
    assert told.returncode == 2
    assert "without anchors, it finds no boxes" in told.stderr
    model = sc.load(heads)
    with pytest.raises(ModelError, match="a detector is scored by"):
        sc.load_dataset(heads.with_suffix(".npz"), model)


def test_a_detector_is_diagnosed_by_its_boxes(heads):
    found = diagnose.execute(diagnose.DiagnoseOptions(Source(heads), steps=60))
    seen = found.evidence
    assert found.images == 6
    assert seen.cuts[0].agreement == 1.0
    assert seen.cuts[0].error < 1e-4
    assert seen.at[-1] == 120
    assert [f.cause for f in found.found] == []
    few = diagnose.execute(diagnose.DiagnoseOptions(Source(heads), steps=12))
    assert "steps" in [f.cause for f in few.found]
