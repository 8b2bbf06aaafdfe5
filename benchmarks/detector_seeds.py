"""Claim: on ten other sets of scenes, the default needs a share of the paper's steps.

    python -m benchmarks.detector_seeds

Each set has 50 scenes that are in no other, of the test images of Fashion-MNIST; the shipped
detector is converted once by both methods. Steps are those from which 90 % of the boxes are those
of the ANN, scored every five: the mAP of so few scenes changes by more than a percent with a box.
The claim is about the median of the ten ratios, with the depth, and without it as the paper counts.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from statistics import median

import numpy as np

import spinn_convert as sc
from benchmarks import ROOT
from benchmarks.common import Claim, at_most, parser_of, settle

sys.path.insert(0, str(ROOT / "examples"))
import scenes as made

ALIKE, EVERY = 0.9, 5
STEPS = {"default": 100, "paper": 180}
FIRST = 100_000
"""Number of the first scene of the first set; those of lower numbers are looked at elsewhere."""


def scenes_of(number: int, count: int) -> tuple[np.ndarray, list[sc.Truth]]:
    """Return images (B, 3, 96, 96) in [0, 1] of one set, and what is on them."""
    items = made.items_of("test")
    found = [made.scene(items, FIRST * (number + 1) + i) for i in range(count)]
    images = np.stack([f.image for f in found]).astype(np.float32) / 255
    truth = [
        sc.Truth(f.boxes, f.labels, np.zeros(len(f.labels), bool), (made.SIDE, made.SIDE))
        for f in found
    ]
    return images, truth


def steps_alike(
    model: sc.Model, network: sc.Network, steps: int, images: np.ndarray, truth: list[sc.Truth]
) -> int:
    """Return the steps from which the boxes stay like the ANN's; all of them if they never do."""
    scored = range(network.depth + 20, steps + 1, EVERY)
    recording = sc.run(network, model.core_input(images), steps=steps, sampled=scored)
    scores = sc.score_detections(model, network, recording, images, truth, scored)
    short = [i for i, found in enumerate(scores.agreement_by_step) if found < ALIKE]
    after = short[-1] + 1 if short else 0
    return scored[after] if after < len(scored) else steps


def claims(options: argparse.Namespace) -> Iterator[Claim]:
    """Compare both methods on each set."""
    model = sc.load(ROOT / "examples" / "retinanet.onnx")
    calibration = sc.load_scenes(ROOT / "examples" / "retinanet", model).calibration
    networks = {name: sc.convert(model, calibration, name) for name in STEPS}
    depth, found = networks["default"].depth, []
    for number in range(options.sets):
        images, truth = scenes_of(number, options.scenes)
        ours, theirs = (
            steps_alike(model, networks[name], steps, images, truth)
            for name, steps in STEPS.items()
        )
        found.append((ours, theirs))
        print(f"set {number + 1}: {ours} steps, paper {theirs}", flush=True)
    yield at_most("steps of the paper's", median(a / b for a, b in found), 0.65)
    without = median((a - depth) / (b - depth) for a, b in found)
    yield at_most("steps of the paper's, both without the depth", without, 0.5)


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    parser = parser_of(__doc__)
    parser.add_argument("--sets", type=int, default=10)
    parser.add_argument("--scenes", type=int, default=50, help="in a set")
    return settle(claims(parser.parse_args(words)))


if __name__ == "__main__":
    sys.exit(main())
