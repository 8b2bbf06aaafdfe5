"""What tuning tries, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinn_convert.conversion.method import Method
from spinn_convert.jobs.prepare import Prepared
from spinn_convert.jobs.recipe import Recipe
from spinn_convert.linear.ops import Floats
from spinn_convert.model.load import Model
from spinn_convert.network.recording import Progress, Watch
from spinn_convert.network.records import Network
from spinn_convert.network.timing import ReadOut

Events = NDArray[np.float64]
"""Synaptic events of runs of 1, 2 ... T steps (T,)."""
Answers = Any
"""Logits, classes, detections or true boxes of B images: an array (B, ...) or a list."""


@dataclass(frozen=True, eq=False)
class Known:
    """B images, what the core gets for them (B, *input shape), and the answers, one per image.

    ann: what the ANN says. truth: what counts as right. Each as the kind of model has it.
    """

    images: Floats
    values: Floats
    ann: Answers
    truth: Answers

    def part(self, start: int, stop: int) -> Known:
        """Return some of the images."""
        some = slice(start, stop)
        return Known(self.images[some], self.values[some], self.ann[some], self.truth[some])


@dataclass(frozen=True, eq=False)
class Curve:
    """The SNN's scores after some steps, as fractions; S numbers of steps, ascending.

    scores: accuracy or mAP, (S,). agreement: with the ANN, (S,). near: how many steps it takes
    until the score is the ANN's, less a loss; by loss. alike: until it agrees so often; by
    agreement. None where it never does.
    """

    steps: tuple[int, ...]
    scores: Floats
    agreement: Floats
    near: Mapping[float, int | None]
    alike: Mapping[float, int | None]


@dataclass(frozen=True)
class Kind:
    """What differs between models that say classes and models that find boxes.

    score: what being right is called. percent: what stands behind it, in hundredths. says: what
    there is to say about it, or "". alike: what agreement with the ANN is called. losses: of the
    score, and agreements, to count steps until; the first agreement is wanted, or else the next.
    held: how agreement is counted, in words. both: whether ReLU1 is judged by the lower of its
    score and its agreement, not by its agreement alone. tolerance: of that; a lower percentile
    makes faster spikes, and is worth that much. every: steps between two scores. first: images at
    least that all ways are simulated on. rate: spikes per neuron and step, roughly.
    products_per_second: synapses times images of ReLU1; scored_per_second: images whose outputs of
    one step are scored; both by one idle core.
    """

    score: str
    percent: str
    says: str
    alike: str
    losses: tuple[float, ...]
    agreements: tuple[float, ...]
    held: str
    both: bool
    tolerance: float
    every: int
    first: int
    rate: float
    products_per_second: float
    scored_per_second: float
    steps: Callable[[int, int], int]
    """Return how many steps to simulate of a network of this depth, and with this clamp delay."""
    answers: Callable[[Prepared, Floats, Watch], tuple[Answers, Answers]]
    """Return what the ANN says about images (B, *image shape), and what counts as right."""
    right: Callable[[Model, Answers, Known], float]
    """Return the score, a fraction, of answers like those of the ANN."""
    relu1: Callable[[Model, Network, Known, int], tuple[float, float]]
    """Return ReLU1's score and its agreement with the ANN, on so many threads."""
    simulated: Callable[[Model, Trial, Known, int, int, Progress], tuple[Answers, Events]]
    """Simulate so many steps on so many threads; return for each image what the SNN says after the
    steps that are scored, and the synaptic events of all images in 1, 2 ... of the steps (T,)."""
    curve: Callable[[Model, Trial, Known, int], Curve]
    """Return the scores of a trial of so many steps, of which these are the images."""


@dataclass(frozen=True)
class Scaling:
    """One way to scale, with ReLU1's score and its agreement with the ANN, as fractions."""

    method: Method
    relu1: float
    agreement: float

    @property
    def name(self) -> str:
        """What the way is called in tables and pictures."""
        method = self.method
        return "MMSE" if method.thresholds == "mmse" else f"{method.percentile:g}"


@dataclass(frozen=True, eq=False)
class Trial:
    """A way while images are added: what the SNN says about each, and their events (T,)."""

    method: Method
    read_out: ReadOut
    network: Network
    found: tuple[Any, ...] = ()
    events: Events = field(default_factory=lambda: np.zeros(1))

    def extended(self, found: Iterable[Any], events: Events) -> Trial:
        """Return the trial with more images."""
        return replace(self, found=(*self.found, *found), events=self.events + events)


@dataclass(frozen=True, eq=False)
class Way:
    """One way to simulate, with its scores, and synaptic events per image in 1 ... T steps (T,).

    copied: how many layers have copies. images: how many were simulated; fewer where a way was
    dropped early.
    """

    method: Method
    read_out: ReadOut
    depth: int
    copied: int
    neurons: int
    curve: Curve
    events_within: Events
    images: int

    @property
    def name(self) -> str:
        """What the way is called in pictures."""
        method = self.method
        copies = f", {self.copied} layers copied" if self.copied else ""
        return f"d = {method.clamp_delay}, V {method.potentials}{copies}, read {self.read_out}"


@dataclass(frozen=True, eq=False)
class Tuned:
    """All that was tried, and the recipe to take; ann: the ANN's score on the same images.

    images: how many ReLU1 was judged on; simulated: how many the ways were.
    """

    kind: Kind
    ann: float
    images: int
    simulated: int
    scalings: tuple[Scaling, ...]
    ways: tuple[Way, ...]
    recipe: Recipe
