"""Scenes as users have them: COCO files beside all sorts of pictures, and archives."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from support.detectors import coco_folder, scenes_npz

from spinn_convert.errors import DataError
from spinn_convert.files.scenes import load_scenes

SHAPE = (3, 16, 16)


def test_pictures_are_scaled_to_fit_and_boxes_keep_their_pixels(tmp_path):
    scenes = load_scenes(coco_folder(tmp_path / "scenes"), SHAPE)
    assert len(scenes.images) == len(scenes.truth) == 2
    assert scenes.names == {2: "two", 5: "five"}
    whole, tall = scenes.images[:]
    with Image.open(tmp_path / "scenes" / "1.png") as picture:
        pixels = np.asarray(picture, np.float32).transpose(2, 0, 1) / 255
    assert np.array_equal(whole, pixels)
    assert (tall[:, :, 8:] == 0).all()
    assert (tall[:, :, :8] > 0).mean() > 0.9
    assert [truth.scale for truth in scenes.truth] == [1, 0.5]
    for truth in scenes.truth:
        assert truth.boxes.tolist() == [[2, 3, 8, 11]]
        assert truth.labels.tolist() == [5]
    assert scenes.calibration[:].shape == (4, *SHAPE)


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGBA", "P"])
def test_pictures_of_every_kind_become_colours(tmp_path, mode):
    if mode == "RGBA":
        mode = "RGB"
    found = load_scenes(coco_folder(tmp_path / "scenes", mode=mode), SHAPE).images[:]
    assert found.shape == (2, *SHAPE)
    assert 0 <= found.min() <= found.max() <= 1


def test_images_without_boxes_and_crowds_are_kept(tmp_path):
    note = {"id": 1, "image_id": 14, "category_id": 2, "bbox": [0, 0, 4, 4], "iscrowd": 1}
    scenes = load_scenes(coco_folder(tmp_path / "scenes", annotations=[note]), SHAPE)
    assert [len(truth.boxes) for truth in scenes.truth] == [0, 1]
    assert scenes.truth[1].crowd.tolist() == [True]


def test_pictures_may_lie_as_coco_has_them(tmp_path):
    folder = coco_folder(tmp_path / "val2017")
    (tmp_path / "annotations").mkdir()
    file = (folder / "instances.json").rename(tmp_path / "annotations" / "instances_val2017.json")
    (folder / "calibration").rename(tmp_path / "train2017")
    scenes = load_scenes(file, SHAPE)
    assert scenes.images.paths[0] == folder / "1.png"
    assert len(scenes.calibration) == 4


NOTE = {"id": 3, "image_id": 7, "category_id": 5, "bbox": [2, 3, 6, 8]}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"images": []}, "names no images"),
        ({"images": [{"id": 1}]}, "not in COCO's format: KeyError 'file_name'"),
        ({"images": [{"id": 7, "file_name": "9.png"}]}, "1 of 1 images are not there.*9.png"),
        ({"annotations": None}, "not in COCO's format"),
        ({"annotations": [NOTE | {"category_id": 1}]}, "annotation 3 is of an image or a category"),
        ({"annotations": [NOTE | {"image_id": 1}]}, "annotation 3 is of an image or a category"),
        ({"annotations": [NOTE | {"bbox": [2, 3, 6]}]}, "not in COCO's format"),
        (
            {"annotations": [NOTE | {"bbox": [2, 3, 60, 8]}]},
            "1.png: the box .* is not on",
        ),
        ({"annotations": [NOTE | {"bbox": [2, 3, 0, 8]}]}, "1.png: the box .* is not on"),
    ],
)
def test_what_is_wrong_with_annotations_is_said(tmp_path, changed, words):
    with pytest.raises(DataError, match=words):
        load_scenes(coco_folder(tmp_path / "scenes", **changed), SHAPE)


def test_what_is_wrong_with_files_is_said(tmp_path):
    with pytest.raises(DataError, match="no such file or folder"):
        load_scenes(tmp_path / "nothing", SHAPE)
    folder = coco_folder(tmp_path / "scenes")
    (folder / "1.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"1\.png.*cannot be read as a picture"):
        load_scenes(folder, SHAPE)
    for picture in (folder / "calibration").iterdir():
        picture.unlink()
    with pytest.raises(DataError, match=r"no images to calibrate on.*\n.*calibration"):
        load_scenes(folder, SHAPE)
    (folder / "more.json").write_text("[]")
    with pytest.raises(DataError, match="holds 2 JSON files"):
        load_scenes(folder, SHAPE)
    with pytest.raises(DataError, match="not in COCO's format"):
        load_scenes(folder / "more.json", SHAPE)
    (folder / "more.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read as JSON"):
        load_scenes(folder / "more.json", SHAPE)
    with pytest.raises(DataError, match="1 or 3 channels"):
        load_scenes(folder, (2, 16, 16))


def test_an_archive_gives_the_same(tmp_path):
    path = scenes_npz(tmp_path / "scenes.npz", 3, boxes_per_image=np.array([2, 0, 1]))
    scenes = load_scenes(path, SHAPE)
    with np.load(path) as arrays:
        assert np.array_equal(scenes.images[:], arrays["images"])
        assert np.array_equal(scenes.truth[0].boxes, arrays["boxes"][:2])
        assert np.array_equal(scenes.truth[2].labels, arrays["labels"][2:])
    assert len(scenes.truth[1].boxes) == 0


BOX = np.array([[0, 0, 4, 4]], np.float32)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"boxes": None}, "has no array boxes"),
        ({"boxes": BOX[:, :3]}, "boxes: shape"),
        ({"boxes": BOX.repeat(6, 0) * [0, 0, np.nan, 1]}, "box 0 is"),
        ({"boxes": BOX.repeat(6, 0)[:, ::-1]}, "box 0 is"),
        ({"labels": np.ones(6)}, "labels: shape"),
        ({"boxes_per_image": np.full(6, 2)}, "boxes_per_image: .*sum 12, for 6 boxes"),
        ({"images": np.zeros((6, 3, 9, 9), np.float32)}, "images: shape"),
        ({"images": np.zeros((6, 3, 16, 16), np.uint8)}, "without the array `scale`"),
    ],
)
def test_what_is_wrong_with_an_archive_is_said(tmp_path, changed, words):
    with pytest.raises(DataError, match=words):
        load_scenes(scenes_npz(tmp_path / "scenes.npz", **changed), SHAPE)


def test_the_json_that_the_example_writes_is_read(tmp_path, monkeypatch):
    import scenes as example
    from scenes import coco, items_of, scene, write

    rng = np.random.default_rng(6)
    pictures = np.zeros((40, 1, 28, 28), np.uint8)
    pictures[:, :, 4:25, 6:20] = rng.integers(50, 256, (40, 1, 21, 14))
    clothes = SimpleNamespace(test_images=pictures, test_labels=rng.integers(0, 10, 40))
    monkeypatch.setattr(example, "fashion_mnist", lambda: clothes)
    items = items_of("test")
    made = [scene(items, number) for number in range(3)]
    write(tmp_path, made)
    write(tmp_path / "calibration", made)
    (tmp_path / "calibration" / "instances.json").unlink()
    found = load_scenes(tmp_path, (3, 96, 96))
    assert np.array_equal(np.rint(found.images[:] * 255), [one.image for one in made])
    for truth, one in zip(found.truth, made):
        assert np.array_equal(truth.boxes, one.boxes)
        assert np.array_equal(truth.labels, one.labels)
    assert json.loads((tmp_path / "instances.json").read_text()) == coco(
        made, [path.name for path in found.images.paths]
    )
