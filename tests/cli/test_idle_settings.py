"""A setting without effect is one message with exit code 2, and nothing is written."""

from __future__ import annotations

import pytest
from support.networks import classifier, with_images
from support.places import BOARDS

VIRTUAL = BOARDS / "virtual.cfg"


@pytest.fixture
def refused(command, write_model, tmp_path, monkeypatch):
    """Return a function that runs a command in a folder with a model and its network.npz."""
    with_images(classifier(write_model))
    monkeypatch.chdir(tmp_path)
    assert command("convert", "tiny.onnx", "--out", "converted").returncode == 0

    def run(line, *words):
        before = sorted(tmp_path.rglob("*"))
        told = command(*line.split())
        assert told.returncode == 2, told.stderr
        assert told.stderr.startswith("error: ")
        assert "Traceback" not in told.stderr
        assert not told.stdout
        for word in words:
            assert word in told.stderr
        assert "\n  -> " in told.stderr, "what to do instead"
        assert sorted(tmp_path.rglob("*")) == before

    return run


NETWORK = "converted/network.npz"


@pytest.mark.parametrize("backend", ["reference", "nest", "spinnaker-integers"])
def test_boards_and_connectors_beside_simulators_without_any(refused, backend):
    words = f"has no effect on {backend}", "use --backend spinnaker"
    refused(f"tiny.onnx --backend {backend} --board {VIRTUAL}", f"--board {VIRTUAL}", *words)
    refused(f"tiny.onnx --backend {backend} --connectors auto", "--connectors auto", *words)
    both = f"{NETWORK} --backend {backend} --board {VIRTUAL} --connectors lists"
    refused(both, "--connectors lists", f"--board {VIRTUAL}")


@pytest.mark.parametrize("told", ["--method paper", "--set copies=1"])
@pytest.mark.parametrize("command_", ["run", "export", "inspect"])
def test_a_method_beside_a_converted_network(refused, command_, told):
    refused(f"{command_} {NETWORK} {told}", "converted already", "leave --method and --set out")


def test_data_beside_a_network_that_is_only_looked_at(refused):
    refused(f"inspect {NETWORK} --data tiny.npz", "--data", "no effect")


def test_conversion_of_a_converted_network(refused):
    refused(f"convert {NETWORK}", f"{NETWORK}: is converted already")
    refused(f"tune {NETWORK}", f"{NETWORK}: is converted already")


def test_settings_that_tuning_chooses(refused):
    refused(
        "tune tiny.onnx --set percentile=99 --set clamp_delay=2",
        "--set percentile: has no effect",
        "--set clamp_delay: has no effect",
    )


def test_settings_without_effect_beside_others(refused):
    refused("tiny.onnx --set levels=4", "setting levels: has no effect", "thresholds=mmse")
    refused("tiny.onnx --method paper --set horizon=9", "setting horizon: has no effect")


@pytest.mark.parametrize(
    "line",
    [
        "tiny.onnx --backend spinnaker-integers --set clamp_delay=1",
        "export tiny.onnx --simulator spinnaker --method paper",
        pytest.param(
            f"tiny.onnx --backend spinnaker --board {VIRTUAL} --method paper",
            marks=pytest.mark.spinnaker,
        ),
        pytest.param(
            f"map tiny.onnx --board {VIRTUAL} --method paper", marks=pytest.mark.spinnaker
        ),
    ],
)
def test_clamps_on_boards(refused, line):
    refused(line, "clamp", "with reset by subtraction (clamp_delay=1)", "reset=constant")


def test_a_constant_reset_is_no_script_for_boards(refused):
    refused(
        "export tiny.onnx --simulator spinnaker --set reset=constant", "reset", "--simulator nest"
    )


@pytest.mark.parametrize("command_", ["run", "export"])
def test_a_model_beside_a_model(refused, command_):
    refused(f"{command_} tiny.onnx --onnx tiny.onnx", "--onnx tiny.onnx", "leave --onnx out")


@pytest.mark.parametrize("command_", ["run", "export"])
@pytest.mark.parametrize("path", ["tiny.onnx", NETWORK])
def test_more_images_than_there_are(refused, command_, path):
    data = "" if path == "tiny.onnx" else "--data tiny.npz"
    words = "--images 41", "there are 40 test images", "use 40 at most"
    refused(f"{command_} {path} --images 41 {data}", *words)


def test_more_images_than_tuning_can_spare(refused):
    refused("tune tiny.onnx --images 21", "--images 21", "20")


def test_options_of_scripts_beside_nir(refused):
    words = "no effect: a file of NIR has no images", "leave it out"
    refused("export tiny.onnx --format nir --simulator nest", "--simulator nest", *words)
    refused(f"export {NETWORK} --format nir --images 3", "--images 3", *words)
    refused(f"export {NETWORK} --format nir --data tiny.npz", "--data tiny.npz", "no effect")
    refused(f"export {NETWORK} --format nir --onnx tiny.onnx", "--onnx tiny.onnx", "no effect")
    refused("export tiny.onnx --format nir --steps 2", "2 steps", "give 3 or more")
