"""The training script and its data, on synthetic CIFAR-10 files: CI has none of the real ones."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import tarfile
from pathlib import Path

import dataset_files
import datasets
import numpy as np
import onnxruntime
import pytest
import train_resnet

import spinn_convert as sc

ROWS = 64


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Batches of ROWS images, the last of the training held out."""
    monkeypatch.setattr(dataset_files, "ROWS", ROWS)
    monkeypatch.setattr(datasets, "HELD_OUT", ROWS)


@pytest.fixture(scope="module")
def batches():
    """Pixels (ROWS, 3072) and labels (ROWS,) of each file."""
    rng = np.random.default_rng(0)
    return {
        name: (rng.integers(0, 256, (ROWS, 3072), np.uint8), rng.integers(0, 10, ROWS, np.uint8))
        for name in dataset_files.BATCHES
    }


def by_python_3(pixels, labels):
    return pickle.dumps({"labels": labels.tolist(), "data": pixels}, protocol=2)


def by_python_2(pixels, labels):
    """What cPickle of Python 2 makes of it: byte strings as str, numpy's old module names."""

    def text(value):
        return b"T" + struct.pack("<I", len(value)) + value

    def number(value):
        return b"M" + struct.pack("<H", value)

    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b") + b"\x87R"
    )
    dtype = b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R"
    dtype += b"(K\x03" + text(b"|") + b"NNN" + 2 * b"J\xff\xff\xff\xff" + b"K\x00tb"
    shape = b"".join(map(number, pixels.shape)) + b"\x86"
    data = array + b"(K\x01" + shape + dtype + b"\x89" + text(pixels.tobytes()) + b"tb"
    listed = b"](" + b"".join(map(number, labels.tolist())) + b"e"
    pairs = text(b"data") + data + text(b"labels") + listed
    return b"\x80\x02}(" + text(b"batch_label") + text(b"one of \xe9") + pairs + b"u."


def in_rows(pixels, labels):
    return np.concatenate([labels[:, None], pixels], 1).tobytes()


WRITERS = {"py3": ("py", "", by_python_3), "py2": ("py", "", by_python_2)}
WRITERS["bin"] = ("bin", ".bin", in_rows)


def write(parent, batches, version):
    """Write a folder of batches into `parent`; return it."""
    kind, suffix, encode = WRITERS[version]
    folder = parent / f"cifar-10-batches-{kind}"
    folder.mkdir()
    (folder / "readme.html").write_text("not a batch")
    for name, (pixels, labels) in batches.items():
        (folder / (name + suffix)).write_bytes(encode(pixels, labels))
    return folder


def archive(folder):
    path = folder.parent / "cifar-10.tar.gz"
    with tarfile.open(path, "w:gz") as stored:
        stored.add(folder, folder.name)
    return path


def check(dataset, batches):
    pixels, labels = zip(*batches.values())
    np.testing.assert_array_equal(dataset.train_labels, np.concatenate(labels[:-1]))
    np.testing.assert_array_equal(dataset.test_labels, labels[-1])
    np.testing.assert_array_equal(dataset.test_images, pixels[-1].reshape(-1, 3, 32, 32))
    images = np.concatenate(pixels[:-1]).reshape(-1, 3, 32, 32)
    np.testing.assert_array_equal(dataset.train_images, images)
    assert dataset.train_images.dtype == dataset.train_labels.dtype == np.uint8


@pytest.mark.parametrize("version", WRITERS)
def test_every_version_gives_the_same_arrays(tmp_path, batches, version):
    folder = write(tmp_path, batches, version)
    for path in (folder, tmp_path, archive(folder)):
        check(datasets.cifar10(path), batches)


