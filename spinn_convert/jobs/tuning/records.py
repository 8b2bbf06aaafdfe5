"""What tuning tries, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from spinn_convert.conversion.method import Method
from spinn_convert.jobs.recipe import Recipe
from spinn_convert.linear.ops import Floats
from spinn_convert.network.records import Network
from spinn_convert.network.timing import ReadOut
from spinn_convert.results import report

SMOOTHED = 8
"""Time steps that agreement is averaged over."""


@dataclass(frozen=True)
class Scaling:
    """One way to scale, with ReLU1's accuracy and its agreement with the ANN, as fractions."""

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
    """A way while images are added: outputs (B, T, N) after every step, and events per step."""

    method: Method
    read_out: ReadOut
    network: Network
    logits: Floats = field(default_factory=lambda: np.zeros((0, 0, 0), np.float32))
    events: float = 0.0

    def extended(self, logits: Floats, events: float) -> Trial:
        """Return the trial with more images."""
        both = np.concatenate([self.logits, logits]) if len(self.logits) else logits
        return replace(self, logits=both, events=self.events + events)


@dataclass(frozen=True, eq=False)
class Way:
    """One way to simulate; scores after every step, and synaptic events per image and step.

    copied: how many layers have copies. images: how many were simulated; fewer where a way was
    dropped early.
    """

    method: Method
    read_out: ReadOut
    depth: int
    copied: int
    neurons: int
    scores: report.Scores
    events_per_step: float
    images: int

    def steps(self, agreement: float) -> int | None:
        """Return after how many steps the SNN has agreed so often with the ANN for SMOOTHED steps.

        On their mean: of a few hundred images, one whose two best logits are alike flickers for
        long, and a step at which agreement stays above a limit would say more about that image.
        """
        mean = np.ones(SMOOTHED) / SMOOTHED
        recent = np.convolve(self.scores.agreement_by_step, mean, "valid")
        enough = np.flatnonzero(recent >= agreement)
        return int(enough[0]) + SMOOTHED if len(enough) else None

    @property
    def name(self) -> str:
        """What the way is called in pictures."""
        method = self.method
        copies = f", {self.copied} layers copied" if self.copied else ""
        return f"d = {method.clamp_delay}, V {method.potentials}{copies}, read {self.read_out}"


@dataclass(frozen=True, eq=False)
class Tuned:
    """All that was tried, and the recipe to take; ann: accuracy on the same images.

    images: how many ReLU1 was judged on; simulated: how many the ways were.
    """

    ann: float
    images: int
    simulated: int
    scalings: tuple[Scaling, ...]
    ways: tuple[Way, ...]
    recipe: Recipe
