"""Images that do not fit a model, or would be prepared twice, are one message each."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from onnx import helper
from PIL import Image
from support.photographs import (
    MEAN,
    NORMAL,
    STD,
    OfTensors,
    classifier_of,
    npy,
    photo_folder,
)

import spinn_convert as sc


@pytest.fixture
def colours(tmp_path):
    """A model of (3, 6, 5), with twelve pictures in a folder: their pixels and labels."""
    pixels = photo_folder(tmp_path / "photos", channels=3)
    model = sc.load(classifier_of(tmp_path / "model.onnx", (3, 6, 5)))
    return model, pixels, np.repeat([0, 1, 2], 4), tmp_path / "images"


DIVIDES = [helper.make_node("Div", ["x", "d"], ["image"])]
NORMALISES = [
    helper.make_node("Sub", ["x", "m"], ["z"]),
    helper.make_node("Div", ["z", "s"], ["image"]),
]
BOTH = [helper.make_node("Div", ["x", "d"], ["u"]), *(NORMALISES)]
BOTH[1] = helper.make_node("Sub", ["u", "m"], ["z"])
LEARNT = [helper.make_node("BatchNormalization", ["x", "o", "n", "n", "o"], ["image"])]
CONSTANTS = {"d": 255.0, "m": MEAN, "s": STD, "o": np.full(3, 2.0), "n": np.full(3, 0.3)}


@pytest.mark.parametrize(
    ("before", "text", "words"),
    [
        (DIVIDES, "to_tensor", r"divides its input by 255 itself \(Div\)"),
        (DIVIDES, NORMAL, "add scale=1"),
        (DIVIDES, "scale=1", None),
        (BOTH, "to_tensor", "divides its input by"),
        (BOTH, "scale=1", None),
        (BOTH, f"scale=1,{NORMAL}", "normalises its input itself"),
        (NORMALISES, NORMAL, r"normalises its input itself \(Sub, Div\)"),
        (NORMALISES, "to_tensor", None),
        (LEARNT, NORMAL, None),
        (LEARNT, "to_tensor", None),
    ],
)
def test_nothing_is_scaled_or_normalised_twice(tmp_path, before, text, words):
    photo_folder(tmp_path / "photos", channels=3)
    model = sc.load(classifier_of(tmp_path / "m.onnx", (3, 6, 5), before, weights=CONSTANTS))
    if words is None:
        sc.load_dataset(tmp_path / "photos", model, preprocess=text)
    else:
        with pytest.raises(sc.DataError, match=words):
            sc.load_dataset(tmp_path / "photos", model, preprocess=text)


def test_preparation_is_read_from_the_onnx_file(tmp_path):
    pixels = photo_folder(tmp_path / "photos", size=(9, 8), channels=3)
    path = classifier_of(tmp_path / "m.onnx", (3, 6, 6), metadata={"preprocess": "resize=7,crop=6"})
    model = sc.load(path)
    data = sc.load_dataset(tmp_path / "photos", model)
    assert data.images[:].shape == (12, 3, 6, 6)
    with pytest.raises(sc.DataError, match=r"is 9 x 8 pixels; the model takes 6 x 6"):
        sc.load_dataset(tmp_path / "photos", model, preprocess="to_tensor")
    assert pixels.shape == (12, 9, 8, 3)


def broken(folder):
    (folder / "bee" / "002.png").write_bytes(b"no picture")


def truncated(folder):
    file = folder / "ant" / "000.png"
    file.write_bytes(file.read_bytes()[:-40])


def deep(folder):
    for file in folder.rglob("*.png"):
        Image.fromarray(np.full((6, 5), 999, np.uint16)).save(file)


def mixed(folder):
    for name in ("000", "001"):
        Image.new("RGB", (7, 9)).save(folder / "cow" / f"{name}.png")


def fewer(folder):
    for file in (folder / "cow").iterdir():
        file.unlink()
    (folder / "cow").rmdir()


def more(folder):
    (folder / "dog").mkdir()
    Image.new("RGB", (5, 6)).save(folder / "dog" / "1.png")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (broken, r"bee/002\.png: cannot be read as a picture"),
        (truncated, r"ant/000\.png: cannot be read as a picture"),
        (deep, "more than 8 bits"),
        (mixed, r"cow/00.\.png: is 9 x 7 pixels; the model takes 6 x 5 .so are 1 others of 12"),
        (fewer, r"has 2 classes; the model has 3(.|\n)*classes\.txt"),
        (more, "has 4 classes; the model has 3"),
    ],
)
def test_what_is_wrong_with_pictures_is_said(colours, spoil, words):
    model, _, _, path = colours
    folder = path.with_name("photos")
    spoil(folder)
    with pytest.raises(sc.DataError, match=words) as caught:
        sc.load_dataset(folder, model, preprocess="to_tensor").images[:]
    assert all(problem.fix for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        (np.zeros((3, 6, 5, 3), np.float32), [0, 1, 2], r"these are channels last"),
        (np.full((3, 3, 6, 5), np.nan, np.float32), [0, 1, 2], "NaN or infinite"),
        (np.zeros((3, 3, 6, 5), np.float32), [0, 1, 3], "label 3 of image 2; the model has 3"),
        (np.zeros((3, 3, 6, 5), np.float32), [0, 1], "store one label per image"),
        (np.zeros((0, 3, 6, 5), np.float32), [], "holds no images"),
        (np.zeros((3, 3, 6, 5), np.uint8), [0, 1, 2], "--preprocess imagenet, or to_tensor"),
        (np.zeros((3, 2, 6, 5), np.uint8), [0, 1, 2], "--preprocess imagenet"),
        (np.array(3), [0], "single number"),
    ],
)
def test_what_is_wrong_with_arrays_is_said(colours, images, labels, words):
    model, _, _, path = colours
    file = npy(path, images, np.array(labels, np.int64))
    with pytest.raises(sc.DataError, match=words):
        sc.load_dataset(file, model)


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (np.zeros((3, 2, 6, 5), np.uint8), "is no picture"),
        (np.full((3, 3, 6, 5), 300, np.int32), "pixels from 300 to 300"),
        (np.zeros((3, 3, 8, 5), np.uint8), "is 8 x 5 pixels; the model takes 6 x 5"),
    ],
)
def test_pixels_that_are_no_pictures_are_named(colours, pixels, words):
    model, _, _, path = colours
    with pytest.raises(sc.DataError, match=words):
        sc.load_dataset(npy(path, pixels, np.arange(3)), model, preprocess="to_tensor")


def test_preparation_of_floats_is_refused_as_it_would_have_no_effect(colours):
    model, pixels, labels, path = colours
    for source in (
        npy(path, pixels.transpose(0, 3, 1, 2) / 255, labels),
        OfTensors(pixels, labels),
    ):
        with pytest.raises(sc.DataError, match="--preprocess imagenet: has no effect"):
            sc.load_dataset(source, model, preprocess="imagenet")


def test_metadata_that_is_not_understood_hinders_pictures_only(tmp_path):
    photo_folder(tmp_path / "photos", channels=3)
    odd = {"mean": "0.5", "std": "none"}
    model = sc.load(classifier_of(tmp_path / "m.onnx", (3, 6, 5), metadata=odd))
    zeros = np.zeros((3, 3, 6, 5), np.float32)
    np.savez(tmp_path / "m.npz", images=zeros, labels=np.arange(3), calibration_images=zeros)
    assert len(sc.load_dataset(tmp_path / "m.npz", model).images) == 3
    with pytest.raises(sc.DataError, match="metadata: is no preprocessing that is understood"):
        sc.load_dataset(tmp_path / "photos", model)


def test_labels_that_are_missing_are_asked_for(colours):
    model, pixels, labels, path = colours
    file = npy(path, pixels, labels)
    file.with_name("test_labels.npy").unlink()
    with pytest.raises(sc.DataError, match=r"no labels beside it, test_labels\.npy"):
        sc.load_dataset(file, model, preprocess="to_tensor")


@pytest.mark.parametrize(("module", "name"), [("h5py", "x.h5"), ("datasets", "x.parquet")])
def test_a_package_that_is_missing_is_named(colours, monkeypatch, module, name):
    model, _, _, path = colours
    monkeypatch.setitem(sys.modules, module, None)
    path.with_name(name).touch()
    with pytest.raises(sc.DataError, match=rf"package {module}.*not installed(.|\n)*\[data\]"):
        sc.load_dataset(path.with_name(name), model)


@pytest.mark.parametrize(("name", "words"), [("x.h5", "as HDF5"), ("x.npy", "as .npy")])
def test_damaged_files_are_named(colours, name, words):
    if name == "x.h5":
        pytest.importorskip("h5py")
    model, _, _, path = colours
    path.with_name(name).write_bytes(b"nothing")
    with pytest.raises(sc.DataError, match=words):
        sc.load_dataset(path.with_name(name), model)


def test_datasets_without_length_or_labels_are_refused(colours):
    model, pixels, labels, _ = colours

    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            return iter(())

    class Unlabelled(OfTensors):
        def __getitem__(self, number):
            return super().__getitem__(number)[0]

    with pytest.raises(sc.DataError, match="map-style"):
        sc.load_dataset(Stream(), model)
    with pytest.raises(sc.DataError, match="items have no label"):
        sc.load_dataset(Unlabelled(pixels, labels), model)
    data = sc.load_dataset(OfTensors(pixels, labels), model, Unlabelled(pixels, labels))
    assert len(data.calibration) == 12
