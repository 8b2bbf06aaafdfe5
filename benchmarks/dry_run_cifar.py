"""Claim: the paper's ResNet-18 for CIFAR-10 is mapped to SpiNNaker in < 8 min, < 6 GB, on 3 boards.

The architecture (3 x 32 x 32 images, 32 channels in the first stage: 278,528 neurons and about 121
million synapses) with random weights, which need the same cores, rows and routes as trained ones.

    python benchmarks/dry_run_cifar.py

Needs sPyNNaker: pip install 'spinn-convert[spinnaker]'.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "examples"), str(ROOT / "tests")]
from support.torch_networks import export  # noqa: E402
from train_resnet import ResNet  # noqa: E402

SECONDS, BYTES, CHANNELS, IMAGES = 8 * 60.0, 6e9, 32, 16


def main() -> None:
    """Write the network, map it by the command, print time and memory as shares of the limits."""
    torch.manual_seed(0)
    network = ResNet(18, CHANNELS, channels=3).eval()
    rng = np.random.default_rng(0)
    images = rng.standard_normal((IMAGES, 3, 32, 32)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = export(network, Path(folder) / "resnet18_cifar.onnx", (3, 32, 32), False)
        labels = np.zeros(IMAGES, np.int64)
        np.savez(path.with_suffix(".npz"), images=images, calibration_images=images, labels=labels)
        options = ["--backend", "spinnaker", "--board", str(ROOT / "boards" / "virtual.cfg")]
        options += ["--dry-run", "--normalisation", "layer", "--dead-channels", "layer"]
        command = [sys.executable, "-m", "spinn_convert", str(path), *options]
        started = time.perf_counter()
        done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
        seconds = time.perf_counter() - started
    print(done.stdout)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(f"{seconds:.0f} s, {seconds / SECONDS:.2f} of the limit;", end=" ")
    print(f"{peak / 1e9:.1f} GB, {peak / BYTES:.2f} of the limit")


if __name__ == "__main__":
    main()
