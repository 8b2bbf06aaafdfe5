"""Tuning of classifiers: accuracy, and how often SNN and ANN say the same class."""

from __future__ import annotations

import numpy as np

from spinn_convert.backends.reference import backend as reference
from spinn_convert.jobs.prepare import Prepared, labelled
from spinn_convert.jobs.tuning.records import Answers, Curve, Events, Kind, Known, Trial
from spinn_convert.linear.ops import Floats
from spinn_convert.model import host
from spinn_convert.model.classes import predictions, threshold
from spinn_convert.model.load import Model
from spinn_convert.network.recording import Progress, Settings, Stimulus, Watch, silent
from spinn_convert.network.records import Network
from spinn_convert.results import decode, report

SMOOTHED = 8
"""Time steps that agreement is averaged over."""
STEPS_BEHIND_RELEASE = 64
LOSSES, AGREEMENTS = (0.02, 0.01, 0.005), (0.99, 0.98)


def steps(depth: int, clamp_delay: int) -> int:
    """Return so many steps that the output is read for as long with any clamp delay."""
    return (1 + clamp_delay) * depth + STEPS_BEHIND_RELEASE


def answers(prepared: Prepared, images: Floats, watch: Watch) -> tuple[Answers, Answers]:
    """Return the ANN's logits (B, classes), and labels (B,): its own where there are none."""
    model, threads = prepared.model, prepared.source.threads
    given = labelled(prepared, "tuned so").calibration_labels
    ann = host.logits(model, images, threads, watch("ANN"))
    return ann, predictions(ann, threshold(model)) if given is None else given[: len(images)]


def right(model: Model, logits: Answers, known: Known) -> float:
    """Return the accuracy of logits (B, classes)."""
    return float((predictions(logits, threshold(model)) == known.truth).mean())


def relu1(model: Model, network: Network, known: Known, threads: int) -> tuple[float, float]:
    """Return the accuracy of ReLU1, and how often it says what the ANN says."""
    logits = decode.decoder(model, network, threads)
    found = decode.relu1_logits(network, known.values, known.images, logits, threads, silent)
    said, ann = (predictions(o, threshold(model)) for o in (found, known.ann))
    return right(model, found, known), float((said == ann).mean())


def simulated(
    model: Model, trial: Trial, some: Known, until: int, threads: int, progress: Progress
) -> tuple[Floats, Events]:
    """Return the SNN's outputs (B, T, classes) after every step, and events (T,)."""
    network, settings = trial.network, Settings(until, threads)
    recording = reference.run(network, Stimulus(some.values), settings, progress)
    logits = decode.decoder(model, network, threads)
    snn = decode.snn_logits(network, recording, some.images, logits, trial.read_out, silent)
    return snn, recording.events_of_all


def curve(model: Model, trial: Trial, some: Known, until: int) -> Curve:
    """Return the scores after every step."""
    ann, snn = some.ann, np.stack(trial.found)
    scores = report.score(snn, ann, ann, some.truth, threshold(model))
    return Curve(
        tuple(range(1, until + 1)),
        scores.snn_by_step,
        scores.agreement_by_step,
        {loss: scores.first_step_within(loss) for loss in LOSSES},
        {wanted: steps_to(scores.agreement_by_step, wanted) for wanted in AGREEMENTS},
    )


def steps_to(agreement: Floats, wanted: float) -> int | None:
    """Return after how many steps the SNN has agreed so often with the ANN for SMOOTHED steps.

    agreement: after every step, (T,). On their mean: of a few hundred images, one whose two best
    logits are alike flickers for long, and a step at which agreement stays above a limit would say
    more about that image.
    """
    recent = np.convolve(agreement, np.ones(SMOOTHED) / SMOOTHED, "valid")
    enough = np.flatnonzero(recent >= wanted)
    return int(enough[0]) + SMOOTHED if len(enough) else None


CLASSIFIERS = Kind(
    score="accuracy",
    percent="%",
    says="",
    alike="agrees with the ANN on",
    losses=LOSSES,
    agreements=AGREEMENTS,
    held=f"mean of {SMOOTHED} steps",
    both=False,  # labels may be the ANN's own, or wrong
    tolerance=0.001,
    every=1,
    first=1,
    rate=0.1,  # the ResNets of the examples have 0.07 to 0.13
    products_per_second=1e10,
    scored_per_second=np.inf,  # next to nothing beside a simulation
    steps=steps,
    answers=answers,
    right=right,
    relu1=relu1,
    simulated=simulated,
    curve=curve,
)
