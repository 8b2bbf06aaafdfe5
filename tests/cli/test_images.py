"""A folder of pictures instead of an archive, for every command that takes images."""

from __future__ import annotations

import json
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image
from support.detectors import anchors_file, coco_folder, heads_file
from support.photographs import classifier_of, photo_folder
from support.places import BOARDS

import spinn_convert as sc

IMAGES = "--data photos/val --calibration photos/train --preprocess to_tensor"
TRAINING = "--calibration photos/train --preprocess to_tensor"


@pytest.fixture
def shell(command, tmp_path, monkeypatch):
    """Return a function that runs a line in a folder with a model and pictures."""
    monkeypatch.chdir(tmp_path)
    classifier_of(tmp_path / "small.onnx")
    photo_folder(tmp_path / "photos" / "val", (6, 6, 6))
    photo_folder(tmp_path / "photos" / "train", (20, 15, 15), seed=1)
    return lambda line: command(*line.split())


def test_a_run_says_what_was_found_and_equals_that_of_an_archive(shell, tmp_path):
    done = shell(f"small.onnx {IMAGES} --steps 40 --out out")
    assert done.returncode == 0, done.stderr
    assert (
        "18 images in photos/val, labels: 0 ant, 1 bee, 2 cow; prepared by to_tensor" in done.stderr
    )
    assert "calibrated on 50 of 50 in photos/train, of each class alike" in done.stderr
    data = sc.load_dataset(
        tmp_path / "photos" / "val", sc.load("small.onnx"), "photos/train", preprocess="to_tensor"
    )
    arrays = {"images": data.images[:], "calibration_images": data.calibration[:]}
    np.savez("small.npz", labels=data.labels, **arrays)
    done = shell("small.onnx --steps 40 --out archive")
    assert done.returncode == 0, done.stderr
    reports = [json.loads((tmp_path / f / "report.json").read_text()) for f in ("out", "archive")]
    for part in ("ann", "relu1", "snn"):
        assert reports[0][part] == reports[1][part]


@pytest.mark.slow
def test_other_commands_take_pictures_as_well(shell, tmp_path):
    for line in (
        f"convert small.onnx {TRAINING} --calibration-images 30 --out converted",
        f"inspect small.onnx {TRAINING}",
        f"inspect small.onnx {IMAGES}",
        f"diagnose small.onnx {IMAGES} --steps 30",
        "diagnose converted/network.npz --data photos/val --preprocess to_tensor --steps 30",
        f"tune small.onnx {TRAINING} --images 6 --out tuned",
        f"export small.onnx {IMAGES} --images 3 --out script",
        f"export small.onnx {IMAGES} --simulator spinnaker --images 3 --out on_board",
        "converted/network.npz --data photos/val --preprocess to_tensor --steps 9 --out again",
        f"converted/network.npz {IMAGES} --steps 48 --backend spinnaker-integers --out board",
    ):
        done = shell(line)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    with np.load(tmp_path / "script" / "data.npz") as stored:
        assert stored["labels"].tolist() == [0, 1, 2]


@pytest.mark.slow
@pytest.mark.spinnaker
@pytest.mark.skipif(not find_spec("spynnaker"), reason="needs sPyNNaker")
def test_a_mapping_needs_training_images_only(shell):
    done = shell(f"map small.onnx {TRAINING} --board {BOARDS / 'virtual.cfg'} --out mapped")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_recording_is_scored_by_the_folder_it_was_made_of(shell):
    pytest.importorskip("nixio")
    assert shell(f"small.onnx {IMAGES} --steps 30 --record output --out out").returncode == 0
    with open("out/report.json") as file:
        report = json.load(file)
    done = shell("score out/recording.nix --labels photos/val --json")
    assert done.returncode == 0, done.stderr
    scores = json.loads(done.stdout)
    assert scores["images"] == 18
    assert scores["ann"]["accuracy"] == report["ann"]["accuracy"]
    assert scores["snn"]["accuracy_by_step"] == report["snn"]["accuracy_by_step"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("small.onnx --data photos/val", ("--preprocess imagenet", "--calibration photos/train")),
        ("small.onnx --data photos/val --preprocess to_tensor", ("to calibrate on",)),
        (f"small.onnx {IMAGES} --calibration-images 51", ("there are 50 images",)),
        (f"small.onnx {TRAINING}", ("small.npz: no such file", "--data a folder")),
        (f"convert small.onnx {TRAINING} --data photos/nothing", ("photos/nothing: no such",)),
        (
            "small.onnx --data photos/val --calibration none --preprocess to_tensor",
            ("none: no su",),
        ),
        (f"small.onnx {IMAGES},resize=7", ("when resized and cropped", "resize=5,crop=6x5")),
        ("inspect small.onnx --data photos/val", ("--preprocess",)),
        ("tune small.onnx --data photos/val --preprocess to_tensor", ("to calibrate on",)),
    ],
)
def test_what_is_missing_is_said_and_nothing_is_written(shell, tmp_path, line, words):
    before = sorted(tmp_path.rglob("*"))
    done = shell(line)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert not done.stdout
    for word in (*words, "\n  -> "):
        assert word in done.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_a_board_needs_training_images_for_a_converted_network_too(shell):
    assert shell(f"convert small.onnx {TRAINING} --out made").returncode == 0
    told = "made/network.npz --data photos/val --preprocess to_tensor"
    done = shell(f"{told} --backend spinnaker-integers --out out")
    assert done.returncode == 2
    assert "photos/val: has no images to calibrate on" in done.stderr
    done = shell(f"diagnose {told} --backend spinnaker-integers")
    assert done.returncode == 2
    assert "photos/val: has no images to calibrate on" in done.stderr
    done = shell("inspect made/network.npz --calibration photos/train --preprocess to_tensor")
    assert done.returncode == 2
    assert "--calibration photos/train: has no effect" in done.stderr


def test_a_detector_is_calibrated_on_a_folder_of_pictures(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    anchors_file(heads_file(tmp_path / "heads.onnx"))
    folder = coco_folder(tmp_path / "heads")
    (folder / "calibration").rename(tmp_path / "train")
    done = command("convert", "heads.onnx")
    assert done.returncode == 2
    assert "or name their folder with --calibration" in done.stderr
    told = ["inspect", "heads.onnx", "--calibration"]
    done = command(*told, "train", "--calibration-images", "3")
    assert done.returncode == 0, done.stderr
    for words, message in (
        (("train", "--calibration-images", "9"), "there are 4 pictures in train"),
        (("train", "--preprocess", "imagenet"), "has no effect on a detector"),
        (("nowhere",), "--calibration nowhere: no such folder"),
        (("photos",), "--calibration photos: is no folder with pictures"),
    ):
        (tmp_path / "photos").mkdir(exist_ok=True)
        done = command(*told, *words)
        assert done.returncode == 2
        assert message in done.stderr
    done = command("inspect", "heads.onnx", "--calibration-images", "3")
    assert done.returncode == 2
    assert "has no effect without --calibration" in done.stderr


def test_a_picture_that_cannot_be_read_ends_a_run_before_anything_is_written(shell, tmp_path):
    file = tmp_path / "photos" / "val" / "bee" / "003.png"
    Image.new("L", (5, 6)).save(file)
    file.write_bytes(file.read_bytes()[:-30])
    done = shell(f"small.onnx {IMAGES} --steps 9 --out out")
    assert done.returncode == 2
    assert "003.png: cannot be read as a picture" in done.stderr
    assert not (tmp_path / "out").exists()
