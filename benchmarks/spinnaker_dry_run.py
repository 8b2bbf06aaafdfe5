"""Claim: the example ResNet-18 fits one SpiNN-5 board, and a dry run says so in under 90 s.

    python benchmarks/spinnaker_dry_run.py

Prints what every layer takes, estimates of time and energy, and writes a picture of the placement
to spinnaker_placement.png. Needs sPyNNaker: pip install 'spinn-convert[spinnaker]'.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from spinn_convert.backends.board import arithmetic as board_arithmetic
from spinn_convert.backends.board.plan import make_plan
from spinn_convert.backends.spinnaker.dry_run.drawing import draw_placement
from spinn_convert.backends.spinnaker.dry_run.mapping import dry_run
from spinn_convert.backends.spinnaker.dry_run.text import table
from spinn_convert.conversion import steps as conversion
from spinn_convert.conversion.method import PAPER
from spinn_convert.files.data import load_dataset, normalised
from spinn_convert.network.recording import Settings

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "examples" / "resnet18.onnx"
PEAK_IMAGES, STEPS, THREADS = 16, 63, 2


def main() -> None:
    """Map the example and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--board", type=Path, default=ROOT / "boards" / "virtual.cfg")
    parser.add_argument("--picture", type=Path, default=Path("spinnaker_placement.png"))
    arguments = parser.parse_args()
    model, layers = conversion.read(MODEL, None, "spiking")
    data = load_dataset(MODEL.with_suffix(".npz"), model.image_shape, layers[-1].shape[0])
    calibration = normalised(data.calibration)
    network = conversion.calibrated(model, layers, calibration, PAPER, THREADS)
    settings = Settings(STEPS, THREADS)
    peaks = board_arithmetic.measure_peaks(network, calibration[:PEAK_IMAGES], settings)
    dry = dry_run(network, make_plan(network, peaks), arguments.board, STEPS)
    print(table(dry))
    print(f"mapped in {dry.mapping_seconds:.0f} s on this computer")
    draw_placement(dry, arguments.picture)


if __name__ == "__main__":
    main()
