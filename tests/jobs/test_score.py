"""Recordings of detectors are scored as in the run that wrote them, or refused with a reason."""

from __future__ import annotations

import json

import numpy as np
import pytest
from support.detectors import anchors_file, heads_file, scenes_npz

import spinn_convert as sc
from spinn_convert.errors import DataError, ModelError
from spinn_convert.jobs import detect
from spinn_convert.jobs import run as job
from spinn_convert.jobs.prepare import Source
from spinn_convert.jobs.recipe import read_recipe
from spinn_convert.jobs.score import ScoreOptions, execute
from spinn_convert.jobs.simulation import RunOptions
from spinn_convert.network import readout
from spinn_convert.results import neo_file
from spinn_convert.results.detection import decode

pytestmark = pytest.mark.slow

neo = pytest.importorskip("neo")
pytest.importorskip("nixio")
STEPS, SCENES = 40, 4
FILES = {"recording": "recording.nix", "network": "network.npz"}


def run(folder, out, **changed):
    options = {"steps": STEPS, "images": SCENES, "record": ("output",)} | changed
    return job.execute(RunOptions(Source(folder / "heads.onnx"), out=folder / out, **options))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a detector of heads, and six scenes."""
    folder = tmp_path_factory.mktemp("detector")
    anchors_file(heads_file(folder / "heads.onnx"))
    scenes_npz(folder / "heads.npz")
    return folder


@pytest.fixture(scope="module")
def outcome(folder):
    """A run of four of the scenes."""
    return run(folder, "out")


@pytest.fixture
def given(folder, outcome):
    """What its recording is scored with."""
    return {**{k: outcome.folder / name for k, name in FILES.items()}, "data": folder / "heads.npz"}


def test_scores_are_those_of_the_run(outcome, given):
    written = given["recording"].stat().st_mtime_ns
    content = execute(ScoreOptions(**given))
    assert given["recording"].stat().st_mtime_ns == written
    assert len(content["snn"]["map_by_step"]) == len(content["snn"]["steps_sampled"]) > 3
    assert content["snn"]["agreement_by_step"][-1] > 0.5
    for key in ("ann", "relu1", "snn", "images", "steps", "backend"):
        assert content[key] == outcome.report[key], key


@pytest.mark.slow
def test_the_recording_says_how_it_is_read(folder, monkeypatch):
    monkeypatch.setattr(readout, "DEPTHS", 9)  # as if the network were deep
    runs = {how: run(folder, f"read {how}", read_out=how) for how in ("late", "all")}
    files = {
        name: {key: made.folder / file for key, file in FILES.items()}
        for name, made in runs.items()
    }
    late, every = (made.report["snn"] for made in runs.values())
    assert late["agreement_by_step"] != every["agreement_by_step"]
    assert execute(ScoreOptions(**files["late"]))["snn"] == late
    assert execute(ScoreOptions(**files["late"], read_out="all"))["snn"] == every
    message = r"recording.nix: no potentials of the steps \[.*\n.*record again with --read-out late"
    with pytest.raises(DataError, match=message):
        execute(ScoreOptions(**files["all"], read_out="late"))


def test_the_command_prints_the_scores_of_the_run(outcome, given, command):
    words = (given["recording"], "--network", given["network"], "--threads", 1)
    told = command("score", *words)  # the scenes are beside the model
    assert told.returncode == 0, told.stderr
    lines = [line.split("│")[1:3] for line in told.stdout.splitlines() if line.startswith("│")]
    rows = {name.strip(): shown.strip() for name, shown in lines}
    snn = outcome.report["snn"]
    percents = {key: 100 * snn[key] for key in ("map", "map50", "map75")}
    assert rows["SNN mAP (at 0.5, at 0.75)"] == "{map:.2f} ({map50:.2f}, {map75:.2f})".format(
        **percents
    )
    assert rows["boxes alike, SNN and ANN"] == f"{snn['agreement']:.1%}"
    assert "steps to ANN's mAP - 0.4 %" in rows
    told = command("score", *words, "--data", given["data"], "--json")
    assert json.loads(told.stdout)["snn"] == snn


def test_plain_neo_reads_the_potentials_as_documented(outcome, given):
    block = neo.io.NixIO(str(given["recording"]), mode="ro").read_block()
    recording, said = outcome.simulated.recording, block.annotations
    assert tuple(said["sampled"]) == recording.settings.sampled
    assert tuple(said["scored"]) == outcome.simulated.scores.steps
    signals = block.segments[0].analogsignals
    assert [signal.name for signal in signals] == [p.name for p in outcome.network.readouts]
    for signal in signals:
        shape = (said["images"], len(said["sampled"]), -1)
        wanted = recording.readout[signal.name]
        assert np.array_equal(signal.magnitude.reshape(shape), wanted.reshape(shape))


@pytest.mark.slow
def test_a_single_step_is_recorded(folder):
    once = run(folder, "once", steps=1, read_out="all")
    files = {key: once.folder / name for key, name in FILES.items()}
    assert execute(ScoreOptions(**files))["snn"] == once.report["snn"]


def changed(given, tmp_path, change):
    """Write the recording with another content."""
    block = neo_file.read(given["recording"])
    change(block)
    neo_file.save(block, tmp_path / "changed.nix")
    return {"recording": tmp_path / "changed.nix"}


def other_network(given, tmp_path):
    """Convert the model once more, otherwise."""
    folder = given["data"].parent
    source = Source(folder / "heads.onnx", recipe=read_recipe("default", ["percentile=99"]))
    out = tmp_path / "other"
    job.execute(RunOptions(source, steps=5, images=1, out=out))
    return {"network": out / "network.npz"}


def few_scenes(given, tmp_path):
    return {"data": scenes_npz(tmp_path / "few.npz", 3)}


def another_model(given, tmp_path):
    return changed(given, tmp_path, lambda block: block.annotate(sha256="0" * 64))


def missing_signal(given, tmp_path):
    return changed(given, tmp_path, lambda block: block.segments[0].analogsignals.pop())


def missing_steps(given, tmp_path):
    return changed(given, tmp_path, lambda block: block.annotate(scored=[2, STEPS]))


def moved(given, tmp_path):
    network = sc.Network.load(given["network"])
    network.made_from["path"] = "gone.onnx"
    (tmp_path / "deep" / "er").mkdir(parents=True)
    network.save(tmp_path / "deep" / "er" / "network.npz")
    return {"network": tmp_path / "deep" / "er" / "network.npz"}


def with_file(option, name):
    return lambda given, tmp_path: {option: given["data"].parent / name}


REFUSED = {
    "labels": (with_file("labels", "heads.npz"), r"--labels.*has no effect.*is a detector's"),
    "readout": (lambda *_: {"signal": "v"}, "--readout v: has no effect"),
    "no network": (lambda *_: {"network": None}, "--network: missing.*read with its network"),
    "no network file": (with_file("network", "none.npz"), "none.npz"),
    "ONNX as network": (with_file("network", "heads.onnx"), "heads.onnx"),
    "few scenes": (few_scenes, r"few.npz: holds 3 scenes; .* is of 4"),
    "no scenes": (with_file("data", "none.npz"), "none.npz: no such file"),
    "another model": (another_model, "was recorded from another model"),
    "another conversion": (other_network, "was recorded from another conversion"),
    "missing signal": (missing_signal, "does not hold the potentials"),
    "missing steps": (missing_steps, "does not hold the potentials"),
    "moved": (moved, "gone.onnx.*\n.*--onnx"),
    "another ONNX": (with_file("onnx", "other.onnx"), "converted from another model"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_belong_together_is_refused(given, tmp_path, case, write_model):
    change, message = REFUSED[case]
    if case == "another ONNX":
        heads_file(given["data"].parent / "other.onnx", seed=7)
        anchors_file(given["data"].parent / "other.onnx")
    with pytest.raises(DataError, match=message) as refused:
        execute(ScoreOptions(**given | change(given, tmp_path)))
    assert len(refused.value.problems) == 1


def test_a_model_that_moved_is_named(outcome, given, tmp_path):
    onnx = given["data"].parent / "heads.onnx"
    content = execute(ScoreOptions(**given | moved(given, tmp_path), onnx=onnx))
    assert content["snn"] == outcome.report["snn"]


def test_a_classifiers_recording_takes_labels(tmp_path, command):
    import quantities as pq

    block, segment = neo.Block(), neo.Segment()
    signal = neo.AnalogSignal(np.eye(5, 3), units="mV", sampling_period=1 * pq.ms, name="v")
    segment.analogsignals.append(signal)
    block.segments.append(segment)
    neo_file.save(block, tmp_path / "hand.nix")
    for words, message in (
        (("--data", "scenes.npz"), "--data scenes.npz: has no effect"),
        (("--onnx", "m.onnx", "--labels", "l.npy"), "--onnx m.onnx: has no effect"),
        ((), "--labels: missing"),
    ):
        told = command("score", tmp_path / "hand.nix", *words)
        assert told.returncode == 2
        assert message in told.stderr
        assert "Traceback" not in told.stderr


def test_a_large_recording_is_refused_before_the_conversion(folder, outcome, monkeypatch, command):
    sampled = outcome.simulated.recording.settings.sampled
    scene = 4 * len(sampled) * sum(p.size for p in outcome.network.readouts)
    potentials = outcome.simulated.recording.readout.values()
    assert SCENES * scene == sum(values.nbytes for values in potentials)
    monkeypatch.setattr(job, "convert", lambda *_: pytest.fail("converted"))
    for most, fix in ((3 * scene + 1, "--images 3 at most"), (scene - 1, "fewer --steps")):
        monkeypatch.setattr(detect, "MOST_RECORDED", most)
        words = ("--steps", STEPS, "--images", SCENES, "--record", "output")
        told = command(folder / "heads.onnx", *words, "--out", folder / "large")
        assert told.returncode == 2
        assert "the potentials of 4 scenes would take 0.0 GB" in told.stderr
        assert fix in told.stderr
        assert not (folder / "large").exists()


def test_scripts_are_told_which_scores_a_model_has(folder, outcome, write_model):
    from onnx import helper

    model, recording = sc.load(folder / "heads.onnx"), outcome.simulated.recording
    scenes = sc.load_scenes(folder / "heads.npz", model)
    images, truth = scenes.images[:SCENES], scenes.truth[:SCENES]
    with pytest.raises(ModelError, match="a detector is scored by"):
        sc.score(model, outcome.network, recording, images, truth)
    weights = {"w": np.ones((2, 1, 3, 3), np.float32)}
    classifier = sc.load(write_model([helper.make_node("Conv", ["x", "w"], ["y"])], weights))
    with pytest.raises(ModelError, match="is a classifier, which finds no boxes"):
        decode.heads_of(classifier)
