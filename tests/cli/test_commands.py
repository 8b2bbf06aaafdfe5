"""Each command: its help, what it prints for machines, its exit code, what it says in between."""

from __future__ import annotations

import json
import re
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from support.networks import classifier, with_images
from support.places import BOARDS

from spinn_convert.cli import progress
from spinn_convert.cli.main import commands
from spinn_convert.conversion.method import setting_hints

LINES, COLUMNS = 40, 100


@pytest.fixture
def model(write_model, tmp_path, monkeypatch):
    """A small model beside its images, in the folder that commands run in."""
    monkeypatch.chdir(tmp_path)
    return with_images(classifier(write_model))


@pytest.mark.parametrize("name", ["", *commands.commands])
def test_help_fits_on_a_screen(command, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    told = command(*name.split(), "-h")
    assert told.returncode == 0
    lines = told.stdout.rstrip("\n").splitlines()
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= COLUMNS
    if name:
        for parameter in commands.commands[name].params:
            for option in parameter.opts:
                assert not option.startswith("--") or option in told.stdout, option


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("runn", "x.onnx"), ("No such command 'runn'", "Did you mean 'run'?", "spinn-convert -h")),
        (("x.onnx", "--imges", "3"), ("No such option '--imges'", "'--images'", "run -h")),
        (("inspect", "x.onnx", "--dta", "y"), ("'--dta'", "'--data'", "inspect -h")),
        (("x.onnx", "--backend", "brian"), ("'brian'", "reference", "spinnaker-integers")),
        (("x.onnx", "--images", "0"), ("0 is not in the range",)),
        (("x.onnx", "--fail-under-accuracy", "101"), ("101", "0<=x<=100")),
        (("x.onnx", "--set", "copeis=2"), ("setting copeis: unknown", "did you mean copies?")),
        (("x.onnx", "--set", "copies"), ("--set copies: no value", "copies=VALUE")),
        (("x.onnx", "--set", "copies=2", "--set", "copies=3"), ("--set copies: given twice",)),
        (("run",), ("Missing argument 'MODEL'",)),
    ],
)
def test_what_is_mistyped_is_named_with_what_is_near(
    command, tmp_path, monkeypatch, arguments, words
):
    monkeypatch.chdir(tmp_path)
    told = command(*arguments)
    assert told.returncode == 2
    assert told.stderr.startswith("error: ")
    for word in words:
        assert word in told.stderr
    assert not list(tmp_path.iterdir())


def read_json(command, *arguments):
    told = command(*arguments, "--json")
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)


def test_json_of_every_command_is_read_by_machines(command, model):
    shown = read_json(command, "inspect", model)
    assert [p["name"] for p in shown["populations"]][-1] == "y"
    assert shown["calibrated"]
    made = read_json(command, "convert", model, "--out", "converted")
    assert made["folder"] == "converted"
    assert [p["name"] for p in made["populations"]] == [p["name"] for p in shown["populations"]]
    again = read_json(command, "inspect", "converted/network.npz")
    assert again == {key: value for key, value in made.items() if key != "folder"}
    ran = read_json(command, "run", model, "--steps", 20, "--images", 20)
    assert ran == json.loads(Path("tiny.spinn/report.json").read_text())
    looked = read_json(command, "diagnose", "tiny.spinn/network.npz", "--steps", 20)
    names = [layer["name"] for layer in looked["layers"]]
    spiking = [p["name"] for p in shown["populations"] if p["kind"] == "spiking"]
    assert names == [name for name in spiking if "copy" not in name]
    assert looked["agreement"] == ran["snn"]["agreement_by_step"][-1]
    multiplied = 30 * 4 * 9 + 2 * 2 * 5 * 4 * 9 + 20 * 3  # 6 x 5 places, then 2 x 2, then 3 classes
    assert ran["energy"]["ann_macs_per_image"] == multiplied
    assert read_json(command, "export", model) == {"folder": "tiny.script"}
    settings = read_json(command, "settings", "paper")
    assert settings["percentile"] == 99.99
    assert settings.keys() <= setting_hints().keys()


def test_json_of_a_tuning_is_what_it_wrote(command, model, monkeypatch):
    from spinn_convert.jobs.tuning import tune

    monkeypatch.setattr(tune, "SCALINGS", tune.SCALINGS[:2])
    monkeypatch.setattr(tune, "WAYS", tune.WAYS[:1])
    tuned = read_json(command, "tune", model, "--set", "dead_channels=layer")
    assert tuned["recommended"] == json.loads(Path("tiny.tuned/settings.json").read_text())


@pytest.mark.slow
@pytest.mark.skipif(find_spec("nixio") is None, reason="Neo's file format is not installed")
def test_json_of_a_score_is_that_of_the_run(command, model):
    ran = read_json(command, "run", model, "--steps", 20, "--record", "output")
    labels = ("--labels", "tiny.npz", "--network", "tiny.spinn/network.npz")
    scored = read_json(command, "score", "tiny.spinn/recording.nix", *labels)
    assert scored["snn"]["accuracy"] == pytest.approx(ran["snn"]["accuracy"])
    assert scored["ann"] == ran["ann"]


