"""Claim: kernels save SDRAM and cores of the example ResNet-18, as foreseen before the mapping.

    python benchmarks/spinnaker_connectors.py

Maps the example with lists of synapses, with kernels wherever they are possible, and with what
"auto" chooses, and compares cores and SDRAM of every layer with the cost model. Needs sPyNNaker.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import get_args

from spinn_convert.backends.board import arithmetic as board_arithmetic
from spinn_convert.backends.board.plan import BoardPlan, make_plan
from spinn_convert.backends.spinnaker.dry_run.costs import DryRun, slowdown, table
from spinn_convert.backends.spinnaker.dry_run.mapping import dry_run
from spinn_convert.backends.spinnaker.kernels.layers import Connectors
from spinn_convert.conversion import steps as conversion
from spinn_convert.conversion.method import PAPER
from spinn_convert.files.data import load_dataset, normalised
from spinn_convert.network.recording import Settings

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "examples" / "resnet18.onnx"
BOARD = ROOT / "boards" / "virtual.cfg"
PEAK_IMAGES, STEPS, THREADS = 16, 63, 2


def planned() -> BoardPlan:
    """Return the example's plan."""
    model, layers = conversion.read(MODEL, None, "spiking")
    data = load_dataset(MODEL.with_suffix(".npz"), model.image_shape, layers[-1].shape[0])
    calibration = normalised(data.calibration)
    network = conversion.calibrated(model, layers, calibration, PAPER, THREADS)
    settings = Settings(STEPS, THREADS)
    peaks = board_arithmetic.measure_peaks(network, calibration[:PEAK_IMAGES], settings)
    return make_plan(network, peaks)


def wrong(dry: DryRun) -> int:
    """Return how many layers differ from what was foreseen: in cores, or by 1 % of SDRAM."""
    count = 0
    for layer in dry.layers:
        ways = layer.ways
        assert ways is not None, "the plan is for the cell that has kernels"
        cost = ways.kernels if ways.chosen and ways.kernels is not None else ways.lists
        exact = len(layer.cores) == cost.cores
        count += not (exact and abs(layer.sdram - cost.sdram) <= layer.sdram / 100)
    return count


def main() -> None:
    """Map three times and print; fails when the cost model is wrong."""
    plan, failed = planned(), 0
    ways: tuple[Connectors, ...] = get_args(Connectors)
    for connectors in ways:
        dry = dry_run(plan.network, plan, BOARD, STEPS, connectors)
        made = sum(layer.ways is not None and layer.ways.chosen for layer in dry.layers)
        if connectors != "auto":
            print(table(dry))
        print(
            f"{connectors}: {made} of {len(dry.layers)} layers of kernels, {dry.cores} cores, "
            f"{sum(dry.sdram.values()) / 1e6:.1f} MB of SDRAM, {dry.loaded / 1e6:.1f} MB to load, "
            f"time_scale_factor {slowdown(dry)}, mapped in {dry.mapping_seconds:.0f} s; "
            f"{wrong(dry)} layers differ from the cost model"
        )
        failed += wrong(dry)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
