"""Where SNN and ANN answer differently, image by image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinn_convert.linear.ops import Floats
from spinn_convert.model.classes import number, predictions
from spinn_convert.model.host import ImageSequence

MOST_PAIRS, MOST_IMAGES = 20, 12
"""Pairs of classes and single images that are shown."""
PAIRS = ("SNN and ANN", "SNN and labels", "ANN and labels")


@dataclass(frozen=True, eq=False)
class Answers:
    """Outputs for B images: of the SNN after each step (B, T, N), of the ANN (B, N).

    labels: (B,). threshold: of a single output, see `model.classes`. images: (B, *image shape).
    names: of the classes; none for their numbers.
    """

    snn: Floats
    ann: Floats
    labels: NDArray[np.int64]
    threshold: float
    images: ImageSequence
    names: tuple[str, ...] = ()

    @property
    def classes(self) -> int:
        """Number of classes."""
        return number(self.ann.shape[1])

    def name(self, label: int) -> str:
        """Return what a class is called."""
        return self.names[label] if self.names else str(label)

    @property
    def by_step(self) -> NDArray[np.int64]:
        """Class that the SNN answers after each step (B, T)."""
        return predictions(self.snn, self.threshold)

    @property
    def known(self) -> NDArray[np.int64]:
        """Class that the ANN answers (B,)."""
        return predictions(self.ann, self.threshold)

    def pair(self, name: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the two classes of every image that one of PAIRS compares."""
        last = self.by_step[:, -1]
        return {
            "SNN and ANN": (last, self.known),
            "SNN and labels": (last, self.labels),
            "ANN and labels": (self.known, self.labels),
        }[name]


def confused(answers: Answers) -> list[tuple[int, int, int]]:
    """Return the pairs (SNN's class, ANN's class, images) that differ, the most frequent first."""
    first, second = answers.pair(PAIRS[0])
    pairs, counts = np.unique(
        np.stack([first, second], 1)[first != second], axis=0, return_counts=True
    )
    order = np.argsort(-counts, kind="stable")[:MOST_PAIRS]
    return [(int(pairs[i, 0]), int(pairs[i, 1]), int(counts[i])) for i in order]


def worth_a_look(answers: Answers) -> NDArray[np.int64]:
    """Return the images on which SNN and ANN disagree, then those that took longest to agree."""
    different = answers.by_step != answers.known[:, None]
    steps = different.shape[1]
    last = np.where(different.any(1), steps - different[:, ::-1].argmax(1), 0)
    order = np.argsort(-last, kind="stable")
    return np.asarray(order[last[order] > 0][:MOST_IMAGES], np.int64)
