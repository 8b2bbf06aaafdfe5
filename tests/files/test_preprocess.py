"""Pictures are prepared as torchvision does it: arrays that it made are stored beside."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image
from support.places import ROOT

from spinn_convert.errors import DataError
from spinn_convert.files import metadata, photos, pictures
from spinn_convert.files.preprocess import NAMES, Preprocess, numbers_of, pixels_of, read

with np.load(ROOT / "tests" / "files" / "data" / "torchvision.npz") as stored:
    TORCHVISION = dict(stored)
KNOWN = json.loads(str(TORCHVISION["known"]))
IMAGENET = read("imagenet")


def prepared(how, picture, channels):
    """Return a picture as a model's input (C, H, W)."""
    pixels = pixels_of(how, pictures.coloured("picture", picture, channels))
    return np.stack([np.take(t, p) for t, p in zip(numbers_of(how, channels, False), pixels)])


@pytest.mark.parametrize("number", range(len(KNOWN["cases"])))
def test_pictures_are_prepared_as_by_torchvision(number):
    case, expected = KNOWN["cases"][number], TORCHVISION[f"expected_{number}"]
    picture = Image.open(io.BytesIO(TORCHVISION[f"file_{case['mode']}"].tobytes()))
    found = prepared(read(case["text"]), picture, case["channels"])
    assert found.dtype == expected.dtype == np.float32
    assert np.array_equal(found, expected)


def test_folders_are_read_as_by_torchvision(tmp_path):
    for name in KNOWN["files"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = photos.folder(tmp_path, labelled=True)
    assert list(found.classes) == KNOWN["classes"] == ["10", "9", "Dog", "cat"]
    names = [path.relative_to(tmp_path).as_posix() for path in found.paths]
    assert [[name, label] for name, label in zip(names, found.labels)] == KNOWN["samples"]


@pytest.mark.parametrize(
    "text",
    [
        *NAMES,
        "resize=224x200,interpolation=bicubic",
        "imagenet,interpolation=bicubic,crop=200",
        "crop=8x9,scale=1/128,mean=1,std=0.5",
        "mean=-0.5,0.1,2e-1,std=1,2,3",
    ],
)
def test_what_is_printed_is_read_as_the_same(text):
    how = read(text)
    assert read(str(how)) == how


def test_a_name_can_be_changed():
    assert read("imagenet,crop=200x100").crop == (200, 100)
    assert read("imagenet,crop=200").std == IMAGENET.std == (0.229, 0.224, 0.225)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("imagnet", "no such name"),
        ("", "no such name"),
        ("imagenet,", "no such name"),
        ("resize", "no such name"),
        ("size=3", "no such setting(.|\n)*choose from resize"),
        ("resize=3,resize=4", "given twice"),
        ("resize=0", "cannot be read(.|\n)*shorter side"),
        ("resize=1x2x3", "cannot be read"),
        ("crop=a", "cannot be read"),
        ("crop=", "cannot be read"),
        ("interpolation=cubic", "one of nearest, box, bilinear"),
        ("scale=1/0", "1/255"),
        ("scale=1,2", "cannot be read"),
        ("mean=nan", "one per channel"),
        ("std=0.2,0.0,0.2", "std is not above zero"),
        ("mean=0.1,0.2", "1 or 3 channels"),
        ("resize=100,crop=224", "crop is larger than the resized"),
        ("missing.json", "cannot be read as JSON"),
    ],
)
def test_what_cannot_be_read_is_named(text, words):
    with pytest.raises(DataError, match=words) as caught:
        read(text)
    assert all(problem.fix for problem in caught.value.problems)


TIMM = {
    "input_size": [3, 224, 224],
    "interpolation": "bicubic",
    "crop_pct": 0.95,
    "mean": [0.5, 0.5, 0.5],
    "std": [0.5, 0.5, 0.5],
}
FROM_TIMM = Preprocess((235,), (224, 224), "bicubic", None, (0.5,) * 3, (0.5,) * 3)
PRINTED = """ImageClassification(
    crop_size=[224]
    resize_size=[256]
    mean=[0.485, 0.456, 0.406]
    std=[0.229, 0.224, 0.225]
    interpolation=InterpolationMode.BILINEAR
)"""


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({}, None),
        ({"author": "me", "mean": "0.1"}, None),
        ({"preprocess": "imagenet"}, IMAGENET),
        ({"transforms": PRINTED}, IMAGENET),
        ({"pretrained_cfg": json.dumps(TIMM)}, FROM_TIMM),
        ({"pretrained_cfg": str(TIMM | {"input_size": (3, 224, 224)})}, FROM_TIMM),
        ({name: str(value) for name, value in TIMM.items()}, FROM_TIMM),
        (
            {"pretrained_cfg": json.dumps(TIMM | {"crop_mode": "squash"})},
            Preprocess((235, 235), (224, 224), "bicubic", None, (0.5,) * 3, (0.5,) * 3),
        ),
    ],
)
def test_metadata_of_an_onnx_file_says_how(properties, expected):
    assert metadata.from_properties("file", properties) == expected


@pytest.mark.parametrize(
    "changed", [{"interpolation": "random"}, {"crop_mode": "border"}, {"std": [0]}, {"mean": None}]
)
def test_metadata_that_is_not_understood_is_said(changed):
    with pytest.raises(DataError, match="say it with --preprocess"):
        metadata.from_properties("file", {"pretrained_cfg": json.dumps(TIMM | changed)})


def test_a_configuration_of_timm_is_read_from_its_file(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"architecture": "resnet18", "pretrained_cfg": TIMM}))
    assert read(str(path)) == FROM_TIMM
    path.write_text("[1]")
    with pytest.raises(DataError, match="no preprocessing that is understood"):
        read(str(path))
