"""The script that is exported runs on PyNN and NEST alone and finds what the report says."""

from __future__ import annotations

import numpy as np
import pytest
from support.networks import pooled_model
from support.places import EXAMPLES
from support.scripts import on_emulated_board, run_script

from spinn_convert.conversion.method import Method
from spinn_convert.errors import DataError
from spinn_convert.jobs import export
from spinn_convert.jobs import run as job
from spinn_convert.jobs.export import ExportOptions
from spinn_convert.jobs.prepare import Source
from spinn_convert.jobs.recipe import Recipe
from spinn_convert.jobs.simulation import RunOptions


def small_source(write_model, method, count=20):
    """Return a small model with images, and how it is converted."""
    path = pooled_model(write_model)
    x = np.random.default_rng(1).standard_normal((count, 1, 6, 5)).astype(np.float32)
    labels = np.arange(count) % 3
    np.savez(path.with_suffix(".npz"), images=x, calibration_images=x, labels=labels)
    return Source(path, recipe=Recipe(method))


CASES = [("subtract", 1), ("constant", 1), ("constant", 0), ("subtract", 0)]


@pytest.mark.slow
@pytest.mark.nest
@pytest.mark.parametrize(("reset", "clamp_delay"), CASES)
def test_script_agrees_with_the_report(write_model, tmp_path, reset, clamp_delay):
    source = small_source(write_model, Method(clamp_delay=clamp_delay, reset=reset))
    outcome = job.execute(RunOptions(source, steps=48, out=tmp_path / "out"))
    options = ExportOptions(source, images=20, steps=48, out=tmp_path / "script")
    assert export.execute(options) == tmp_path / "script"
    done = run_script(tmp_path / "script", tmp_path)
    assert done.returncode == 0, done.stderr
    snn, ann = outcome.report["snn"], outcome.report["ann"]
    expected = (
        f"ANN {ann['accuracy']:.2%}, SNN {snn['accuracy']:.2%}, agreement {snn['agreement']:.2%}"
    )
    assert done.stdout.splitlines()[-1] == expected
    with pytest.raises(DataError, match="script: exists already"):
        export.execute(options)


@pytest.mark.slow
@pytest.mark.nest
def test_script_of_the_example_runs(tmp_path):
    source = Source(EXAMPLES / "resnet18.onnx", threads=2)
    outcome = job.execute(RunOptions(source, images=2, out=tmp_path / "out"))
    network = Source(
        tmp_path / "out" / "network.npz", onnx=source.path, data=EXAMPLES / "resnet18.npz"
    )
    export.execute(ExportOptions(network, images=2, out=tmp_path / "script"))
    done = run_script(tmp_path / "script", tmp_path, "1")
    assert done.returncode == 0, done.stderr
    first = int(outcome.simulated.scores.snn_by_step[-1] * 2) // 2
    assert f"agreement {first:.2%}" in done.stdout


@pytest.mark.slow
@pytest.mark.spinnaker
def test_spinnaker_script_builds_what_the_arithmetic_computes(write_model, tmp_path):
    """Its populations, run by the shipped binaries in software, give the recorded potentials."""
    source = small_source(write_model, Method(dead_channels="layer"), 4)
    options = RunOptions(source, "spinnaker-integers", steps=40, out=tmp_path / "out")
    recording = job.execute(options).simulated.recording
    export.execute(ExportOptions(source, "spinnaker", steps=40, out=tmp_path / "script"))
    assert (tmp_path / "script" / "fastlist.py").exists()
    script, header, _, found = on_emulated_board(tmp_path / "script", 2, tmp_path)
    potentials = found["y"]
    theta = recording.plan.by_name["y"].theta
    expected = recording.readout["y"][2]
    assert np.array_equal((potentials[1:41] / theta).astype(np.float32), expected)
    start = header["populations"][-1]["since"]
    gain = script.gained(potentials, 40, start) / theta
    assert gain == pytest.approx(expected[39] - expected[start - 1], abs=1e-6)
