"""Claim: the paper's ResNet-18 for CIFAR-10 is mapped to SpiNNaker in < 8 min, < 6 GB, on 3 boards.

The architecture (3 x 32 x 32 images, 32 channels in the first stage: 278,528 neurons and about 121
million synapses) with random weights, which need the same cores, rows and routes as trained ones.

    python -m benchmarks.dry_run_cifar

Takes four minutes on an idle machine; seconds are the processor's. Needs sPyNNaker:
pip install 'spinn-convert[spinnaker]'.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from train_resnet import ResNet, save

from benchmarks.common import BOARDS, Claim, alone, at_most, command, parser_of, settle

CHANNELS, IMAGES = 32, 16
METHOD = ("paper", "clamp_delay=0", "normalisation=layer", "dead_channels=layer")


def written(stem: Path) -> None:
    """Write a network with random weights, and random images."""
    torch.manual_seed(0)
    images = np.random.default_rng(0).standard_normal((IMAGES, 3, 32, 32)).astype(np.float32)
    save(ResNet(18, CHANNELS, channels=3), stem, images[0])
    labels = np.zeros(IMAGES, np.int64)
    np.savez(f"{stem}.npz", images=images, calibration_images=images, labels=labels)


def claims() -> Iterator[Claim]:
    """Map it by the command."""
    with tempfile.TemporaryDirectory() as folder:
        stem = Path(folder) / "resnet18_cifar"
        alone(written, stem)
        method, *changes = METHOD
        words = ["--method", method, *(word for change in changes for word in ("--set", change))]
        board = BOARDS / "virtual.cfg"
        found = command("map", f"{stem}.onnx", "--board", board, *words, "--out", f"{stem}.map")
    print(found.printed)
    boards = re.search(r"chips of (\d+) board", found.printed)
    yield at_most("boards", int(boards[1]) if boards else np.inf, 3)
    yield at_most("processor seconds", found.seconds, 480)
    yield at_most("GB, peak of the process", found.peak / 1e9, 6)


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    parser_of(__doc__).parse_args(words)
    return settle(claims())


if __name__ == "__main__":
    sys.exit(main())