@pytest.mark.slow
@pytest.mark.spinnaker
def test_json_of_a_mapping(command, model):
    board = ("--board", BOARDS / "virtual.cfg", "--set", "dead_channels=layer")
    mapped = read_json(command, "map", model, *board)
    assert mapped["layers"][-1]["name"] == "y"


def test_settings_lists_exactly_the_settings(command):
    told = command("settings")
    assert told.returncode == 0
    rows = re.findall(r"^│ (\w+) +│ .* │ \S.*│$", told.stdout, re.MULTILINE)
    assert rows == list(setting_hints())


@pytest.mark.parametrize(
    ("gate", "code"),
    [
        (("--fail-under-accuracy", "50"), 1),
        (("--fail-under-accuracy", "0", "--fail-under-agreement", "50"), 0),
    ],
)
def test_gates(command, model, gate, code):
    data = dict(np.load("tiny.npz"))
    np.savez("tiny.npz", **{**data, "labels": (data["labels"] + 1) % 3})
    told = command(model, "--steps", 60, *gate)
    assert told.returncode == code, told.stderr
    assert ("fell short: the SNN is right on" in told.stderr) == bool(code)
    report = json.loads(Path("tiny.spinn/report.json").read_text())  # written even so
    assert report["snn"]["agreement"] > 0.5 > report["snn"]["accuracy"]


SHIFTED = "the ANN itself is right on 0.0% of the images, no better than chance: check that labels"


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        (lambda d: {"images": 0 * d["images"]}, "images: every pixel of the first 40 is the same"),
        (
            lambda d: {"calibration_images": 0 * d["calibration_images"] + 1},
            "calibration_images: every pixel of the first 40 is the same",
        ),
        (lambda d: {"labels": (d["labels"] + 1) % 3}, SHIFTED),
        (lambda d: {}, None),
    ],
)
def test_what_looks_wrong_is_a_warning(command, model, change, warning):
    data = dict(np.load("tiny.npz"))
    np.savez("tiny.npz", **{**data, **change(data)})
    told = command(model, "--steps", 20, "--set", "dead_channels=layer", "--json")
    assert told.returncode == 0, told.stderr
    warnings = [line for line in told.stderr.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == (warning is not None)
    assert json.loads(told.stdout)["warnings"] == [w.removeprefix("warning: ") for w in warnings]
    assert not warning or warnings[0].startswith(f"warning: {warning}")


def test_labels_that_count_from_one_are_refused(command, model):
    data = dict(np.load("tiny.npz"))
    np.savez("tiny.npz", **{**data, "labels": data["labels"] + 1})
    told = command(model)
    assert told.returncode == 2
    assert "labels run from 0 to 2" in told.stderr


def test_long_phases_say_where_they_are(capfd, monkeypatch):
    monkeypatch.setattr(progress, "EVERY", 0.01)
    with progress.watching() as watch:
        for phase, reports in (("load", ()), ("calibrate", ((0, 9), (3, 9)))):
            report = watch(phase)
            for done, total in reports:
                report(done, total)
            time.sleep(0.2)
    lines = capfd.readouterr().err.splitlines()
    assert "load: 0 s" in lines
    assert re.fullmatch(r"calibrate: 3 of 9 after 0 s, about \d s left", lines[-1])


def test_a_command_prints_progress_where_stderr_is_no_terminal(command, model, monkeypatch):
    monkeypatch.setattr(progress, "EVERY", 0.001)
    told = command(model, "--steps", 20, "--json")
    assert told.returncode == 0
    assert json.loads(told.stdout)
    phases = {line.partition(":")[0] for line in told.stderr.splitlines()}
    assert "SNN on reference" in phases
    known = {"calibrate", "potentials", "ANN", "ReLU1", "SNN on reference", "decode"}
    assert phases <= known | {"spikes of all layers", "layer by layer"}


def test_export_as_nir(command, model):
    nir = pytest.importorskip("nir")
    told = command("export", model, "--format", "nir", "--steps", 20)
    assert (told.returncode, told.stdout) == (0, "wrote tiny.nir\n"), told.stderr
    graph = nir.read("tiny.nir")
    assert int(graph.metadata["steps"]) == 20 - 2
    command("convert", model)
    model.with_suffix(".npz").unlink()  # a network needs no images
    words = ("export", "tiny.spinn/network.npz", "--format", "nir")
    assert "tiny.nir: exists already" in command(*words).stderr
    assert read_json(command, *words, "--overwrite") == {"file": "tiny.nir"}
    with_steps = nir.read("tiny.nir").metadata
    assert int(with_steps["steps"]) != 18
    assert sorted(p.name for p in Path().iterdir() if ".nir" in p.name) == ["tiny.nir"]


def test_export_as_nir_replaces_only_its_own(command, model):
    pytest.importorskip("nir")
    for content in (b"mine", b"\x89HDF\r\n\x1a\n"):
        Path("mine.nir").write_bytes(content)
        told = command("export", model, "--format", "nir", "--out", "mine.nir", "--overwrite")
        assert told.returncode == 2
        assert "is not a file that spinn-convert wrote" in told.stderr
        assert Path("mine.nir").read_bytes() == content
