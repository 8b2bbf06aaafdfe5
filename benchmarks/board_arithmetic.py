"""Claim: SpiNNaker's integers cost no accuracy: the example stays within 0.5 % of its ANN.

    python benchmarks/board_arithmetic.py

Runs the test images in the board's arithmetic (synaptic integrator, reset by subtraction) and on
the reference at the same settings (d = 0) and at the default ones (d = 1), then prints accuracy by
steps, predictions in common, what saturates or is lost to rounding, and images per second.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spinn_convert.backends.board import arithmetic as board_arithmetic
from spinn_convert.backends.board import delta_arithmetic
from spinn_convert.backends.board.arithmetic import BoardRecording
from spinn_convert.backends.board.delta_plan import make_delta_plan
from spinn_convert.backends.board.plan import BoardPlan, Peak, make_plan, without_clamp
from spinn_convert.backends.board.precision import precision
from spinn_convert.backends.reference import backend as reference
from spinn_convert.conversion import steps as conversion
from spinn_convert.conversion.method import PAPER
from spinn_convert.files.data import load_dataset, normalised
from spinn_convert.linear.ops import Floats
from spinn_convert.model.host import tensors as run_ann
from spinn_convert.network import readout
from spinn_convert.network.recording import Recording, Settings, Stimulus
from spinn_convert.network.records import Network

MODEL = Path(__file__).resolve().parent.parent / "examples" / "resnet18.onnx"
PEAK_IMAGES = 100
DEFAULT_STEPS = 48
"""After the release of the output, as the command line does."""
Classes = NDArray[np.int64]


def predictions(network: Network, recording: Recording, steps: int, later: bool) -> Classes:
    """Return the class of each image after so many steps."""
    potentials = recording.readout["logits"][:, :steps]
    starts = readout.starts("late" if later else "all", network.depth, steps)
    return np.asarray(readout.activations(potentials, starts, 0)[:, -1].argmax(1))


def print_accuracy(
    network: Network,
    board: BoardRecording,
    references: Mapping[str, Recording],
    ann: Classes,
    labels: Classes,
) -> None:
    """Print one row per number of steps and way to read the output."""
    settled = max(p.release for p in network.readouts) + DEFAULT_STEPS
    defaults = predictions(network, references["d = 1"], settled, later=False)
    accuracy = (defaults == labels).mean()
    print(f"reference, default settings, {settled} steps: {accuracy:.1%}")
    print("                                          same prediction as")
    print("steps  read from     board  float d = 0  float d = 0  defaults    ANN")
    for steps in range(32, board.settings.steps + 1, 16):
        for later in (False, True):
            ours = predictions(network, board, steps, later)
            same = predictions(network, references["d = 0"], steps, later)
            start = readout.starts("late", network.depth, steps)[-1] if later else 0
            print(
                f"{steps:5d}  step {start:2d}     {(ours == labels).mean():6.1%}"
                f"       {(same == labels).mean():6.1%}       {(ours == same).mean():6.1%}"
                f"    {(ours == defaults).mean():6.1%} {(ours == ann).mean():6.1%}"
            )


def print_constant_reset(
    network: Network,
    some: Floats,
    values: Floats,
    settings: Settings,
    peaks: Mapping[str, Peak],
    labels: Classes,
) -> None:
    """Print the accuracy on IF_curr_delta, whose reset is to 0 or to a calibrated constant."""
    overshoot = delta_arithmetic.measure_overshoot(network, some, settings, peaks)
    for name, v_reset in (("0", None), ("the mean overshoot", overshoot)):
        plan = make_delta_plan(network, peaks, v_reset)
        found = delta_arithmetic.run(network, Stimulus(values), settings, plan=plan)
        right = predictions(network, found, settings.steps, later=False) == labels
        print(
            f"IF_curr_delta, d = 1, reset to {name}: {right.mean():.1%} at {settings.steps} steps"
        )


def print_precision(plan: BoardPlan, board: BoardRecording) -> None:
    """Print one row per population."""
    print(
        "population  theta  shift  LSB/theta  weights in LSBs  rounded to 0      saturated  clipped"
    )
    for row in precision(plan):
        lost = f"{row.rounded_to_zero:,} ({row.rounded_to_zero / max(row.synapses, 1):.2%})"
        clipped = board.clipped.get(row.name, np.zeros(1)).mean()
        print(
            f"{row.name:10s}  {row.theta:5.4g}  {plan.by_name[row.name].shift:5d}"
            f"  {'2^' + str(int(np.log2(row.lsb))):>9s}  {row.lightest:6d} - {row.heaviest:6d}"
            f"  {lost:>16s}  {board.saturated[row.name].sum():9d}  {clipped:7.1f}"
        )
    print("rounded to 0: synapses; saturated: entries, all images; clipped: drives per image")


def main() -> None:
    """Run all three simulators and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=96)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    settings = Settings(arguments.steps, arguments.threads)
    model, layers = conversion.read(MODEL, None, "spiking")
    data = load_dataset(MODEL.with_suffix(".npz"), model.image_shape, layers[-1].shape[0])
    calibration = normalised(data.calibration)
    network = conversion.calibrated(model, layers, calibration, PAPER, settings.threads)
    values = normalised(data.images, 0, arguments.images)
    labels = data.labels[: arguments.images]
    logits = [out for (out,) in run_ann(model, values, ["logits"], settings.threads)]
    ann = np.concatenate(logits).argmax(1)

    some = calibration[:PEAK_IMAGES]
    peaks = board_arithmetic.measure_peaks(network, some, settings)
    plan = make_plan(network, peaks)
    board = board_arithmetic.run(network, Stimulus(values), settings, plan=plan)
    references = {
        "d = 0": reference.run(without_clamp(network), Stimulus(values), settings),
        "d = 1": reference.run(network, Stimulus(values), settings),
    }
    print(f"{len(values)} images, ANN {(ann == labels).mean():.1%}")
    print_accuracy(network, board, references, ann, labels)
    print_constant_reset(network, some, values, settings, peaks, labels)
    print_precision(plan, board)
    for name, recording in {"board": board, **references}.items():
        seconds = recording.timing["simulate"]
        print(f"{name}: {len(values) / seconds:.1f} images/s of {settings.steps} steps")


if __name__ == "__main__":
    main()
