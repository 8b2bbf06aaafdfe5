"""The command as a user types it: what it writes, and one clear message for bad input."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import onnx
import pytest
from onnx import helper
from support.places import EXAMPLES

from spinn_convert.cli.progress import deferring_interrupts

MODEL = EXAMPLES / "resnet18.onnx"
KEYS = {"model", "backend", "images", "steps", "settings", "ann", "relu1", "snn", "network"}


@pytest.fixture(autouse=True)
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def assert_refused(done, folder, *words, code=2):
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr
    assert not list(folder.glob("**/*.spinn"))
    assert not list(folder.glob(".*"))


def dataset(**changes):
    rng = np.random.default_rng(0)
    images = rng.standard_normal((4, 1, 28, 28)).astype(np.float32)
    arrays = {"images": images, "labels": np.arange(4), "calibration_images": images}
    return {**arrays, **changes}


@pytest.mark.slow
def test_main_command_writes_network_report_and_picture(tmp_path, command):
    done = command(MODEL, "--images", 20, "--steps", 60)
    assert done.returncode == 0, done.stderr
    assert "SNN accuracy" in done.stdout
    folder = tmp_path / "resnet18.spinn"
    report = json.loads((folder / "report.json").read_text())
    assert set(report) >= KEYS
    assert len(report["snn"]["accuracy_by_step"]) == 60
    assert abs(report["snn"]["accuracy"] - report["ann"]["accuracy"]) <= 0.05
    assert (folder / "accuracy.png").read_bytes().startswith(b"\x89PNG")
    again = command(MODEL, "--images", 2)
    assert again.returncode == 2
    assert "exists already" in again.stderr
    assert json.loads((folder / "report.json").read_text()) == report
    inspected = command("inspect", folder / "network.npz")
    assert "146,186" in inspected.stdout


@pytest.mark.slow
def test_inspect_prints_the_totals(tmp_path, command):
    done = command("inspect", MODEL)
    assert done.returncode == 0, done.stderr
    assert "146,186" in done.stdout
    assert not list(tmp_path.iterdir())


def test_missing_and_broken_files(tmp_path, command):
    assert_refused(command("none.onnx"), tmp_path, "none.onnx", "check the path")
    (tmp_path / "half.onnx").write_bytes(MODEL.read_bytes()[:100_000])
    assert_refused(command("half.onnx"), tmp_path, "half.onnx", "export")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": np.zeros((4, 28, 28, 1), np.float32)}, ("channels last", "transpose")),
        ({"images": np.zeros((4, 1, 28, 28), np.uint8)}, ("dtype uint8", "scale")),
        ({"images": np.full((4, 1, 28, 28), np.nan, np.float32)}, ("NaN",)),
        ({"labels": np.array([0, 1, 2, 10])}, ("label 10", "0 to 9")),
        ({"labels": np.arange(3)}, ("one label per image",)),
        ({"calibration_images": np.zeros((0, 1, 28, 28), np.float32)}, ("no images",)),
    ],
)
def test_bad_images(tmp_path, command, changes, words):
    np.savez(tmp_path / "data.npz", **dataset(**changes))
    done = command(MODEL, "--data", "data.npz")
    assert_refused(done, tmp_path, *words)


def test_all_nodes_without_a_spiking_form_are_named(tmp_path, write_model, command):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], name="first", pads=[1, 1, 1, 1]),
        helper.make_node("Sigmoid", ["a"], ["b"], name="gate"),
        helper.make_node("Tanh", ["a"], ["c"], name="other"),
        helper.make_node("Add", ["b", "c"], ["d"], name="sum"),
        helper.make_node("Elu", ["d"], ["e"], name="behind refused nodes"),
        helper.make_node("Conv", ["e", "v"], ["y"], name="last"),
    ]
    ones = np.ones((2, 1, 3, 3), np.float32), np.ones((2, 2, 3, 3), np.float32)
    path = write_model(nodes, dict(zip("wv", ones)))
    assert_refused(command(path), tmp_path, "gate (Sigmoid)", "other (Tanh)", "(Elu)")


def test_a_network_without_rectifiers_is_refused(tmp_path, write_model, command):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Sigmoid", ["a"], ["y"]),
    ]
    path = write_model(nodes, {"w": np.ones((2, 1, 3, 3), np.float32)})
    assert_refused(command(path), tmp_path, "nothing would spike")


def test_a_network_without_weights_is_refused(tmp_path, write_model, command):
    path = write_model([helper.make_node("Relu", ["x"], ["y"])], {})
    assert_refused(command(path), tmp_path, "no layer with weights")


def test_weights_that_are_not_numbers(tmp_path, write_model, command):
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"])]
    path = write_model(nodes, {"w": np.full((2, 1, 3, 3), np.nan, np.float32)})
    assert_refused(command(path), tmp_path, "weight w: has values that are NaN")


def test_ctrl_c_waits_for_a_report_and_a_second_does_not():
    usual = signal.getsignal(signal.SIGINT)
    with deferring_interrupts() as interrupt:
        interrupt.check()
        signal.raise_signal(signal.SIGINT)  # noted, not raised
        with pytest.raises(KeyboardInterrupt):
            interrupt.check()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is usual


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["reference", pytest.param("nest", marks=pytest.mark.nest)])
def test_ctrl_c_leaves_nothing(tmp_path, backend):
    words = [sys.executable, "-m", "spinn_convert", str(MODEL), "--backend", backend]
    process = subprocess.Popen([*words, "--images", "1000"], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.1)  # until the run has begun to write
    assert list(tmp_path.iterdir())
    time.sleep(4)
    os.kill(process.pid, signal.SIGINT)
    stderr = process.communicate(timeout=60)[1]
    assert process.returncode == 130, stderr
    assert "interrupted" in stderr
    assert "Traceback" not in stderr
    assert not list(tmp_path.iterdir())


def test_what_the_host_runs_is_shown_scored_and_saved(tmp_path, write_model, command):
    nodes = [
        helper.make_node("Div", ["x", "scale"], ["p"]),
        helper.make_node("Conv", ["p", "w"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("GlobalAveragePool", ["b"], ["c"]),
        helper.make_node("Flatten", ["c"], ["d"]),
        helper.make_node("Gemm", ["d", "v"], ["e"]),
        helper.make_node("Softmax", ["e"], ["y"]),
    ]
    rng = np.random.default_rng(0)
    weights = {"w": rng.normal(0, 1, (4, 1, 3, 3)), "v": rng.normal(0, 1, (4, 3))}
    weights = {name: value.astype(np.float32) for name, value in weights.items()}
    path = write_model(nodes, {**weights, "scale": np.float32(3)})
    images = rng.normal(0, 9, (10, 1, 6, 5)).astype(np.float32)
    arrays = {"images": images, "calibration_images": images, "labels": np.zeros(10, int)}
    np.savez(path.with_suffix(".npz"), **arrays)
    done = command(path, "--steps", 200, "--out", "out")
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["model"]["before"] == "Div"
    assert report["model"]["after"] == "Softmax"
    assert report["snn"]["agreement"] >= 0.9
    assert [n.op_type for n in onnx.load(tmp_path / "out" / "prefix.onnx").graph.node] == ["Div"]
    assert onnx.load(tmp_path / "out" / "suffix.onnx").graph.input[0].name == "e"
    inspected = command("inspect", "out/network.npz")
    assert "before the spiking part: Div" in inspected.stdout
    assert "after the spiking part: Softmax" in inspected.stdout
