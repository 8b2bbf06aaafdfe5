"""Fashion-MNIST and CIFAR-10 from the user's disk, and the .npz that spinn-convert reads of them.

Fashion-MNIST: Zalando SE, MIT licence; Debian package `dataset-fashion-mnist`. CIFAR-10: A.
Krizhevsky, "Learning Multiple Layers of Features from Tiny Images" (2009), Python or binary version
from https://www.cs.toronto.edu/~kriz/cifar.html. Nothing is downloaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from dataset_files import Bytes, Part, Refused, read_batches, read_idx
from numpy.typing import NDArray

FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
HELD_OUT = 5_000
"""Training images that no network is trained on, the last ones."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images (N, C, H, W), labels (N,); `mean` and `std` (C,) of pixels in [0, 1], float64.

    crop: pixels by which an image is shifted at random, at most, when a network is trained.
    """

    name: str
    train_images: Bytes
    train_labels: Bytes
    test_images: Bytes
    test_labels: Bytes
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    crop: int


def fashion_mnist(folder: Path = FASHION_MNIST) -> Dataset:
    """Read the four gzipped IDX files of the Debian package; raises Refused."""
    train_images, train_labels = _fashion_part(folder, "train", 60_000)
    test_images, test_labels = _fashion_part(folder, "t10k", 10_000)
    return Dataset(
        "fashion-mnist",
        train_images,
        train_labels,
        test_images,
        test_labels,
        mean=np.array([0.2860]),
        std=np.array([0.3530]),
        crop=2,
    )


def cifar10(path: Path) -> Dataset:
    """Read the original files, Python or binary version; raises Refused.

    path: the folder of the batches, the folder around it, or the archive as downloaded.
    """
    *training, test = read_batches(path)
    images, labels = (np.concatenate(arrays) for arrays in zip(*training))
    mean, std = np.array([0.4914, 0.4822, 0.4465]), np.array([0.2470, 0.2435, 0.2616])
    return Dataset("cifar10", images, labels, *test, mean, std, crop=4)


def _fashion_part(folder: Path, split: str, count: int) -> Part:
    images = read_idx(folder / f"{split}-images-idx3-ubyte.gz", (count, 28, 28))
    return images[:, None], read_idx(folder / f"{split}-labels-idx1-ubyte.gz", (count,))


def normalise(images: Bytes, dataset: Dataset) -> NDArray[np.float32]:
    """Map bytes (N, C, H, W) to the network's input of the same shape."""
    values = images.astype(np.float32)
    values /= 255
    values -= dataset.mean.astype(np.float32)[:, None, None]
    values /= dataset.std.astype(np.float32)[:, None, None]
    return values


def training_part(dataset: Dataset) -> Part:
    """Return the images to train on, and their labels."""
    return dataset.train_images[:-HELD_OUT], dataset.train_labels[:-HELD_OUT]


def held_out_part(dataset: Dataset) -> Part:
    """Return the last HELD_OUT training images, and their labels."""
    return dataset.train_images[-HELD_OUT:], dataset.train_labels[-HELD_OUT:]


def check_counts(dataset: Dataset, calibration: int, test: int, validation: int = 0) -> None:
    """Raise Refused if `write_npz` cannot store that many images."""
    most = len(dataset.test_images)
    if calibration < 1 or validation < 0 or calibration + validation > HELD_OUT:
        what = f"{calibration:,} calibration and {validation:,} validation images"
        raise Refused(dataset.name, what, f"{HELD_OUT:,} training images are held out for both")
    if not 1 <= test <= most:
        raise Refused(dataset.name, f"{test:,} test images", f"take 1 to {most:,}")


def write_npz(
    path: Path, dataset: Dataset, calibration: int, test: int, validation: int = 0
) -> None:
    """Write what spinn-convert reads: the first test images, and held-out ones to calibrate on.

    validation: number of further held-out images, to choose settings on. Raises Refused.
    """
    check_counts(dataset, calibration, test, validation)
    images, labels = held_out_part(dataset)
    arrays: dict[str, Any] = {
        "calibration_images": images[:calibration],
        "calibration_labels": labels[:calibration],
        "images": dataset.test_images[:test],
        "labels": dataset.test_labels[:test],
        "scale": np.float32(1 / 255),
        "mean": dataset.mean.astype(np.float32),
        "std": dataset.std.astype(np.float32),
    }
    if validation:
        chosen = slice(calibration, calibration + validation)
        arrays |= {"validation_images": images[chosen], "validation_labels": labels[chosen]}
    np.savez_compressed(path, **arrays)