class Foreign:
    """Pickled, it is a call that leaves a file behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_foreign_code_is_refused_and_not_run(tmp_path, batches):
    folder, trace = write(tmp_path, batches, "py3"), tmp_path / "trace"
    content = pickle.dumps({"data": Foreign(trace), "labels": []}, protocol=2)
    (folder / "data_batch_2").write_bytes(content)
    with pytest.raises(datasets.Refused, match=r"data_batch_2: .*asks for"):
        datasets.cifar10(folder)
    assert not trace.exists()
    pickle.loads(content)
    assert trace.exists()


@pytest.mark.parametrize("version", WRITERS)
def test_truncated_batches_are_refused(tmp_path, batches, version):
    folder = write(tmp_path, batches, version)
    (path,) = folder.glob("data_batch_3*")
    content = path.read_bytes()
    for size in (0, 1, 3073, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        with pytest.raises(datasets.Refused, match=rf"{path.name}: .*toronto"):
            datasets.cifar10(folder)


def test_foreign_batches_are_refused(tmp_path, batches):
    folder = write(tmp_path, batches, "py3")
    pixels, labels = batches["test_batch"]
    path = folder / "test_batch"
    foreign = [{"fine_labels": [1]}, [1], {"data": 1, "labels": [1]}]
    foreign += [{"data": pixels.astype(np.float32), "labels": labels.tolist()}]
    foreign += [{"data": pixels, "labels": [10] * ROWS}, {"data": pixels, "labels": [300] * ROWS}]
    foreign += [{"data": pixels[:, 1:], "labels": labels.tolist()}, {"data": pixels, "labels": [1]}]
    for content in foreign:
        path.write_bytes(pickle.dumps(content, protocol=2))
        with pytest.raises(datasets.Refused, match="test_batch: "):
            datasets.cifar10(folder)


def test_damaged_archives_are_refused(tmp_path, batches):
    path = archive(write(tmp_path, batches, "bin"))
    content = path.read_bytes()
    for damaged in (b"", b"no archive", content[: len(content) // 2], gzip.compress(b"no tar")):
        path.write_bytes(damaged)
        with pytest.raises(datasets.Refused, match=path.name):
            datasets.cifar10(path)
    with tarfile.open(path, "w:gz") as stored:
        stored.addfile(tarfile.TarInfo("other"), io.BytesIO())
    with pytest.raises(datasets.Refused, match=r"lacks data_batch_1, .*test_batch"):
        datasets.cifar10(path)


def test_missing_files_are_named(tmp_path, batches):
    with pytest.raises(datasets.Refused, match="no such file or folder"):
        datasets.cifar10(tmp_path / "nowhere")
    folder = write(tmp_path, batches, "bin")
    (folder / "data_batch_4.bin").unlink()
    with pytest.raises(datasets.Refused, match=r"lacks data_batch_4\.bin; get"):
        datasets.cifar10(tmp_path)
    with pytest.raises(datasets.Refused, match="install the Debian package dataset-fashion-mnist"):
        datasets.fashion_mnist(tmp_path)


def test_damaged_idx_files_are_refused(tmp_path):
    path = tmp_path / "train-images-idx3-ubyte.gz"
    header = bytes([0, 0, 8, 3]) + struct.pack(">3i", 2, 28, 28)
    whole = gzip.compress(header + bytes(2 * 28 * 28))
    for content in (b"", whole[:-9], gzip.compress(b""), gzip.compress(header), whole):
        path.write_bytes(content)
        with pytest.raises(datasets.Refused, match="dataset-fashion-mnist"):
            datasets.fashion_mnist(tmp_path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning")  # of torch, in its own exporter
def test_trained_network_is_read(tmp_path, batches, capsys):
    data = archive(write(tmp_path, batches, "py2"))
    out = tmp_path / "small.net"
    words = f"--dataset cifar10 --data {data} --width 4 --epochs 1 --batch 64 --threads 1"
    words += f" --device cpu --calibration 10 --test 20 --out {out}"
    train_resnet.main(words.split())
    assert "held-out accuracy" in capsys.readouterr().out
    path = tmp_path / "small.net.onnx"
    model = sc.load(path)
    stored = sc.load_dataset(path.with_suffix(".npz"), model)
    assert (len(stored.images), len(stored.calibration)) == (20, 10)
    images = datasets.normalise(stored.images.raw, datasets.cifar10(data))
    (logits,) = onnxruntime.InferenceSession(path).run(None, {"image": images})
    assert logits.shape == (20, 10)
    assert np.isfinite(logits).all()
    with pytest.raises(SystemExit, match="2"):
        train_resnet.main(words.split())
    assert "small.net.onnx: exists already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--dataset cifar10", "needs --data PATH"),
        ("--dataset cifar10 --data {0}/nowhere", "no such file or folder"),
        ("--dataset cifar10 --data {0} --calibration 65", "65 calibration"),
        ("--dataset cifar10 --data {0} --test 65 --calibration 1", "65 test images"),
        ("--dataset cifar10 --data {0} --test 1 --calibration 1 --batch 257", "257 images"),
        ("--out {0}/nowhere/net", "no such folder"),
        ("--device nonsense", "torch cannot use it"),
        ("--width 0", "not above zero"),
    ],
)
def test_bad_options_are_refused_before_training(tmp_path, batches, capsys, words, message):
    write(tmp_path, batches, "bin")
    with pytest.raises(SystemExit, match="2"):
        train_resnet.main(["--out", f"{tmp_path}/net", *words.format(tmp_path).split()])
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("net*"))


def test_shift_brings_in_black_and_keeps_channels():
    import torch

    torch.manual_seed(0)
    black = torch.tensor([-1.0, -2.0, -3.0])
    image = torch.arange(3 * 6 * 5, dtype=torch.float32).view(1, 3, 6, 5).repeat(200, 1, 1, 1)
    shifted = train_resnet.augment(image, black, 2)
    assert shifted.shape == image.shape
    for channel in range(3):
        allowed = {float(black[channel]), *image[0, channel].flatten().tolist()}
        assert set(shifted[:, channel].flatten().tolist()) == allowed
    assert any(torch.equal(x, image[0]) for x in shifted)
    assert any(torch.equal(x, image[0].flip(2)) for x in shifted)


def test_validation_images_are_further_held_out_ones(tmp_path, batches):
    dataset = datasets.cifar10(write(tmp_path, batches, "bin"))
    datasets.write_npz(tmp_path / "x.npz", dataset, 10, 5, validation=54)
    stored = np.load(tmp_path / "x.npz")
    np.testing.assert_array_equal(stored["validation_images"], dataset.train_images[-54:])
    with pytest.raises(datasets.Refused, match="held out for both"):
        datasets.write_npz(tmp_path / "y.npz", dataset, 10, 5, validation=55)
