"""What is studied: a network beside its model on a few images, and how answers are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from spinn_convert.linear.ops import Floats
from spinn_convert.model import host
from spinn_convert.model.classes import predictions, threshold
from spinn_convert.model.detector import kind_of
from spinn_convert.model.load import Model
from spinn_convert.network import readout
from spinn_convert.network.recording import Recording, silent
from spinn_convert.network.records import Network
from spinn_convert.network.timing import ReadOut
from spinn_convert.results import decode
from spinn_convert.results.detection import decode as boxes
from spinn_convert.results.detection import scores

SCORED = 24
"""Numbers of steps after which the answers of a detector are looked at, at most."""

Outputs = Mapping[str, Floats]
"""Activations of the readouts (B, *shape) by name, in units of the ANN."""
Judge = Callable[[Outputs], float]
"""Returns the share of the images with the ANN's answer; of a detector, how alike boxes are."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A network beside its model on B images.

    images: (B, *image shape). values: the network's input for them, and others: for calibration
    images, on which a board's numbers are sized, (n, *input shape), None for no board. read_out:
    how the outputs are read. threads: of the CPU.
    """

    model: Model
    network: Network
    images: Floats
    values: Floats
    others: Floats | None
    read_out: ReadOut
    threads: int


def judge(subject: Subject) -> Judge:
    """Return the function that compares outputs for the subject's images with the ANN's answers."""
    model, network, images, threads = (
        subject.model,
        subject.network,
        subject.images,
        subject.threads,
    )
    if kind_of(model) != "classifier":
        heads = boxes.heads_of(model)
        known = boxes.ann_detections(model, heads, images, threads, silent)
        find = boxes.decoder(model, heads, network, threads)
        return lambda outputs: scores.agreement(find(outputs, images), known)
    limit = threshold(model)
    classes = predictions(host.logits(model, images, threads), limit)
    logits = decode.decoder(model, network, threads)
    return lambda outputs: float((predictions(logits(outputs, images), limit) == classes).mean())


def scored_steps(subject: Subject, steps: int) -> tuple[int, ...]:
    """Return after how many steps answers are looked at: all, or some of a detector's."""
    if kind_of(subject.model) == "classifier":
        return tuple(range(1, steps + 1))
    released = max(population.release for population in subject.network.readouts)
    found = np.linspace(min(released + 1, steps), steps, SCORED).astype(int)
    return tuple(sorted(set(found.tolist())))


def kept_steps(subject: Subject, steps: int) -> tuple[int, ...] | None:
    """Return after how many steps potentials are kept; None for all."""
    if kind_of(subject.model) == "classifier":
        return None
    scored = scored_steps(subject, steps)
    return readout.needed(subject.network, scored, subject.read_out, steps)


def outputs_after(subject: Subject, recording: Recording, at: tuple[int, ...]) -> list[Outputs]:
    """Return the outputs of the spiking network after each of some numbers of steps."""
    steps, images = recording.settings.steps, len(recording.synaptic_events)
    kept = recording.settings.sampled or tuple(range(1, steps + 1))
    found: list[dict[str, Floats]] = [{} for _ in at]
    for output in subject.network.readouts:
        begins = readout.starts(subject.read_out, output.release, steps)
        potentials = recording.readout[output.name]
        active = np.stack(
            [
                readout.sampled(potentials[image], kept, at, begins, output.release)
                for image in range(images)
            ]
        )
        for number, some in enumerate(found):
            some[output.name] = active[:, number]
    return list(found)


def error_beside(outputs: Outputs, right: Outputs) -> float:
    """Return the root mean square of the outputs' error over their standard deviation, averaged."""
    shares = [
        float(np.sqrt(np.square(outputs[name] - values).mean()) / max(values.std(), 1e-12))
        for name, values in right.items()
    ]
    return float(np.mean(shares))
