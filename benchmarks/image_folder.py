"""Claim: calibration on a folder of 10,000 pictures takes < 2x as long as on the .npz, < 1 GB.

    python -m benchmarks.image_folder

Writes the calibration images of the example, shifted by some pixels, as a folder with one folder
per class and as an .npz, and finds the scales of the ResNet-18 from all of them, each in a process
of its own. Seconds are the processor's, of all threads together. --photographs: the files are
JPEGs of 500 x 375 pixels instead, which are resized to those of the .npz.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

import spinn_convert as sc
from benchmarks.common import EXAMPLE, Claim, alone, at_most, parser_of, settle
from spinn_convert.conversion.calibrate import calibrate
from spinn_convert.conversion.steps import folded

TIMES, GIGABYTES = 2.0, 1.0
PREPROCESS = "resize=28x28,mean=0.286,std=0.353"
PHOTOGRAPH = (500, 375)
MOST_APART = 1e-5
"""Relative difference of the scales: the .npz multiplies by 1/255, pictures are divided by 255."""


def written(folder: Path, count: int, photographs: bool) -> None:
    """Write the same images both ways, with one test image each."""
    with np.load(EXAMPLE.with_suffix(".npz")) as stored:
        arrays = dict(stored)
    pixels, labels = arrays["calibration_images"], arrays["calibration_labels"]
    rng = np.random.default_rng(0)
    shown = []
    for number in range(count):
        moved = np.roll(pixels[number % len(pixels), 0], rng.integers(-2, 3, 2), (0, 1))
        place = folder / "photos" / str(labels[number % len(pixels)])
        place.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(moved)
        if photographs:
            path = place / f"{number}.jpg"
            picture.resize(PHOTOGRAPH, Image.Resampling.BICUBIC).save(path, quality=90)
            with Image.open(path) as again:
                moved = np.asarray(again.resize((28, 28), Image.Resampling.BILINEAR))
        else:
            picture.save(place / f"{number}.png")
        shown.append(moved)
    arrays["calibration_images"] = np.stack(shown)[:, None]
    arrays["calibration_labels"] = labels[np.arange(count) % len(pixels)]
    np.savez(folder / "images.npz", **arrays)


def measured(folder: Path, kind: str, count: int) -> tuple[float, float, np.ndarray]:
    """Return processor seconds, peak memory in GB, and the scales of all layers."""
    model = sc.load(EXAMPLE)
    archive = folder / "images.npz"
    started = processor_seconds()
    if kind == "folder":
        data = sc.load_dataset(archive, model, folder / "photos", count, PREPROCESS)
    else:
        data = sc.load_dataset(archive, model)
    if len(data.calibration) != count:
        raise ValueError(len(data.calibration))
    method = sc.Method()
    converting, layers = folded(model, method)
    found = calibrate(converting, layers, data.calibration, method, 2).scales
    taken = processor_seconds() - started
    return taken, peak_gigabytes(), np.concatenate([found[name] for name in found])


def peak_gigabytes() -> float:
    """Return the most memory that this process had."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e9


def processor_seconds() -> float:
    """Return what this process took of the cores."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def claims(arguments: argparse.Namespace) -> Iterator[Claim]:
    """Measure both."""
    with tempfile.TemporaryDirectory() as place:
        folder, count = Path(place), arguments.images
        alone(written, folder, count, arguments.photographs)
        seconds, peak, scales = alone(measured, folder, "npz", count)
        print(f".npz of {count:,} images: {seconds:.1f} s, {peak:.2f} GB", flush=True)
        taken, most, same = alone(measured, folder, "folder", count)
        print(f"folder of {count:,} pictures: {taken:.1f} s, {most:.2f} GB", flush=True)
        yield at_most("times the processor seconds of the .npz", taken / seconds, TIMES)
        yield at_most("GB, peak of the process, folder", most, GIGABYTES)
        apart = float(np.abs(same / scales - 1).max())
        yield at_most("relative difference of the scales", apart, MOST_APART)


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    parser = parser_of(__doc__)
    parser.add_argument("--images", type=int, default=10_000, help="pictures in the folder")
    parser.add_argument("--photographs", action="store_true", help="JPEGs of 500 x 375 pixels")
    return settle(claims(parser.parse_args(words)))


if __name__ == "__main__":
    sys.exit(main())
