"""Images of every kind of file, as a model takes them: the same pictures give the same input."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper
from PIL import Image
from support.photographs import (
    CLASSES,
    MEAN,
    NORMAL,
    STD,
    OfPictures,
    OfTensors,
    classifier_of,
    expected,
    npy,
    photo_folder,
)
from support.places import ROOT

import spinn_convert as sc
from spinn_convert.files import decoded


def hdf5(path, pixels, labels):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        file["images"], file["labels"] = pixels, labels
    return path.with_suffix(".h5")


def npy_channels_first(path, pixels, labels):
    return npy(path, pixels.transpose(0, 3, 1, 2), labels)


def listed(path, pixels, labels):
    files = sorted((path.parent / "photos").rglob("*.png"))
    lines = [f"{file.relative_to(path.parent)},{label}" for file, label in zip(files, labels)]
    path.with_suffix(".csv").write_text("\n".join(lines))
    return path.with_suffix(".csv")


def of_pictures(path, pixels, labels):
    return OfPictures(pixels, labels)


@pytest.fixture
def colours(tmp_path):
    """A model of (3, 6, 5), with twelve pictures in a folder: their pixels and labels."""
    pixels = photo_folder(tmp_path / "photos", channels=3)
    model = sc.load(classifier_of(tmp_path / "model.onnx", (3, 6, 5)))
    return model, pixels, np.repeat([0, 1, 2], 4), tmp_path / "images"


KINDS = [npy, npy_channels_first, listed, hdf5, of_pictures]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_the_same_input(colours, kind):
    model, pixels, labels, path = colours
    data = sc.load_dataset(kind(path, pixels, labels), model, preprocess=NORMAL)
    assert np.array_equal(data.images[:], expected(pixels))
    assert np.array_equal(data.images[3:5], expected(pixels[3:5]))
    assert np.array_equal(data.images.first(2)[:], expected(pixels[:2]))
    assert np.array_equal(data.labels, labels)
    assert data.images[:].dtype == np.float32
    assert data.labels.dtype == np.int64
    assert len(data.calibration) == 0


ARROW = """
import sys
from pathlib import Path
import datasets, numpy as np
from PIL import Image
import spinn_convert as sc

folder, text = Path(sys.argv[1]), sys.argv[2]
pixels, labels = np.load(folder / "test_images.npy"), np.load(folder / "test_labels.npy")
kinds = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["ant", "bee", "cow"])}
columns = {"image": [Image.fromarray(p) for p in pixels], "label": labels.tolist()}
table = datasets.Dataset.from_dict(columns, features=datasets.Features(kinds))
table.to_parquet(folder / "x.parquet")
table.save_to_disk(folder / "saved")
model, expected = sc.load(folder / "model.onnx"), np.load(folder / "expected.npy")
for path in (folder / "x.parquet", folder / "saved", *(folder / "saved").glob("*.arrow")):
    data = sc.load_dataset(path, model, calibration=path, calibration_images=6, preprocess=text)
    assert np.array_equal(data.images[:], expected), path
    assert np.array_equal(data.labels, labels), path
    assert data.classes == ("ant", "bee", "cow"), path
    assert np.bincount(data.calibration_labels).tolist() == [2, 2, 2], path
    print(path.name)
table.rename_column("image", "photo").to_parquet(folder / "other.parquet")
(folder / "damaged.parquet").write_bytes(b"nothing")
for name, words in (("other", "has the columns photo, label"), ("damaged", "cannot be read as")):
    try:
        sc.load_dataset(folder / f"{name}.parquet", model, preprocess=text)
    except sc.DataError as error:
        assert words in str(error), error
        print(name)
"""
"""In an interpreter of its own: here, the examples' `datasets` would be imported."""


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("pyarrow"), reason="needs the package datasets")
def test_tables_of_arrow_give_the_same_input(colours):
    _, pixels, labels, path = colours
    npy(path, pixels, labels)
    np.save(path.with_name("expected.npy"), expected(pixels))
    words = [sys.executable, "-c", ARROW, str(path.parent), NORMAL]
    cache = {"HF_HOME": str(path.with_name("home")), "HF_HUB_OFFLINE": "1"}
    paths = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        words, env=os.environ | cache | paths, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    names = done.stdout.split()
    assert (names[:2], names[-2:]) == (["x.parquet", "saved"], ["other", "damaged"])
    assert len(names) == 5
    assert not any(path.with_name("home").rglob("*.arrow")), "no copy is left in the user's cache"


