"""Tuning of detectors: mAP, and how many boxes SNN and ANN have in common.

Calibration images come without boxes, so what the ANN is sure of counts as the truth.
"""

from __future__ import annotations

import numpy as np

from spinn_convert.backends.reference import backend as reference
from spinn_convert.errors import DataError, Problem
from spinn_convert.files.scenes import Truth
from spinn_convert.jobs.detect import EVERY
from spinn_convert.jobs.prepare import Prepared
from spinn_convert.jobs.tuning.records import Answers, Curve, Events, Kind, Known, Trial
from spinn_convert.linear.ops import Floats
from spinn_convert.model.detector import Detections
from spinn_convert.model.load import Model
from spinn_convert.network.recording import Progress, Settings, Stimulus, Watch, silent
from spinn_convert.network.records import Network
from spinn_convert.network.timing import STEPS_OF_DETECTOR
from spinn_convert.results.detection import decode, scores

LOSSES, AGREEMENTS = (0.1, 0.05), (0.95, 0.9)
SMOOTHED = 3
"""Scores around a step that are averaged: a box is half a percent of those of some dozen images."""
TOLERANCE = 0.03
"""With percentile 99.99, ReLU1 finds 97.6 % of the boxes of the example's calibration images, with
100 all of them; but 95 % are the SNN's after 115 steps with the former, 125 with the latter."""
ROOM = 1e9
"""Bytes of potentials that are kept at a time; more images are simulated in turn."""


def steps(depth: int, clamp_delay: int) -> int:
    """Return as many steps for any clamp delay: agreement grows for long, so that more were better.

    With the longest, d = 2, as many remain behind the release as a run has without a clamp.
    """
    return 3 * depth + STEPS_OF_DETECTOR


def answers(
    prepared: Prepared, images: Floats, watch: Watch
) -> tuple[list[Detections], list[Truth]]:
    """Return what the ANN finds, and of that what it is sure of, as the truth.

    Raises DataError if that is nothing.
    """
    model, threads = prepared.model, prepared.source.threads
    ann = decode.ann_detections(model, decode.heads_of(model), images, threads, watch("ANN"))
    truth = [_truth(found, images.shape[-2:]) for found in ann]
    if not any(len(scene.labels) for scene in truth):
        what = f"the ANN finds nothing with a score of {scores.SURE} on {len(images)} of them"
        fix = "check how pixels are scaled, or give images like those it was trained on"
        raise DataError([Problem("calibration images", what, fix)])
    return ann, truth


def _truth(found: Detections, size: tuple[int, ...]) -> Truth:
    sure = found.scores >= scores.SURE
    rows, columns = size
    none = np.zeros(int(sure.sum()), bool)
    return Truth(found.boxes[sure], found.labels[sure], none, (rows, columns))


def right(model: Model, found: Answers, known: Known) -> float:
    """Return the mAP of what was found on each image."""
    return scores.precision(found, known.truth).map


def relu1(model: Model, network: Network, known: Known, threads: int) -> tuple[float, float]:
    """Return the mAP of ReLU1, and the share of boxes that it has in common with the ANN."""
    run = decode.decoder(model, decode.heads_of(model), network, threads)
    found = decode.rate_detections(network, known.values, known.images, run, threads, silent)
    return right(model, found, known), scores.agreement(found, known.ann)


def simulated(
    model: Model, trial: Trial, some: Known, until: int, threads: int, progress: Progress
) -> tuple[list[list[Detections]], Events]:
    """Return what the SNN finds after each step that is scored (B, S), and events (T,).

    Of the potentials, only those after these steps are kept, of a few images at a time.
    """
    network, read_out, count = trial.network, trial.read_out, len(some.images)
    scored, needed = decode.sampled_steps(network, until, read_out, EVERY)
    settings = Settings(until, threads, sampled=needed)
    run = decode.decoder(model, decode.heads_of(model), network, threads)
    at_once = max(threads, int(ROOM / (4 * len(needed) * sum(p.size for p in network.readouts))))
    found: list[list[Detections]] = []
    events = np.zeros(until)
    for begin in range(0, count, at_once):
        part = some.part(begin, begin + at_once)

        def shown(done: int, total: int, begin: int = begin) -> None:
            progress(begin + done, count)

        recording = reference.run(network, Stimulus(part.values), settings, shown)
        events += recording.events_of_all
        found += decode.snn_detections(
            network, recording, part.images, run, read_out, scored, silent
        )
    return found, events


def curve(model: Model, trial: Trial, some: Known, until: int) -> Curve:
    """Return the scores after every EVERY steps."""
    scored, _ = decode.sampled_steps(trial.network, until, trial.read_out, EVERY)
    by_step = list(zip(*trial.found))
    found = np.array([right(model, step, some) for step in by_step])
    alike = np.array([scores.agreement(step, some.ann) for step in by_step])
    ann = right(model, some.ann, some)
    near = {loss: scores.lasting(scored, smoothed(found), (1 - loss) * ann) for loss in LOSSES}
    shared = {wanted: scores.lasting(scored, smoothed(alike), wanted) for wanted in AGREEMENTS}
    return Curve(scored, found, alike, near, shared)


def smoothed(values: Floats) -> list[float]:
    """Return the means of SMOOTHED values around each (S,); of fewer at both ends."""
    sums, counts = (
        np.convolve(v, np.ones(SMOOTHED), "same") for v in (values, np.ones_like(values))
    )
    return [float(mean) for mean in sums / counts]


DETECTORS = Kind(
    score="mAP",
    percent="",
    says="calibration images come without boxes: mAP is measured on those that the ANN finds with"
    f" a score of {scores.SURE} or more",
    alike="boxes alike with the ANN's",
    losses=LOSSES,
    agreements=AGREEMENTS,
    held=f"from then on, mean of {SMOOTHED} scores, one every {EVERY} steps",
    both=True,
    tolerance=TOLERANCE,
    every=EVERY,
    first=16,
    rate=0.06,  # of the example, with copies
    products_per_second=1.5e9,
    scored_per_second=150,
    steps=steps,
    answers=answers,
    right=right,
    relu1=relu1,
    simulated=simulated,
    curve=curve,
)
