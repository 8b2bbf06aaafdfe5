"""Prepare, convert, simulate, write: each alone, of a file or a network, and nothing half done."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.networks import classifier, pooled_model, with_images

from spinn_convert.backends.reference import backend as reference
from spinn_convert.conversion.method import PAPER, Method
from spinn_convert.errors import BackendError, ConversionError, DataError
from spinn_convert.jobs import convert as convert_job
from spinn_convert.jobs import export, run
from spinn_convert.jobs.convert import ConvertOptions
from spinn_convert.jobs.export import ExportOptions
from spinn_convert.jobs.prepare import Source, convert, method_of, prepare
from spinn_convert.jobs.recipe import Recipe
from spinn_convert.jobs.simulation import RunOptions, studied
from spinn_convert.jobs.tuning import tune
from spinn_convert.jobs.tuning.tune import TuneOptions
from spinn_convert.network.records import Network

STEPS = 30
RECORDED = ("first", "second")


@pytest.fixture
def source(write_model, tmp_path, monkeypatch):
    """A small model with images, converted as the paper does, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return Source(with_images(classifier(write_model)), recipe=Recipe(PAPER))


@pytest.fixture
def converted(source, tmp_path):
    """Where the model's network.npz is."""
    made = convert_job.execute(ConvertOptions(source, tmp_path / "converted"))
    return made.folder / "network.npz"


def test_prepare_alone_knows_all_but_the_scales(source):
    prepared = prepare(source)
    assert [p.name for p in prepared.network.spiking] == ["first", "second"]
    assert not prepared.network.calibrated
    assert (prepared.network.depth, prepared.network.clamp_delay) == (2, 1)
    assert len(prepared.dataset.images) == 40
    assert prepared.model.path == source.path


def test_convert_alone_gives_the_network_that_is_written(source, converted):
    recipe = Recipe(PAPER, 25, "all")
    network = convert(prepare(replace(source, recipe=recipe)))
    assert network.calibrated
    assert (network.steps, network.read_out) == (25, "all")
    assert method_of(network)["percentile"] == PAPER.percentile
    stored = Network.load(converted)
    for ours, theirs in zip(network.populations, stored.populations, strict=True):
        assert np.array_equal(ours.scale, theirs.scale)
        assert np.array_equal(ours.v_init, theirs.v_init)


def test_simulate_alone_scores_what_a_backend_records(source):
    prepared = prepare(source)
    network = convert(prepared)
    options = RunOptions(source, images=9, steps=STEPS, record=RECORDED[:1])
    found = run.simulate(prepared, network, options)
    assert np.array_equal(found.answers.known, prepared.dataset.labels[:9])
    assert found.scores.ann == 1.0
    assert found.read_out == "all"
    assert set(found.recording.spikes) == {"first"}
    assert found.recording.readout["y"].shape == (9, STEPS, 3)
    last = found.recording.readout["y"][:, -1].argmax(1)
    assert found.scores.snn == (last == prepared.dataset.labels[:9]).mean()


def test_write_alone_needs_nothing_but_what_is_given(source, tmp_path, monkeypatch):
    prepared = prepare(source)
    network = convert(prepared)
    options = RunOptions(source, images=9, steps=STEPS)
    simulated = run.simulate(prepared, network, options)
    inside = studied(prepared, network, simulated.read_out, options)
    monkeypatch.setattr(reference, "run", lambda *_: pytest.fail("simulated again"))
    (tmp_path / "folder").mkdir()
    content = run.write(prepared, network, simulated, inside, options, tmp_path / "folder")
    names = {path.name for path in (tmp_path / "folder").iterdir()}
    assert names == {"network.npz", "report.json", "report.html", "accuracy.png"}
    assert json.loads((tmp_path / "folder" / "report.json").read_text()) == content
    assert content["snn"]["accuracy"] == simulated.scores.snn


@pytest.mark.slow
def test_a_network_gives_the_spikes_of_its_model(source, converted, tmp_path):
    pytest.importorskip("nixio")
    options = RunOptions(source, images=5, steps=STEPS, record=RECORDED, out=tmp_path / "one")
    one = run.execute(options)
    network = Source(converted, data=source.path.with_suffix(".npz"))
    other = run.execute(replace(options, source=network, out=tmp_path / "other"))
    for name in RECORDED:
        assert len(one.simulated.recording.spikes[name])
        found = other.simulated.recording.spikes[name]
        assert np.array_equal(one.simulated.recording.spikes[name], found)
    for key in ("ann", "relu1", "snn", "network", "model", "settings"):
        assert one.report[key] == other.report[key], key


def test_a_network_is_found_its_model(source, converted, tmp_path):
    """Where it was; beside the network; beside its folder; else the message names --onnx."""
    data = source.path.with_suffix(".npz")
    assert prepare(Source(converted)).model.path == source.path
    assert prepare(Source(converted)).source.stem == "converted"
    moved = tmp_path / "elsewhere" / "converted.spinn"
    shutil.copytree(converted.parent, moved)
    source.path.rename(moved / source.path.name)
    network = Source(moved / "network.npz", data=data)
    assert prepare(network).model.path.parent == moved
    assert network.stem == "converted"
    (moved / source.path.name).rename(moved.parent / source.path.name)
    assert prepare(network).model.path.parent == moved.parent
    (moved.parent / source.path.name).rename(tmp_path / "renamed.onnx")
    with pytest.raises(DataError, match=r"tiny\.onnx(.|\n)*name the ONNX file with --onnx"):
        prepare(network)
    prepared = prepare(replace(network, onnx=tmp_path / "renamed.onnx"))
    assert prepared.model.path.name == "renamed.onnx"


