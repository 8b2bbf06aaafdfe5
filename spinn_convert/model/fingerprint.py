"""By which images a network was calibrated, so that others are noticed later."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

import cattrs
import numpy as np

from spinn_convert.model.host import ImageSequence
from spinn_convert.network.records import Network

KEY = "calibration"
"""Under which `Network.made_from` has it, as JSON."""
SEEN = 100
"""Images that are looked at."""


@dataclass(frozen=True)
class Fingerprint:
    """Of the calibration images: their number, and SHA-256, mean and deviation of the first SEEN.

    All of these are of the model's input, float32.
    """

    images: int
    sha256: str
    mean: float
    std: float


def of(images: ImageSequence) -> Fingerprint:
    """Return it for images (B, *image shape)."""
    some = np.ascontiguousarray(images[:SEEN], np.float32)
    digest = hashlib.sha256(some.tobytes()).hexdigest()
    return Fingerprint(len(images), digest, float(some.mean()), float(some.std()))


def as_text(found: Fingerprint) -> str:
    """Return what `read` takes."""
    return json.dumps(asdict(found))


def read(network: Network) -> Fingerprint | None:
    """Return it of the images that a network was calibrated on; None if its file does not say."""
    text = network.made_from.get(KEY)
    return None if text is None else cattrs.structure(json.loads(text), Fingerprint)
