"""Tuning: what it writes is what the main command takes, and it holds on other images."""

from __future__ import annotations

import json
from dataclasses import fields

import numpy as np
import pytest
from click.testing import CliRunner
from spinn_convert.jobs.settings_file import KEYS, read_settings
from support.networks import pooled_model
from support.places import EXAMPLES

from spinn_convert.cli.main import commands
from spinn_convert.conversion.method import Method
from spinn_convert.errors import DataError
from spinn_convert.jobs import run as pipeline
from spinn_convert.jobs import tune
from spinn_convert.results import report


def test_tuned_settings_are_taken_by_the_main_command(write_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = pooled_model(write_model)
    x = np.random.default_rng(1).standard_normal((40, 1, 6, 5)).astype(np.float32)
    np.savez(path.with_suffix(".npz"), images=x, calibration_images=x, labels=np.arange(40) % 3)
    done = CliRunner().invoke(commands, ["tune", str(path), "--dead-channels", "layer"])
    assert done.exit_code == 0, done.output
    assert "recommended: spinn-convert" in done.output
    settings = json.loads((tmp_path / "tiny.tuned" / "settings.json").read_text())
    assert set(settings) <= set(KEYS)
    assert set(KEYS) - set(settings) <= {"horizon", "copied_layers"}  # those may be None
    assert (tmp_path / "tiny.tuned" / "tuned.png").read_bytes().startswith(b"\x89PNG")
    arguments = [str(path), "--settings", "tiny.tuned/settings.json", "--clamp-delay", "3"]
    done = CliRunner().invoke(commands, ["convert", *arguments])
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "tiny.spinn" / "report.json").read_text())
    assert report["steps"] == settings["steps"]
    assert report["settings"]["percentile"] == settings["percentile"]
    assert report["settings"]["clamp_delay"] == 3  # what is given goes before


def test_recommendation_for_the_example_loses_nothing_on_the_test_images(tmp_path, monkeypatch):
    monkeypatch.setattr(tune, "WAYS", (tune.WAYS[0], tune.WAYS[-1]))  # the paper's and ours
    job = pipeline.Job(EXAMPLES / "resnet18.onnx", images=60, threads=2, out=tmp_path / "tuned")
    tuned, _ = tune.execute(job, pipeline.unwatched)
    settings = dict(tuned.settings)
    assert settings["normalisation"] == "channel"
    assert settings["percentile"] >= 99.9
    names = {field.name for field in fields(Method)} & set(settings)
    method = Method(**{name: settings.pop(name) for name in names})
    run = pipeline.Job(
        job.model, method=method, images=200, threads=2, out=tmp_path / "run", **settings
    )
    scores = pipeline.execute(run).scores
    assert scores.snn_by_step[-1] >= scores.ann - 0.01


def test_steps_are_those_of_a_mean_over_eight_steps():
    agreement = np.array([0.5] * 10 + [1.0] * 4 + [0.9] + [1.0] * 9)
    scores = report.Scores(0.9, 0.9, agreement, agreement)
    way = tune.Way(Method(), "all", 3, 0, 10, scores, 1.0)
    assert way.steps(0.98) == 18  # the first eight steps without a 0.5 have the mean 0.9875
    assert way.steps(1.0) == 23
    assert way.steps(0.4) == 8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ("[1]", "holds no settings"),
        ('{"percentil": 99}', "percentil: unknown"),
        ('{"steps": "many"}', "'many' is no int"),
        ('{"percentile": "x"}', "'x' is no float"),
    ],
)
def test_settings_that_are_none_are_refused(tmp_path, text, message):
    (tmp_path / "settings.json").write_text(text)
    with pytest.raises(DataError, match=message):
        read_settings(tmp_path / "settings.json")
