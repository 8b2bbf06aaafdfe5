r"""Write Fashion-MNIST as folders of pictures, one folder per class: FOLDER/train and FOLDER/val.

    apt install dataset-fashion-mnist
    python examples/picture_folders.py clothes --train 500 --val 100

The pictures are PNG files of 28 x 28 grey pixels. They stand for your own: any camera's pictures,
sorted into one folder per class, are laid out like this.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from dataset_files import Refused
from datasets import FASHION_MNIST, fashion_mnist
from numpy.typing import NDArray
from PIL import Image

CLASSES = (
    "t-shirt",
    "trousers",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "boot",
)


def write(
    folder: Path, images: NDArray[np.uint8], labels: NDArray[np.uint8], per_class: int
) -> None:
    """Write the first images of each class as PNG files, numbered as they come.

    images: (N, 1, H, W); labels: (N,), from 0.
    """
    for label, name in enumerate(CLASSES):
        place = folder / name
        place.mkdir(parents=True)
        for number in np.flatnonzero(labels == label)[:per_class]:
            Image.fromarray(images[number, 0]).save(place / f"{number:05}.png")


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and write both folders."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train", type=int, default=500, help="pictures per class for training")
    parser.add_argument("--val", type=int, default=100, help="pictures per class for testing")
    parser.add_argument("--source", type=Path, default=FASHION_MNIST)
    told = parser.parse_args(arguments)
    if told.folder.exists():
        parser.error(f"{told.folder} exists already; choose another folder")
    try:
        data = fashion_mnist(told.source)
    except Refused as error:
        parser.error(str(error))
    write(told.folder / "train", data.train_images, data.train_labels, told.train)
    write(told.folder / "val", data.test_images, data.test_labels, told.val)


if __name__ == "__main__":
    main()
