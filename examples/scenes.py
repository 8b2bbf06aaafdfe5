"""Scenes to detect clothes in: items of Fashion-MNIST at all sizes on coloured backgrounds.

    python examples/scenes.py             # writes examples/retinanet/: PNG files, instances.json
    python examples/scenes.py --count 500 --split test --out scenes500

An image has 96 x 96 pixels, one to six items and some torn pieces of others, which count as
background. Scene i of a split is the same on every machine, and no item is in two splits.

Data: Fashion-MNIST, Zalando SE, MIT licence; Debian package `dataset-fashion-mnist`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from dataset_files import Bytes
from datasets import fashion_mnist
from numpy.typing import NDArray
from PIL import Image

SIDE = 96
"""Pixels of a scene in both directions."""
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
    "ankle boot",
)
SMALLEST, LARGEST = 18, 72
"""Pixels of an item's square picture, before empty borders are cut off."""
MOST_HIDDEN = 0.35
"""Share of an item that another may cover."""
PARTS = {"train": (0, 50_000), "calibration": (50_000, 55_000), "validation": (55_000, 60_000)}
"""Training images of Fashion-MNIST that a split takes its items from; `test` has those of test."""
SEEDS = {"train": 11, "calibration": 12, "validation": 13, "test": 14}

Pixels = NDArray[np.float32]
Box = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels; right and bottom are the first outside."""


@dataclass(frozen=True, eq=False)
class Scene:
    """image: (3, SIDE, SIDE) uint8. boxes: (n, 4) float32 as Box. labels: (n,) int64 from 0."""

    image: Bytes
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Items:
    """Pictures (N, 28, 28) and labels (N,) that a split's scenes are made of."""

    split: str
    pictures: Bytes
    labels: Bytes


def items_of(split: str) -> Items:
    """Return the items of a split; raises Refused if Fashion-MNIST is not there."""
    data = fashion_mnist()
    if split == "test":
        return Items(split, data.test_images[:, 0], data.test_labels)
    part = slice(*PARTS[split])
    return Items(split, data.train_images[part, 0], data.train_labels[part])


def scene(items: Items, number: int) -> Scene:
    """Return a scene of a split, by its number from 0."""
    rng = np.random.default_rng([SEEDS[items.split], number])
    canvas = _background(rng)
    for _ in range(rng.integers(4)):
        _add_piece(rng, canvas, items)
    boxes: list[Box] = []
    labels = []
    for _ in range(rng.integers(1, 7)):
        chosen = rng.integers(len(items.pictures))
        side = round(SMALLEST * (LARGEST / SMALLEST) ** rng.random())
        grey, mask = _cut(_scaled(items.pictures[chosen], side, bool(rng.integers(2))))
        place = _free_place(rng, grey.shape, boxes)
        if place is not None:
            _paint(rng, canvas, grey, mask, place)
            boxes.append((place[1], place[0], place[1] + grey.shape[1], place[0] + grey.shape[0]))
            labels.append(int(items.labels[chosen]))
    noisy = canvas + rng.normal(0, 4, canvas.shape).astype(np.float32)
    image = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    return Scene(image, np.array(boxes, np.float32).reshape(-1, 4), np.array(labels, np.int64))


def _background(rng: np.random.Generator) -> Pixels:
    """Return clouds of three grain sizes around a colour, and some bars, (3, SIDE, SIDE)."""
    canvas = np.empty((3, SIDE, SIDE), np.float32)
    canvas[:] = rng.uniform(20, 170, (3, 1, 1))
    for cells in (3, 8, 24):
        strength = rng.uniform(5, 30)
        for channel in canvas:
            cloud = rng.uniform(-strength, strength, (cells, cells)).astype(np.float32)
            channel += _resized(cloud, SIDE)
    for _ in range(rng.integers(6)):
        long, thin = int(rng.integers(10, SIDE)), int(rng.integers(2, 6))
        height, width = (long, thin) if rng.integers(2) else (thin, long)
        y, x = rng.integers(0, SIDE, 2)
        canvas[:, y : y + height, x : x + width] += rng.uniform(-60, 60, (3, 1, 1))
    return canvas


