"""Tuning: what it writes and recommends is what the command takes, and holds on other images."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest
from support.networks import pooled_model, with_images
from support.places import EXAMPLES

from spinn_convert.conversion.method import Method, setting_hints
from spinn_convert.errors import DataError, SpinnConvertError
from spinn_convert.jobs import run as job
from spinn_convert.jobs.prepare import Source
from spinn_convert.jobs.recipe import RESULTS, Recipe, as_json, read_recipe
from spinn_convert.jobs.simulation import RunOptions
from spinn_convert.jobs.tuning import tune
from spinn_convert.jobs.tuning.classifiers import steps_to


def shell(line, folder):
    """Run a line in a shell where spinn-convert is this Python's."""
    stub = folder / "bin" / "spinn-convert"
    stub.parent.mkdir()
    stub.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m spinn_convert "$@"\n')
    stub.chmod(0o755)
    env = {**os.environ, "PATH": f"{stub.parent}:{os.environ['PATH']}"}
    return subprocess.run(
        line, shell=True, cwd=folder, env=env, capture_output=True, text=True, timeout=240
    )


@pytest.mark.slow
def test_the_recommendation_runs_as_it_is_printed(write_model, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    path = with_images(pooled_model(write_model))
    data = path.with_suffix(".npz").rename(tmp_path / "my images.npz")
    told = command("tune", path, "--data", data, "--set", "dead_channels=layer")
    assert told.returncode == 0, told.stderr
    content = json.loads((tmp_path / "tiny.tuned" / "settings.json").read_text())
    assert set(content) <= {*setting_hints(), *RESULTS}
    assert {*setting_hints(), *RESULTS} - set(content) <= {
        *("horizon", "copied_layers", "levels", "percentile")  # those may be None
    }
    assert (tmp_path / "tiny.tuned" / "tuned.png").read_bytes().startswith(b"\x89PNG")
    (line,) = (line for line in told.stdout.splitlines() if line.startswith("recommended: "))
    done = shell(line.removeprefix("recommended: "), tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "tiny.spinn" / "report.json").read_text())
    assert found["steps"] == content["steps"]
    assert found["settings"]["read_out"] == content["read_out"]
    for name in setting_hints():
        if name in content:
            assert found["settings"][name] == content[name], name
    # what is given beside the file goes before it
    method = "tiny.tuned/settings.json"
    changed = command("convert", path, "--data", data, "--method", method, "--set", "v_init=0.25")
    assert changed.returncode == 2, "the folder is there"
    recipe = read_recipe(method, ["v_init=0.25", "dead_channels=refuse"])
    before = read_recipe(method)
    assert recipe == replace(
        before, method=replace(before.method, v_init=0.25, dead_channels="refuse")
    )


@pytest.mark.slow
def test_recommendation_for_the_example_loses_nothing_on_the_test_images(tmp_path, monkeypatch):
    monkeypatch.setattr(tune, "WAYS", (tune.WAYS[0], tune.WAYS[-1]))  # the paper's and ours
    source = Source(EXAMPLES / "resnet18.onnx", threads=2)
    tuned, _ = tune.execute(tune.TuneOptions(source, 60, tmp_path / "tuned"))
    recipe = tuned.recipe
    assert recipe.method.normalisation == "channel"
    assert recipe.method.percentile >= 99.9
    tuned_source = replace(source, recipe=recipe)
    options = RunOptions(tuned_source, images=200, out=tmp_path / "run")
    scores = job.execute(options).simulated.scores
    assert scores.snn >= scores.ann - 0.01


@pytest.mark.parametrize("change", ["percentile=99", "clamp_delay=1", "potentials=neuron"])
def test_what_tuning_chooses_itself_cannot_be_given(write_model, tmp_path, change):
    source = Source(with_images(pooled_model(write_model)), recipe=read_recipe("default", [change]))
    name = change.partition("=")[0]
    with pytest.raises(DataError, match=f"--set {name}: has no effect: tune chooses it"):
        tune.execute(tune.TuneOptions(source, out=tmp_path / "tuned"))
    assert not (tmp_path / "tuned").exists()


def test_steps_are_those_of_a_mean_over_eight_steps():
    agreement = np.array([0.5] * 10 + [1.0] * 4 + [0.9] + [1.0] * 9)
    assert steps_to(agreement, 0.98) == 18  # the first eight without a 0.5 have the mean 0.9875
    assert steps_to(agreement, 1.0) == 23
    assert steps_to(agreement, 0.4) == 8


def test_a_recipe_is_read_as_it_was_written(tmp_path):
    recipe = Recipe(Method(99, correct_bias=True, horizon=7, copies=3), 40, "late")
    (tmp_path / "settings.json").write_text(json.dumps(as_json(recipe)))
    assert read_recipe(str(tmp_path / "settings.json")) == recipe
    assert asdict(recipe.method).keys() == setting_hints().keys()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ("[1]", "holds no settings"),
        ('{"percentil": 99}', "setting percentil: unknown\n.*did you mean percentile"),
        ('{"steps": "many"}', "steps: 'many' is not a whole number"),
        ('{"steps": 0}', "steps: is 0"),
        ('{"read_out": "early"}', "'early' is none of all, late"),
        ('{"percentile": "x"}', "percentile: 'x' is not a number"),
        ('{"percentile": 3}', "setting percentile: 3 is out of range"),
    ],
)
def test_settings_that_are_none_are_refused(tmp_path, text, message):
    (tmp_path / "settings.json").write_text(text)
    with pytest.raises(SpinnConvertError, match=message):
        read_recipe(str(tmp_path / "settings.json"))


def test_a_method_that_does_not_exist_is_refused():
    with pytest.raises(DataError, match=r"--method papr: neither a method \(default, paper, basic"):
        read_recipe("papr")
