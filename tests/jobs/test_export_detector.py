"""The script of a detector finds on NEST what we find, and scores it as we do."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from support.detectors import CLASSES, anchors_file, heads_file, scenes_npz
from support.scripts import imported, on_emulated_board, run_script

import spinn_convert as sc
from spinn_convert.conversion.method import Method
from spinn_convert.files.scenes import Truth
from spinn_convert.jobs import export
from spinn_convert.jobs.export import ExportOptions
from spinn_convert.jobs.exporting.script import SCRIPTS
from spinn_convert.jobs.prepare import Source
from spinn_convert.model.detector import Detections
from spinn_convert.network import readout
from spinn_convert.network.recording import silent
from spinn_convert.network.timing import default_read_out
from spinn_convert.results.detection import decode
from spinn_convert.results.detection.scores import agreement, precision

STEPS, SCENES = 40, 3


@pytest.fixture
def path(tmp_path):
    path = heads_file(tmp_path / "heads.onnx")
    anchors_file(path)
    scenes_npz(path.with_suffix(".npz"))
    return path


def simulated(path, network, backend):
    """Return model, scenes and a recording."""
    model = sc.load(path)
    scenes = sc.load_scenes(path.with_suffix(".npz"), model)
    images = scenes.images.first(SCENES)
    recording = sc.run(network, model.core_input(images), backend, STEPS, threads=1)
    return model, images, scenes.truth[:SCENES], recording


def exported(path, simulator, folder, **method):
    """Write the script of a network; return the network."""
    model = sc.load(path)
    scenes = sc.load_scenes(path.with_suffix(".npz"), model)
    network = sc.convert(model, scenes.calibration, Method(**method), threads=1)
    network.save(path.with_name("network.npz"))
    source = Source(path.with_name("network.npz"), path.with_suffix(".npz"), path)
    export.execute(ExportOptions(source, simulator, SCENES, STEPS, out=folder))
    return network


@pytest.mark.slow
@pytest.mark.nest
@pytest.mark.parametrize(("reset", "clamp_delay"), [("subtract", 0), ("constant", 1)])
def test_script_finds_what_we_find(path, tmp_path, reset, clamp_delay):
    folder = tmp_path / "script"
    network = exported(path, "nest", folder, reset=reset, clamp_delay=clamp_delay)
    done = run_script(folder, tmp_path)
    assert done.returncode == 0, done.stderr
    model, images, truth, recording = simulated(path, network, "reference")
    heads = decode.heads_of(model)
    run = decode.decoder(model, heads, network, 1)
    read_out = default_read_out(network)
    found = decode.snn_detections(network, recording, images, run, read_out, (STEPS,), silent)
    snn = [one for (one,) in found]
    with np.load(folder / "detections.npz") as written:
        assert written["boxes_per_image"].tolist() == [len(one.boxes) for one in snn]
        assert np.array_equal(written["labels"], np.concatenate([one.labels for one in snn]))
        for part, far in (("scores", 1e-5), ("boxes", 1e-3)):
            expected = np.concatenate([getattr(one, part) for one in snn])
            assert np.allclose(written[part], expected, rtol=0, atol=far)
    told = done.stdout.splitlines()[-SCENES - 3 :]
    ann = decode.ann_detections(model, heads, images, 1, silent)
    assert told[0].startswith(f"scene 1 of {SCENES}: the SNN has ")
    assert told[SCENES].startswith(f"agreement {agreement(snn, ann):.2%} (2 x ")
    maps = precision(ann, truth).map, precision(snn, truth).map
    assert told[SCENES + 1] == f"ANN mAP {maps[0]:.2%}, SNN mAP {maps[1]:.2%}"


@pytest.mark.slow
@pytest.mark.spinnaker
def test_spinnaker_script_reads_what_the_arithmetic_computes(path, tmp_path):
    network = exported(path, "spinnaker", tmp_path / "script", clamp_delay=0)
    script, header, data, found = on_emulated_board(tmp_path / "script", 2, tmp_path)
    *_, recording = simulated(path, network, "spinnaker-integers")
    entries = [entry for entry in header["populations"] if entry["kind"] == "readout"]
    assert [entry["name"] for entry in entries] == [p.name for p in network.readouts]
    for entry, output in zip(entries, network.readouts):
        gain = script.gained(found[output.name], STEPS, entry["since"])
        starts = readout.starts("late", output.release, STEPS)
        kept, potentials = range(1, STEPS + 1), recording.readout[output.name][2]
        (expected,) = readout.sampled(potentials, kept, (STEPS,), starts, output.release)
        assert entry["since"] > 0
        assert gain * data[entry["activation"]] == pytest.approx(expected.ravel(), abs=1e-5)


def test_script_scores_as_we_do(monkeypatch):
    script = imported(SCRIPTS / "detections.py")
    rng = np.random.default_rng(1)
    ann, snn, truth = [], [], []
    for count in (5, 0, 9):
        corner = rng.uniform(0, 40, (count, 2))
        boxes = np.concatenate([corner, corner + rng.uniform(5, 20, (count, 2))], 1)
        labels, crowd = rng.integers(1, 1 + CLASSES, count), rng.random(count) < 0.3
        truth.append(Truth(boxes.astype(np.float32) / 2, labels, crowd, (30, 30), 2.0))
        for some, most in ((ann, 0.1), (snn, 0.3)):
            moved = (boxes + rng.uniform(-most, most, boxes.shape)).astype(np.float32)
            kept = rng.random(count) < 0.8
            scores = rng.uniform(0.2, 1, count).astype(np.float32)
            some.append(Detections(moved[kept], scores[kept], labels[kept]))
    data = export.known_boxes(ann, truth)
    as_tuples = [(one.boxes, one.scores, one.labels) for one in snn]
    split = script.split(data, "ann", ("boxes", "scores", "labels"))
    counts = np.sum([script.alike(*pair) for pair in zip(as_tuples, split)], axis=0)
    assert 0 < agreement(snn, ann) == 2 * counts[0] / (counts[1] + counts[2]) < 1
    for count in (1, 3):
        expected = precision(snn[:count], truth).map
        assert script.mean_precision(as_tuples[:count], data) == pytest.approx(expected)
    assert script.mean_precision([], data) == 0
    monkeypatch.setitem(sys.modules, "pycocotools.coco", None)
    with pytest.raises(ImportError):
        script.mean_precision(as_tuples, data)