def _resized(values: Pixels, side: int) -> Pixels:
    return np.asarray(Image.fromarray(values).resize((side, side), Image.Resampling.BILINEAR))


def _scaled(picture: Bytes, side: int, mirrored: bool) -> tuple[Pixels, Pixels]:
    """Return an item's brightness and its mask, (side, side) float32."""
    picture = picture[:, ::-1] if mirrored else picture
    mask = (picture > 8).astype(np.float32)
    return _resized(picture.astype(np.float32), side), _resized(mask, side)


def _cut(item: tuple[Pixels, Pixels]) -> tuple[Pixels, Pixels]:
    """Cut off the rows and columns around an item."""
    grey, mask = item
    rows, columns = ((mask > 0.5).any(axis).nonzero()[0] for axis in (1, 0))
    inside = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return grey[inside], mask[inside]


def _free_place(
    rng: np.random.Generator, size: tuple[int, ...], boxes: Sequence[Box]
) -> tuple[int, int] | None:
    """Return a row and column where little of what is there would be hidden; None if none fits."""
    height, width = size
    for _ in range(12):
        y, x = int(rng.integers(SIDE - height + 1)), int(rng.integers(SIDE - width + 1))
        if all(_hidden(box, (x, y, x + width, y + height)) < MOST_HIDDEN for box in boxes):
            return y, x
    return None


def _hidden(a: Box, b: Box) -> float:
    """Return the share that two boxes have in common, of the smaller one."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    areas = ((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return max(width, 0) * max(height, 0) / min(areas)


def _paint(
    rng: np.random.Generator, canvas: Pixels, grey: Pixels, mask: Pixels, place: tuple[int, int]
) -> None:
    """Draw an item in a colour of its own."""
    (y, x), (height, width) = place, grey.shape
    colour = rng.uniform(0.45, 1, (3, 1, 1)).astype(np.float32)
    under = canvas[:, y : y + height, x : x + width]
    under += np.clip(mask, 0, 1) * ((30 + 0.88 * grey) * colour - under)


def _add_piece(rng: np.random.Generator, canvas: Pixels, items: Items) -> None:
    """Draw a part of some item that is too small to tell what it is."""
    side = int(rng.integers(20, 60))
    grey, mask = _scaled(items.pictures[rng.integers(len(items.pictures))], side, False)
    height, width = rng.integers(side // 5 + 2, side // 2, 2)
    top, left = rng.integers(0, side - height), rng.integers(0, side - width)
    part = slice(top, top + height), slice(left, left + width)
    place = int(rng.integers(SIDE - height)), int(rng.integers(SIDE - width))
    _paint(rng, canvas, grey[part], mask[part], place)


def coco(scenes: Sequence[Scene], names: Sequence[str]) -> dict[str, Any]:
    """Return the scenes' boxes as COCO writes them; names: of the image files."""
    images, annotations = [], []
    for number, (found, name) in enumerate(zip(scenes, names), 1):
        images.append({"id": number, "file_name": name, "width": SIDE, "height": SIDE})
        for (left, top, right, bottom), label in zip(found.boxes.tolist(), found.labels.tolist()):
            box = [left, top, right - left, bottom - top]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": label,
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                }
            )
    categories = [{"id": number, "name": name} for number, name in enumerate(CLASSES)]
    return {"images": images, "annotations": annotations, "categories": categories}


def write(folder: Path, scenes: Sequence[Scene]) -> None:
    """Write PNG files and instances.json to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{number:06d}.png" for number in range(1, len(scenes) + 1)]
    for found, name in zip(scenes, names):
        Image.fromarray(found.image.transpose(1, 2, 0)).save(folder / name)
    (folder / "instances.json").write_text(json.dumps(coco(scenes, names)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Write some scenes of a split."""
    parser = argparse.ArgumentParser(description="Write scenes as PNG files and COCO annotations.")
    parser.add_argument("--split", choices=SEEDS, default="test")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "retinanet")
    options = parser.parse_args(arguments)
    items = items_of(options.split)
    write(options.out, [scene(items, number) for number in range(options.count)])
    print(f"wrote {options.count} scenes to {options.out}")


if __name__ == "__main__":
    main()