def test_a_network_in_the_current_folder(source, converted, monkeypatch):
    """Its folder has no name there, and no parent."""
    monkeypatch.chdir(converted.parent)
    source.path.rename(source.path.with_name("away.onnx"))
    network = Source(Path("network.npz"))
    assert network.stem == "converted"
    with pytest.raises(DataError, match="name the ONNX file with --onnx"):
        prepare(network)


def test_other_calibration_images_than_those_of_the_network_are_noticed(source, converted):
    options = RunOptions(Source(converted), images=2, steps=5, overwrite=True)
    assert run.execute(options).report["warnings"] == []
    data = dict(np.load("tiny.npz"))
    np.savez("tiny.npz", **{**data, "calibration_images": 2 * data["images"] + 1})
    (warning,) = run.execute(options).report["warnings"]
    assert "was calibrated on other images than the 40 of this data: mean input" in warning


def test_what_does_not_belong_to_a_network_is_refused(source, converted, write_model, tmp_path):
    data = source.path.with_suffix(".npz")
    other = pooled_model(lambda *model: write_model(*model, name="other.onnx"))
    with pytest.raises(DataError, match="was converted from another model than"):
        prepare(Source(converted, data=data, onnx=other))
    for recipe in (Recipe(), Recipe(PAPER)):
        with pytest.raises(DataError, match="is converted already: a method has no effect"):
            prepare(Source(converted, recipe=recipe))
    with pytest.raises(DataError, match="is an ONNX file itself"):
        prepare(replace(source, onnx=source.path))
    with pytest.raises(DataError, match="is converted already"):
        convert_job.execute(ConvertOptions(Source(converted)))


def test_results_of_a_network_do_not_go_where_it_is(source, converted):
    """MODEL.spinn is where the network came from."""
    outcome = run.execute(RunOptions(Source(converted), images=2, steps=5))
    assert outcome.folder.name == "converted.run.spinn"


class Broken(Exception):
    """What stands for Ctrl-C, or a disk that is full."""


def fail(*_, **__):
    raise Broken


STEPS_OF_JOBS = [
    (run, "prepare"),
    (run, "convert"),
    (run, "simulate"),
    (run, "studied"),
    (run, "write"),
    (run.report, "draw"),
    (convert_job, "prepare"),
    (convert_job, "save"),
    (export, "convert"),
    (export, "write_nest"),
    (tune, "tune"),
    (tune, "draw"),
]
JOBS = {
    run: lambda source: run.execute(RunOptions(source, steps=5)),
    run.report: lambda source: run.execute(RunOptions(source, steps=5)),
    convert_job: lambda source: convert_job.execute(ConvertOptions(source)),
    export: lambda source: export.execute(ExportOptions(source)),
    tune: lambda source: tune.execute(TuneOptions(replace(source, recipe=None))),
}


@pytest.mark.parametrize(
    ("module", "step"), STEPS_OF_JOBS, ids=[f"{m.__name__}.{s}" for m, s in STEPS_OF_JOBS]
)
def test_an_error_in_any_step_leaves_nothing(source, tmp_path, monkeypatch, module, step):
    monkeypatch.setattr(tune, "SCALINGS", tune.SCALINGS[:1])
    monkeypatch.setattr(tune, "WAYS", tune.WAYS[:1])
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr(module, step, fail)
    with pytest.raises(Broken):
        JOBS[module](source)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("error", "changes"),
    [
        (DataError, {"images": 41}),
        (DataError, {"record": ("x",)}),
        (BackendError, {"backend": "spinnaker-integers"}),
        (BackendError, {"backend": "brian"}),
        (ConversionError, {}),
    ],
)
def test_what_is_refused_leaves_nothing(source, tmp_path, error, changes):
    if error is ConversionError:
        data = dict(np.load("tiny.npz"))
        np.savez("tiny.npz", **{**data, "calibration_images": data["images"] * 0 - 99})
    strict = replace(source, recipe=Recipe(replace(PAPER, dead_channels="refuse")))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(error):
        run.execute(RunOptions(strict, **changes))
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_is_replaced_only_when_that_is_asked_for(source, tmp_path):
    options = RunOptions(source, images=2, steps=5)
    first = run.execute(options)
    (first.folder / "mine.txt").write_text("mine")
    for again in (options, replace(options, images=3)):
        with pytest.raises(DataError, match=r"tiny\.spinn: exists already(.|\n)*--overwrite"):
            run.execute(again)
    assert (first.folder / "mine.txt").exists()
    later = replace(options, images=3, overwrite=True)
    assert run.execute(later).report["images"] == 3
    assert not (first.folder / "mine.txt").exists()
    foreign = replace(later, out=tmp_path / "foreign")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.txt").write_text("mine")
    with pytest.raises(DataError, match="not a folder that spinn-convert wrote"):
        run.execute(foreign)
    assert (tmp_path / "foreign" / "thesis.txt").read_text() == "mine"


def test_a_failed_run_leaves_the_folder_that_it_would_replace(source, tmp_path, monkeypatch):
    options = RunOptions(source, images=2, steps=5)
    folder = run.execute(options).folder
    before = (folder / "report.json").read_text()
    monkeypatch.setattr(run, "simulate", fail)
    with pytest.raises(Broken):
        run.execute(replace(options, overwrite=True))
    assert (folder / "report.json").read_text() == before


def test_phases_are_told_in_order(source):
    told = []

    def watch(phase):
        told.append(phase)
        return lambda done, total: None

    method = Recipe(Method())
    run.execute(RunOptions(replace(source, recipe=method), images=2, steps=5), watch)
    assert told == [
        "calibrate",
        "potentials",
        "ANN",
        "ReLU1",
        "SNN on reference",
        "decode",
        "spikes of all layers",
        "layer by layer",
    ]
