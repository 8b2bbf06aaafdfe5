"""What the errors of the layers mean, in words: a cause, and what to do about it.

Every rule here is tried on a network that is spoiled in that way (tests/results/layers).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from spinn_convert.linear.ops import Floats
from spinn_convert.results.layers.measure import Layer

SMALL_LOSS = 0.01
"""Share of the images on which another answer is not worth a finding."""
LARGE_LOSS = 0.05
"""The same where no cause is found: a detector at its best finds 2 to 5 % of its boxes otherwise,
and the least certain of 20 images may change its class."""
LARGE_ERROR = 0.1
"""Of the outputs, as a share of their standard deviation, which changes the least certain answers,
though perhaps none of those that are looked at. The example has 0.02."""
FEW_ACTIVE = 0.01
"""Share of neurons below which a layer counts as dead in the ANN."""
MOST_SILENT = 0.5
"""Share of the neurons that are active in the ANN, from which on a silent layer is named."""
TOO_QUIET = 0.1
"""Spikes that such a layer fires at most, as a share of those that its activations ask for."""
MUCH_CLIPPED, BEYOND_CHANCE = 0.002, 4
"""Share of clipped activations that is named; and how many times as many as the percentile leaves
out mean that the calibration images are others."""
OTHER_MEAN, OTHER_SPREAD = 0.25, 1.4
"""Difference of two means, in standard deviations, and ratio of two of these, from which on images
count as different. Two draws of 50 images of one data set differ by 0.1 and 1.1."""
WORSE_THAN_LATER = 1.5
"""Times the error of the outputs after many more steps, from which on the steps are too few."""
WORSE_BY_INTEGERS = 1.5
"""Times the error of exact arithmetic, from which on a board's integers are named."""


@dataclass(frozen=True)
class Cut:
    """The ANN behind `layer` computes from the SNN's rates (`hybrid`); None: from the image.

    agreement: share of the images with the ANN's answer. error: of the outputs, root mean square,
    as a share of their standard deviation.
    """

    layer: str | None
    agreement: float
    error: float


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation of the model's input over some images."""

    mean: float
    std: float


@dataclass(frozen=True, eq=False)
class Evidence:
    """What was measured on some images.

    layers, cuts: in topological order. agreement, errors: of the SNN's outputs after each number of
    steps `at` (S,), which has `steps`, for which the network is run, and ends there or later.
    relu1, relu1_error: agreement of the network with rates instead of spikes, and error of its
    outputs. percentile: of its scales, if any.
    test, calibration: the images, and those that the network was calibrated on, None if unknown.
    exact: the same layers without a board's integers, and `exact_error` of its outputs after
    `steps`; None elsewhere. zeroed: share of weights that a board rounds to zero, by population.
    """

    layers: Sequence[Layer]
    cuts: Sequence[Cut]
    at: tuple[int, ...]
    agreement: Floats
    errors: Floats
    steps: int
    relu1: float
    relu1_error: float
    percentile: float | None
    test: Spread
    calibration: Spread | None
    exact: Sequence[Layer] | None = None
    exact_error: float | None = None
    zeroed: Mapping[str, float] = field(default_factory=dict)

    @property
    def now(self) -> Cut:
        """The outputs of the spiking network after `steps`."""
        which = int(np.searchsorted(self.at, self.steps, "right")) - 1
        return Cut(None, float(self.agreement[which]), float(self.errors[which]))


@dataclass(frozen=True)
class Finding:
    """Something that costs agreement. cause: one word. what: where, and how much. fix: to do."""

    cause: str
    what: str
    fix: str


def findings(seen: Evidence) -> tuple[Finding, ...]:
    """Return what costs agreement, the surest causes first; nothing if all is well."""
    causes = (_other, _dead, _silent, _clipped, _integers, _steps)
    found = [finding for cause in causes for finding in cause(seen)]
    if not found and 1 - seen.now.agreement > LARGE_LOSS:
        what = f"agreement is {seen.now.agreement:.1%}; {lost_at(seen.cuts)}"
        fix = "look for settings with `spinn-convert tune`"
        found.append(Finding("unknown", what, fix))
    return tuple(found)


def lost_at(cuts: Sequence[Cut]) -> str:
    """Return in words where the error of the outputs grows most."""
    grown = [after.error - before.error for before, after in pairwise(cuts)]
    worst = int(np.argmax(grown))
    before, after = cuts[worst], cuts[worst + 1]
    return (
        f"the outputs get worse most between {before.layer or 'the image'} and {after.layer}: their"
        f" error grows from {before.error:.1%} to {after.error:.1%}, and the ANN that goes on from"
        f" there keeps its own answer on {after.agreement:.0%} of the images, after"
        f" {before.agreement:.0%}"
    )


