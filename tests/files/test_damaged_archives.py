"""Damaged .npz files, of images and of a converted network, give one clear message."""

from __future__ import annotations

import copy
import io
import json
import os
import pickle
import time
import zipfile
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from rich.console import Console
from support.damage import BYTE_DAMAGE
from support.damage_seeds import convolutional

from spinn_convert.cli import tables as cli_tables
from spinn_convert.errors import DataError
from spinn_convert.files.data import image_shape, load_dataset
from spinn_convert.jobs import inspect
from spinn_convert.jobs.prepare import Source
from spinn_convert.model.source.address_space import growing_by
from spinn_convert.network import store

FILES = int(os.environ.get("SPINN_DAMAGED", "150"))
SHAPE = (1, 6, 6)
IMAGES = np.random.default_rng(0).standard_normal((4, *SHAPE)).astype(np.float32)
GOOD = {"images": IMAGES, "labels": np.arange(4), "calibration_images": IMAGES}


def stored(array):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asarray(array), allow_pickle=True)
    return stream.getvalue()


def claimed(shape, dtype="<f4", data=b"abc"):
    """Return an array file whose header declares a shape that the data do not have."""
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (64 - (len(header) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + data


def write(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members:
            archive.writestr(f"{name}.npy", content)
    return path


def refused(path, *words):
    with growing_by(2**30), pytest.raises(DataError) as caught:
        load_dataset(path, SHAPE, 4).images[:]
    for word in words:
        assert word in str(caught.value)
    assert "pickle" not in str(caught.value)
    assert all(problem.fix for problem in caught.value.problems)


ARRAYS = {
    "pickled labels": ("labels", np.array([1, "a", None, {}], object), "labels holds Python obj"),
    "pickled extra": ("extra", np.array([{}], object), "extra holds Python objects"),
    "text": ("images", np.full((4, *SHAPE), "a"), "images: dtype <U1"),
    "complex": ("images", IMAGES + 1j, "dtype complex64"),
    "one number": ("images", np.float32(1), "holds no images"),
    "beyond float32": ("images", IMAGES.astype(float) * 1e300, "infinite pixels"),
    "one label": ("labels", np.array(1), "shape ()"),
    "text as scale": ("scale", np.array("a"), "scale: dtype <U1"),
    "no scale": ("scale", np.zeros(0), "expected one number"),
    "two scales": ("scale", np.ones(2), "expected one number"),
    "NaN as scale": ("scale", np.array(np.nan), "finite"),
    "text as mean": ("mean", np.array(["a"]), "mean: dtype <U1"),
    "record as mean": ("mean", np.zeros(1, [("a", "f4")]), "mean: dtype"),
    "vanishing std": ("std", np.array(1e-300), "not above zero"),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_of_the_wrong_kind(tmp_path, name):
    key, value, words = ARRAYS[name]
    members = {**GOOD, key: value}
    path = write(tmp_path / "data.npz", [(k, stored(v)) for k, v in members.items()])
    refused(path, words, "data.npz")


CLAIMS = {
    "huge": (claimed((10**12, *SHAPE)), "3 bytes; its shape (1000000000000, 1, 6, 6) needs"),
    "large": (claimed((10**7, *SHAPE)), "needs 1,440,000,000"),
    "negative": (claimed((-4, *SHAPE)), "shape (-4, 1, 6, 6)"),
    "code": (claimed("__import__('os')"), "no header"),
    "a long header": (claimed("(4," + "1," * 7000 + ")"), "no header"),
    "no such type": (claimed((4,), "zz9"), "no header"),
    "objects": (claimed((4,), "|O"), "Python objects"),
    "cut": (stored(IMAGES)[:200], "bytes; its shape"),
    "no array": (b"hello world", "no header"),
    "nothing": (b"", "no header"),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_headers_that_say_what_is_not_there(tmp_path, name):
    content, words = CLAIMS[name]
    members = {**{k: stored(v) for k, v in GOOD.items()}, "images": content}
    path = write(tmp_path / "data.npz", members.items())
    refused(path, words)
    assert image_shape(path) in (None, (), SHAPE)


def test_members_of_one_name(tmp_path):
    members = [(k, stored(v)) for k, v in GOOD.items()]
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = write(tmp_path / "data.npz", [*members, members[0]])
    refused(path, "images twice")


@pytest.mark.slow
def test_an_archive_that_expands_without_end(tmp_path):
    path = tmp_path / "data.npz"
    count = 2**31 // (4 * 36) + 1
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("images.npy", "w", force_zip64=True) as stream:
            stream.write(claimed((count, *SHAPE), data=b""))
            for _ in range(2**31 // 2**24):
                stream.write(bytes(2**24))
            stream.write(bytes(count * 4 * 36 - 2**31))
        for name in ("labels", "calibration_images"):
            archive.writestr(f"{name}.npy", stored(GOOD[name]))
    refused(path, "would expand to 2,1")


@pytest.mark.parametrize("content", [b"", b"hello", stored(IMAGES), pickle.dumps({"a": 1})])
def test_files_that_are_no_archive(tmp_path, content):
    path = tmp_path / "data.npz"
    path.write_bytes(content)
    refused(path, "not a zip file")


@pytest.mark.parametrize("field", [(6, 8), (8, 10)], ids=["encrypted", "unknown compression"])
def test_members_that_zipfile_cannot_read(tmp_path, field):
    path = write(tmp_path / "data.npz", [(k, stored(v)) for k, v in GOOD.items()])
    content = bytearray(path.read_bytes())
    for place, marker in zip(field, (b"PK\x03\x04", b"PK\x01\x02")):
        content[content.find(marker) + place] |= 99
    path.write_bytes(content)
    refused(path, "not an archive of images")
    assert image_shape(path) is None


def test_large_archives_of_real_images_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr("spinn_convert.files.archive.LARGE", 0)
    np.savez_compressed(tmp_path / "data.npz", **GOOD)
    assert len(load_dataset(tmp_path / "data.npz", SHAPE, 4).images) == 4


@pytest.fixture
def network(tmp_path):
    """A converted network, small but with every kind of operator."""
    (tmp_path / "model.onnx").write_bytes(convolutional().SerializeToString())
    return inspect.execute(Source(tmp_path / "model.onnx")).network


def inspected(path):
    """Inspect a network and print its table."""
    with growing_by(2**31):
        network = inspect.execute(Source(path)).network
        Console(file=io.StringIO()).print(cli_tables.population_table(network))


def leaves(value, path=()):
    """Yield the paths to everything in a JSON value."""
    yield path
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*path, key))


def with_damaged_header(rng, arrays):
    header = json.loads(arrays["header"].tobytes())
    *path, last = rng.choice([p for p in leaves(header) if p])
    place = header
    for key in path:
        place = place[key]
    strange = [None, -1, 0, 10**12, 1.5, "x", [], {}, [1, 2], {"array": "x"}, {"record": "Conv"}]
    kind = rng.randrange(3)
    if kind == 0:
        place[last] = rng.choice(strange)
    elif kind == 1:
        del place[last]
    else:
        place[last] = copy.deepcopy(rng.choice([header, place]))
    text = np.frombuffer(json.dumps(header).encode(), np.uint8)
    return {**arrays, "header": text}


def with_damaged_array(rng, arrays):
    name = rng.choice(list(arrays))
    old = arrays[name]
    new = rng.choice(
        [old[:-1], old.ravel(), old.astype(float), old[None], np.zeros(0, old.dtype), old * 0 - 7]
    )
    return {**arrays, name: new}


@pytest.mark.slow
def test_damaged_networks_are_read_or_refused(tmp_path, network):
    path, rng, failed = tmp_path / "network.npz", Random(0), []
    store.save(network, path)
    good = path.read_bytes()
    with np.load(path) as archive:
        arrays = dict(archive)
    for number in range(FILES):
        damage = rng.choice([*BYTE_DAMAGE, *[with_damaged_header, with_damaged_array] * 10])
        if damage in BYTE_DAMAGE:
            path.write_bytes(damage(rng, good))
        else:
            np.savez(path, **damage(rng, arrays))
        started = time.monotonic()
        try:
            inspected(path)
        except DataError as error:
            if "network.npz" not in str(error):
                failed.append(f"{number} {damage.__name__}: {error}")
        except Exception as error:
            failed.append(f"{number} {damage.__name__}: {type(error).__name__} {error}")
        if time.monotonic() - started > 10:
            failed.append(f"{number} {damage.__name__}: slow")
    assert not failed, "\n".join(failed)


def test_a_network_that_was_saved_is_read(tmp_path, network):
    store.save(network, tmp_path / "network.npz")
    inspected(tmp_path / "network.npz")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "x"}, "have the same name"),
        ({"kind": "other"}, "of kind other"),
        ({"shape": (4, 0, 8)}, "has the shape (4, 0, 8)"),
        ({"scale": np.ones(3, np.float32)}, "has scales of shape (3,)"),
        ({"bias": np.full((1, 1, 1), np.nan, np.float32)}, "NaN"),
        ({"bias": np.zeros((1, 1, 1))}, "no array of float32 @ $.populations[1].bias"),
        ({"depth": "1"}, "not a whole number @ $.populations[1].depth"),
    ],
)
def test_networks_that_do_not_fit_together(tmp_path, network, changes, words):
    first, second, *rest = network.populations
    broken = replace(network, populations=(first, replace(second, **changes), *rest))
    store.save(broken, tmp_path / "network.npz")
    with pytest.raises(DataError) as caught:
        store.load(tmp_path / "network.npz")
    assert words in str(caught.value)