def test_a_folder_gives_one_of_each_class_in_turns(colours):
    model, pixels, _, path = colours
    data = sc.load_dataset(path.with_name("photos"), model, preprocess=NORMAL)
    for turn in range(4):
        assert sorted(data.labels[3 * turn : 3 * turn + 3]) == [0, 1, 2]
    found = {image.tobytes(): label for image, label in zip(data.images[:], data.labels)}
    assert found == {image.tobytes(): number // 4 for number, image in enumerate(expected(pixels))}
    assert data.classes == CLASSES
    assert "0 ant, 1 bee, 2 cow" in data.said


def test_tensors_of_a_torch_dataset_are_the_input(colours):
    model, pixels, labels, _ = colours
    tensors = OfTensors(pixels, labels)
    data = sc.load_dataset(tensors, model, calibration=tensors, calibration_images=5)
    assert np.array_equal(data.images[:], expected(pixels))
    assert np.array_equal(data.labels, labels)
    assert len(data.calibration) == 5
    network = sc.convert(model, data.calibration)
    recording = sc.run(network, model.core_input(data.images[:2]), steps=8)
    assert sc.score(model, network, recording, data.images[:2], data.labels[:2]).ann <= 1


def test_labels_of_a_torch_dataset_are_not_read_item_by_item_where_it_has_targets(colours):
    model, pixels, labels, _ = colours
    read = []

    class Known(OfTensors):
        targets = torch.from_numpy(labels)

        def __getitem__(self, number):
            read.append(number)
            return super().__getitem__(number)

    data = sc.load_dataset(Known(pixels, labels), model)
    assert np.array_equal(data.labels, labels)
    assert set(read) == {0}


def test_calibration_images_are_drawn_of_each_class_alike(colours):
    model, _, _, path = colours
    train = path.with_name("train")
    photo_folder(train, (9, 2, 5), channels=3, seed=1)
    folder = path.with_name("photos")
    data = sc.load_dataset(folder, model, train, preprocess=NORMAL)
    assert len(data.calibration) == len(data.calibration_labels) == 16
    data = sc.load_dataset(folder, model, train, 9, NORMAL)
    assert np.bincount(data.calibration_labels).tolist() == [4, 2, 3]
    again = sc.load_dataset(folder, model, train, 9, NORMAL)
    assert np.array_equal(again.calibration[:], data.calibration[:])
    with pytest.raises(sc.DataError, match="--calibration-images 17: there are 16 images"):
        sc.load_dataset(folder, model, train, 17, NORMAL)
    flat = sc.load_dataset(folder, model, train / "ant", 3, NORMAL)
    assert flat.calibration[:].shape == (3, 3, 6, 5)
    assert flat.calibration_labels is None


def test_an_archive_and_others_are_mixed(colours):
    model, pixels, labels, path = colours
    folder, archive = path.with_name("photos"), path.with_suffix(".npz")
    scaling = {"scale": 1 / 255, "mean": MEAN.ravel(), "std": STD.ravel()}
    np.savez(archive, images=pixels.transpose(0, 3, 1, 2), labels=labels, **scaling)
    data = sc.load_dataset(archive, model, folder, 6, NORMAL)
    assert np.allclose(data.images[:], expected(pixels), atol=1e-6)
    assert np.bincount(data.calibration_labels).tolist() == [2, 2, 2]
    other = sc.load_dataset(folder, model, archive, 6, NORMAL)
    assert np.allclose(other.calibration[:], data.calibration[:], atol=1e-6)
    with pytest.raises(sc.DataError, match="has no effect: numbers"):
        sc.load_dataset(archive, model, preprocess="to_tensor")


def test_images_are_kept_as_far_as_memory_is_given(colours, monkeypatch):
    model, pixels, _, path = colours
    size = pixels[0].nbytes + decoded.OVERHEAD
    monkeypatch.setattr(decoded, "KEPT", 5 * size)
    images = sc.load_dataset(path.with_name("photos"), model, preprocess=NORMAL).images
    first = images[:]
    assert len(images.kept) == 5
    for file in path.with_name("photos").rglob("*.png"):
        file.unlink()
    assert np.array_equal(images[:5], first[:5])
    with pytest.raises(sc.DataError, match="cannot be read as a picture"):
        images[:]


@pytest.mark.parametrize(("shape", "channels"), [((3, 6, 5), 1), ((1, 6, 5), 3)])
def test_greys_become_colours_and_colours_greys_as_the_model_needs(tmp_path, shape, channels):
    photo_folder(tmp_path / "photos", channels=channels)
    model = sc.load(classifier_of(tmp_path / "model.onnx", shape))
    data = sc.load_dataset(tmp_path / "photos", model, preprocess="to_tensor")
    assert data.images[:].shape == (12, *shape)
    found = {image.tobytes() for image in data.images[:]}
    for file in (tmp_path / "photos").rglob("*.png"):
        picture = Image.open(file).convert("RGB" if shape[0] == 3 else "L")
        values = np.asarray(picture, np.float32).reshape(6, 5, shape[0]).transpose(2, 0, 1) / 255
        assert np.ascontiguousarray(values).tobytes() in found


def test_a_model_of_integers_takes_pixels_as_they_are_channels_last_too(tmp_path):
    pixels = photo_folder(tmp_path / "photos", channels=3)
    before = [
        helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["f"], ["t"], perm=[0, 3, 1, 2]),
        helper.make_node("Mul", ["t", "s"], ["image"]),
    ]
    path = tmp_path / "model.onnx"
    scale = {"s": 1 / 255}
    model = sc.load(classifier_of(path, (6, 5, 3), before, TensorProto.UINT8, scale))
    for text in (None, "crop=6x5", "scale=1"):
        data = sc.load_dataset(tmp_path / "photos", model, preprocess=text)
        assert sorted(i.tobytes() for i in data.images[:]) == sorted(
            p.astype(np.float32).tobytes() for p in pixels
        )
    assert model.logits(data.images[:]).shape == (12, 3)
    for text in ("imagenet", "scale=1/255", "mean=0.1"):
        with pytest.raises(sc.DataError, match="takes integers, which it scales itself"):
            sc.load_dataset(tmp_path / "photos", model, preprocess=text)
