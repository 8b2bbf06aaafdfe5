"""Claim: --stop-when-sure takes a third of the paper's steps, at 99 % agreement with the ANN.

    python -m benchmarks.stop_when_sure examples/resnet18.onnx

10,000 test images of Fashion-MNIST, everything chosen on other images. The default conversion,
whose images end when the network is sure, beside `paper`: with the number of steps after which it
agrees with the ANN on 99 % of the test images, and with the same stop. Steps are counted from the
output's depth, as the paper counts them; events are of spikes that were fired, and for a fixed
number of steps of those that can still reach the output. The limits are those of ResNet-18;
ResNet-34 keeps agreement, accuracy and steps of the stop, but takes 1.4 times the paper's events.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import spinn_convert as sc
from benchmarks import ROOT
from benchmarks.common import Claim, at_least, at_most, parser_of, settle
from spinn_convert.errors import ConversionError
from spinn_convert.results.report import Scores

sys.path.insert(0, str(ROOT / "examples"))
import datasets

CALIBRATION, MOST_STEPS = 2_000, 60


@dataclass(frozen=True)
class Result:
    """Scores on the test images; mean steps behind the depth, and millions of events, per image."""

    scores: Scores
    steps: float
    events: float


def stopped(
    model: sc.Model,
    method: str | sc.Method,
    options: argparse.Namespace,
    images: tuple[np.ndarray, ...],
) -> Result | None:
    """Return what a method does if images end when the network is sure; None if no bound does."""
    calibration, shown, labels = images
    network = sc.convert(model, calibration, method, options.threads)
    try:
        network = sc.with_stop(model, network, calibration, threads=options.threads)
    except ConversionError as error:
        print(f"{method}: {error}")
        return None
    values = model.core_input(shown, options.threads)
    found = sc.run(network, values, threads=options.threads, stop_when_sure=True)
    scores = sc.score(model, network, found, shown, labels, threads=options.threads)
    mean = float(found.taken.mean()) - network.depth
    return Result(scores, mean, float(found.synaptic_events.mean()) / 1e6)


def fixed(
    model: sc.Model, method: str, options: argparse.Namespace, images: tuple[np.ndarray, ...]
) -> Result:
    """Return what a method does with the least number of steps that agrees on 99 %."""
    calibration, shown, labels = images
    network = sc.convert(model, calibration, method, options.threads)
    steps = network.readouts[0].release + MOST_STEPS
    values = model.core_input(shown, options.threads)
    found = sc.run(network, values, steps=steps, threads=options.threads)
    scores = sc.score(model, network, found, shown, labels, threads=options.threads)
    enough = scores.steps_to_agreement(0.99) or steps
    events = float(found.events_of_all[enough - 1]) / len(shown) / 1e6
    return Result(scores, enough - network.depth, events)


def claims(options: argparse.Namespace) -> Iterator[Claim]:
    """Simulate default and paper; compare."""
    data = datasets.fashion_mnist()
    held_out = datasets.held_out_part(data)[0][:CALIBRATION]
    shown, labels = data.test_images[: options.test], data.test_labels[: options.test].astype(int)
    images = datasets.normalise(held_out, data), datasets.normalise(shown, data), labels
    model = sc.load(options.model)
    paper = fixed(model, "paper", options, images)
    print(f"paper: 99 % after {paper.steps:.0f} steps, {paper.events:.1f} M events")
    plain = fixed(model, "default", options, images)
    print(f"default: 99 % after {plain.steps:.0f} steps, {plain.events:.1f} M events")
    ours = stopped(model, "default", options, images)
    if ours is None:
        raise SystemExit(1)
    scores = ours.scores
    print(
        f"default, when sure: {ours.steps:.1f} steps, {ours.events:.1f} M events,"
        f" agreement {scores.agreement:.2%}, accuracy {scores.snn:.2%}, ANN {scores.ann:.2%}"
    )
    yield at_least("agreement with the ANN", scores.agreement, 0.99)
    yield at_least("accuracy beside the ANN's", scores.snn - scores.ann, -0.002)
    yield at_most("steps beside paper's", ours.steps / paper.steps, 0.33)
    yield at_most("events beside paper's", ours.events / paper.events, 1.1)
    yield at_most(
        "default's steps beside paper's, the same for all", plain.steps / paper.steps, 0.65
    )
    yield at_most("its events beside paper's", plain.events / paper.events, 1)
    few = stopped(model, replace(sc.Method(), copied_layers=1), options, images)
    if few is not None:
        print(
            f"copies of the first layer, when sure: {few.steps:.1f} steps, {few.events:.1f} M"
            f" events, agreement {few.scores.agreement:.2%}, accuracy {few.scores.snn:.2%}"
        )
        yield at_least("agreement with copies of the first layer", few.scores.agreement, 0.99)
        yield at_most("events with them beside paper's", few.events / paper.events, 0.7)
    same = stopped(model, "paper", options, images)
    if same is not None:
        print(
            f"paper, when sure: {same.steps:.1f} steps, {same.events:.1f} M events,"
            f" agreement {same.scores.agreement:.2%}, accuracy {same.scores.snn:.2%}"
        )
        yield at_most("steps beside paper's with the stop", ours.steps / same.steps, 0.5)
        if few is not None:
            less = few.events / same.events
            yield at_most("events beside paper's with the stop, copies as before", less, 0.9)


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    parser = parser_of(__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--test", type=int, default=10_000, help="images")
    parser.add_argument("--threads", type=int, default=2)
    return settle(claims(parser.parse_args(words)))


if __name__ == "__main__":
    sys.exit(main())