def _other(seen: Evidence) -> Iterator[Finding]:
    """Yield that the network is not what the ONNX file makes: without spikes, both are the same."""
    alone = seen.cuts[0].agreement
    if 1 - alone > SMALL_LOSS:
        what = (
            "the network computes another function than the ONNX file: without spikes and clipping"
            f" it gives the ANN's answer on {alone:.0%} of the images"
        )
        yield Finding(
            "network", what, "convert again: the network was changed after its conversion"
        )


def _dead(seen: Evidence) -> Iterator[Finding]:
    for layer in seen.layers:
        if layer.active < FEW_ACTIVE:
            what = (
                f"{layer.name} is zero in the ANN itself, in {1 - layer.active:.0%} of its places"
            )
            fix = "check the weights of this layer, and that pixels are scaled as in training"
            yield Finding("dead", what, fix)
            return


def _silent(seen: Evidence) -> Iterator[Finding]:
    for layer in seen.layers:
        quiet = layer.rate < TOO_QUIET * min(layer.activation, 1)
        if layer.active >= FEW_ACTIVE and quiet and layer.silent > MOST_SILENT:
            what = (
                f"{layer.name} does not fire: {layer.silent:.0%} of the neurons that are active in"
                f" the ANN stay silent, and its largest activation is {layer.largest:.2g} of its"
                " scale, which stands for one spike per step"
            )
            fix = "convert again: its scale, bias or initial potentials do not fit the weights"
            yield Finding("silent", what, fix)
            return


def _clipped(seen: Evidence) -> Iterator[Finding]:
    """Yield what is wrong with the scales: images of another kind, or a low percentile."""
    worst = max(seen.layers, key=lambda layer: layer.clipped)
    harmful = 1 - seen.relu1 > SMALL_LOSS or seen.relu1_error > LARGE_ERROR
    much = worst.clipped > MUCH_CLIPPED and harmful
    others = seen.calibration is not None and _differ(seen.test, seen.calibration)
    expected = None if seen.percentile is None else 1 - seen.percentile / 100
    beyond = expected is None or worst.clipped > BEYOND_CHANCE * expected
    clips = f"{worst.name} clips {worst.clipped:.1%} of its activations"
    if others or (much and beyond):
        pixels = ""
        if seen.calibration is not None:
            pixels = (
                f": mean input {seen.calibration.mean:.2f} against {seen.test.mean:.2f}, standard"
                f" deviation {seen.calibration.std:.2f} against {seen.test.std:.2f}"
            )
        what = f"the calibration images differ from the test images{pixels}"
        if much:
            left = "" if expected is None else f" where the percentile leaves out {expected:.2%}"
            what += f"; {clips}{left}"
        yield Finding(
            "calibration", what, "calibrate on training images, scaled as the test images"
        )
    elif much:
        what = f"{clips}: the percentile is {seen.percentile:g}"
        fix = "raise it, such as --set percentile=99.95, or let `spinn-convert tune` choose"
        yield Finding("percentile", what, fix)


def _differ(a: Spread, b: Spread) -> bool:
    small, large = sorted((a.std, b.std))
    return abs(a.mean - b.mean) > OTHER_MEAN * large or large > OTHER_SPREAD * small


def _integers(seen: Evidence) -> Iterator[Finding]:
    if seen.exact is None or seen.exact_error is None:
        return
    error = seen.now.error
    if error <= WORSE_BY_INTEGERS * seen.exact_error:
        return
    more = [ours.error - exact.error for ours, exact in zip(seen.layers, seen.exact)]
    layer = seen.layers[_first_large(more)]
    zeroed = seen.zeroed.get(layer.name, 0)
    lost = f", where {zeroed:.0%} of the weights become zero" if zeroed > 0.001 else ""
    what = (
        f"a board's integers make the outputs err by {error:.0%} instead of {seen.exact_error:.0%},"
        f" first in {layer.name}{lost}"
    )
    fix = (
        "a few large weights or inputs take the range that all others share: retrain with weight"
        " decay, or scale the channels of that layer alike"
    )
    yield Finding("integers", what, fix)


def _first_large(more: Sequence[float]) -> int:
    """Return the first place with more than half of the largest value."""
    return next(i for i, value in enumerate(more) if value >= max(more) / 2)


def _steps(seen: Evidence) -> Iterator[Finding]:
    now, later = seen.now.agreement, float(seen.agreement[-1])
    worse = seen.now.error > WORSE_THAN_LATER * seen.errors[-1]
    if not worse or later - now <= SMALL_LOSS:
        return
    settled = (seen.agreement >= later - SMALL_LOSS / 2) & (
        seen.errors <= WORSE_THAN_LATER * seen.errors[-1]
    )
    short = np.flatnonzero(~settled)
    enough = seen.at[int(short[-1]) + 1]
    what = (
        f"{seen.steps} steps are too few: agreement is {now:.1%}, after {enough} it is {later:.1%}"
    )
    yield Finding("steps", what, f"give --steps {enough}")
