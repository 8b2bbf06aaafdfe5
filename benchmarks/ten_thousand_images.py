"""Claim: 10,000 images x 100 steps of the example take under 10 minutes on two cores.

    python benchmarks/ten_thousand_images.py

Conversion included. The example ships 1,000 test images; they are shown ten times.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from spinn_convert.backends.reference import backend as reference
from spinn_convert.conversion import steps as conversion
from spinn_convert.conversion.method import PAPER, Method
from spinn_convert.files.data import load_dataset, normalised
from spinn_convert.network.recording import Settings, Stimulus

MODEL = Path(__file__).parent.parent / "examples" / "resnet18.onnx"
STEPS, LIMIT_S = 100, 600


def main() -> None:
    """Print seconds and their ratio to the limit, of the paper's conversion and of ours."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=10, help="the 1,000 images so often")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    model, layers = conversion.read(MODEL, None, "spiking")
    data = load_dataset(MODEL.with_suffix(".npz"), model.image_shape, 10)
    calibration = normalised(data.calibration)
    values = np.tile(normalised(data.images), (arguments.times, 1, 1, 1))
    for name, method in (("--paper", PAPER), ("default", Method())):
        started = time.perf_counter()
        network = conversion.calibrated(model, layers, calibration, method, arguments.threads)
        reference.run(network, Stimulus(values), Settings(STEPS, arguments.threads))
        seconds = time.perf_counter() - started
        print(f"{name}: {len(values):,} images x {STEPS} steps in {seconds:.0f} s, ", end="")
        print(f"{seconds / LIMIT_S:.2f} of the limit")


if __name__ == "__main__":
    main()
