"""Warnings: signs that a model or its data are wrong, though they can be used."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np

from spinn_convert.files.data import Dataset
from spinn_convert.model import fingerprint
from spinn_convert.model.host import ImageSequence
from spinn_convert.network.records import Network
from spinn_convert.results.report import Scores

SEEN = 100
"""Images of which the pixels are compared."""
MOST_IDLE = 0.2
"""Share of the channels that may have no activation on the calibration images."""
ENOUGH = 20
"""With fewer images, the ANN's accuracy is not compared with chance."""


def suspicions(dataset: Dataset, scores: Scores, classes: int, network: Network) -> tuple[str, ...]:
    """Return a sentence for everything that a user should check before believing the scores."""
    found: list[str] = []
    idle = sum(json.loads(network.made_from.get("floored", "{}")).values())
    channels = sum(p.shape[0] for p in network.spiking)
    if idle > MOST_IDLE * channels:
        found.append(
            f"{idle} of {channels} channels are hardly ever active on the calibration images: check"
            " that these are training images, scaled as in training"
        )
    found += _other_calibration(network, dataset.calibration)
    for name, images in (("images", dataset.images), ("calibration_images", dataset.calibration)):
        if len(images) and _constant(images):
            found.append(f"{name}: every pixel of the first {min(SEEN, len(images))} is the same")
    different = len(np.unique(dataset.labels)) > 1
    if different and len(dataset.labels) >= ENOUGH and scores.ann <= 1 / max(classes, 2):
        found.append(
            f"the ANN itself is right on {scores.ann:.1%} of the images, no better than chance:"
            " check that labels count from 0, and scale, mean and std"
        )
    return tuple(found)


def _other_calibration(network: Network, images: ImageSequence) -> Iterator[str]:
    """Yield that the images are not those that the network was calibrated on, or the first."""
    known = fingerprint.read(network)
    if known is None or not len(images):
        return
    here = fingerprint.of(images[: min(known.images, fingerprint.SEEN)])
    if known.sha256 != here.sha256:
        yield (
            f"the network was calibrated on other images than the {len(images)} of this data: mean"
            f" input {known.mean:.2f} against {here.mean:.2f}, standard deviation {known.std:.2f}"
            f" against {here.std:.2f}"
        )


def _constant(images: ImageSequence) -> bool:
    some = images[:SEEN]
    return bool((some == some.flat[0]).all())
