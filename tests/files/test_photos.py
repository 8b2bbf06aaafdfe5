"""Folders and lists of pictures: what is in them, in which order, and what is wrong with them."""

from __future__ import annotations

import numpy as np
import pytest
from support.photographs import CLASSES, photo_folder

from spinn_convert.errors import DataError
from spinn_convert.files.collection import drawn
from spinn_convert.files.data import collected, load_labels


def test_drawing_takes_of_each_class_in_turns_and_always_the_same():
    labels = np.repeat([0, 1, 2], [50, 3, 7])
    order = drawn(labels, 60)
    assert sorted(order) == list(range(60))
    assert np.array_equal(order, drawn(labels, 60))
    for count in (3, 6, 9):
        assert np.bincount(labels[order[:count]]).tolist() == [count // 3] * 3
    assert np.bincount(labels[order[:17]]).tolist() == [7, 3, 7]
    assert not np.array_equal(np.sort(order[:9]), order[:9])
    assert sorted(drawn(None, 9)) == list(range(9))
    assert drawn(None, 9)[:3].tolist() != [0, 1, 2]


def test_classes_may_be_named_in_the_models_order(tmp_path):
    photo_folder(tmp_path / "val")
    assert collected(tmp_path / "val", True).labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    (tmp_path / "classes.txt").write_text("cow\n\nowl\nant\nbee\n")
    found = collected(tmp_path / "val", True)
    assert found.labels.tolist() == [2] * 4 + [3] * 4 + [0] * 4
    assert found.classes == ("cow", "owl", "ant", "bee")
    (tmp_path / "val" / "classes.txt").write_text("\n".join(CLASSES[::-1]))
    assert collected(tmp_path / "val", True).labels.tolist() == [2] * 4 + [1] * 4 + [0] * 4
    (tmp_path / "val" / "classes.txt").write_text("ant\ncow")
    with pytest.raises(DataError, match=r"bee is not in classes\.txt"):
        collected(tmp_path / "val", True)
    (tmp_path / "val" / "classes.txt").write_text("ant\ncow\nant")
    with pytest.raises(DataError, match="names the class ant twice"):
        collected(tmp_path / "val", True)


def test_what_is_wrong_with_a_folder_is_said(tmp_path):
    for name, words in (("none", "no such file or folder"), ("empty", "holds no class folders")):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(DataError, match=words):
            collected(tmp_path / name, True)
    photo_folder(tmp_path / "val")
    (tmp_path / "val" / "dog").mkdir()
    (tmp_path / "val" / "dog" / "notes.txt").touch()
    with pytest.raises(DataError, match=r"val/dog: no picture in this class"):
        collected(tmp_path / "val", True)
    ants = tmp_path / "val" / "ant"
    with pytest.raises(DataError, match="pictures lie in it without a class"):
        collected(ants, True)
    assert collected(ants, False).labels is None
    assert len(collected(ants, False)) == 4
    np.save(tmp_path / "empty" / "images.npy", np.zeros((2, 1, 6, 5)))
    with pytest.raises(DataError, match=r"give .*empty/images\.npy"):
        collected(tmp_path / "empty", True)
    (tmp_path / "x.mp4").touch()
    with pytest.raises(DataError, match=r"no file of images that is known(.|\n)*\.parquet"):
        collected(tmp_path / "x.mp4", True)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("val.txt", "val/bee/001.png 1\nval/cow/002.png 2\nval/ant/000.png 0\n"),
        ("val.txt", "# mine\n\nval/bee/001.png\t1\nval/cow/002.png\t2\nval/ant/000.png\t0"),
        ("val.csv", "path,label\nval/bee/001.png,1\nval/cow/002.png,2\nval/ant/000.png,0\n"),
        ("val.csv", '"val/bee/001.png", 1\nval/cow/002.png,2,extra\nval/ant/000.png,0\n'),
        ("val.csv", "val/bee/001.png,bee\nval/cow/002.png,cow\nval/ant/000.png,ant\n"),
    ],
)
def test_lists_are_read_in_their_order(tmp_path, name, text):
    photo_folder(tmp_path / "val")
    (tmp_path / "classes.txt").write_text("\n".join(CLASSES))
    (tmp_path / name).write_text(text)
    found = collected(tmp_path / name, True)
    assert [path.parent.name for path in found.paths] == ["bee", "cow", "ant"]
    assert found.labels.tolist() == [1, 2, 0] == load_labels(tmp_path / name).tolist()


def test_a_list_without_labels_is_enough_to_calibrate_on(tmp_path):
    photo_folder(tmp_path / "a folder")
    (tmp_path / "train.txt").write_text("a folder/ant/000.png\na folder/bee/001.png\n")
    assert collected(tmp_path / "train.txt", False).labels is None
    with pytest.raises(DataError, match=r"train\.txt, line 1: no label after a folder/ant/000"):
        collected(tmp_path / "train.txt", True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no pictures"),
        ("# nothing\n", "names no pictures"),
        ("val/ant/000.png 0\nval/ant/9.png 0\nval/8.png 0", r"line 2: 2 of 3 pictures.*ant/9\.png"),
        ("val/ant/000.png,0\nval/ant/001.png,ox", "line 2: the label 'ox' is no number"),
        ("val/ant/000.png,0.5", "the label '0.5' is no number"),
        ("val/ant/000.png,0\nval/ant/001.png", "line 2: no label after val/ant/001"),
        (b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_what_is_wrong_with_a_list_is_said(tmp_path, text, words):
    photo_folder(tmp_path / "val")
    (tmp_path / "val.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=words):
        collected(tmp_path / "val.txt", True)
