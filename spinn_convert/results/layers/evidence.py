"""Measure on a few images all that `findings` looks at."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from spinn_convert import backends
from spinn_convert.linear.ops import Floats
from spinn_convert.linear.threads import torch_threads
from spinn_convert.model import fingerprint
from spinn_convert.network import rate
from spinn_convert.network.copies import merged
from spinn_convert.network.recording import (
    Progress,
    Recording,
    Settings,
    Stimulus,
    Watch,
    unwatched,
)
from spinn_convert.network.records import Network, neurons
from spinn_convert.results.layers.findings import Cut, Evidence, Spread
from spinn_convert.results.layers.hybrid import outputs_behind
from spinn_convert.results.layers.measure import Layer, Study, study
from spinn_convert.results.layers.subject import (
    Subject,
    error_beside,
    judge,
    kept_steps,
    outputs_after,
    scored_steps,
)

MOST_IMAGES, MOST_SPIKES, MOST_OF_ONE = 20, 3e7, 1e8
"""Images studied at most, and spikes of all of them, or of one if that has more. Each takes 12
bytes and a sort."""
LARGEST_RATE = 0.15
"""Spikes per neuron and step from which their number is estimated, as in `conversion.steps`."""
LATER = 2
"""Times as many steps show whether more of them help."""


@dataclass(frozen=True, eq=False)
class Studied:
    """What was measured; recording: with the spikes of all populations."""

    evidence: Evidence
    layers: Study
    recording: Recording


def images_to_study(network: Network, steps: int) -> int:
    """Return how many images a study takes, by the memory for their spikes; 0: not even one."""
    spikes = LARGEST_RATE * steps * neurons(network)
    return int(np.clip(MOST_SPIKES / spikes, spikes < MOST_OF_ONE, MOST_IMAGES))


def backend_to_study(backend: str) -> str:
    """Return the simulator that gives the spikes of all layers: a board's arithmetic, or floats."""
    return "spinnaker-integers" if backend in backends.BOARDS else "reference"


def gather(
    subject: Subject, backend: str, steps: int, later: int, watch: Watch = unwatched
) -> Studied:
    """Simulate the images for `steps` steps, recording all spikes, and for `later` without.

    backend: of `backend_to_study`. Raises BackendError where it cannot run the network.
    """
    network, threads, agreement = subject.network, subject.threads, judge(subject)
    recording = _recorded(subject, backend, steps, watch("spikes of all layers"))
    found = study(network, subject.values, recording, subject.read_out, threads)
    progress = watch("layer by layer")
    behind = list(outputs_behind(network, subject.values, found.rates, threads, progress))
    ann = behind[0][1]
    curve = recording
    if later > steps:
        curve = _simulated(subject, backend, later, (), watch("more steps"))
    exact, exact_error = _without_rounding(subject, backend, steps, ann, watch)
    at = scored_steps(subject, later)
    over_time = outputs_after(subject, curve, at)
    with torch_threads(threads):
        (relu1,) = rate.rates(merged(network), subject.values, clip=True)
    evidence = Evidence(
        layers=found.layers,
        cuts=[
            Cut(layer, agreement(outputs), error_beside(outputs, ann)) for layer, outputs in behind
        ],
        at=at,
        agreement=np.array([agreement(outputs) for outputs in over_time]),
        errors=np.array([error_beside(outputs, ann) for outputs in over_time]),
        steps=steps,
        relu1=agreement(relu1),
        relu1_error=error_beside(relu1, ann),
        percentile=json.loads(network.made_from.get("method", "{}")).get("percentile"),
        test=Spread(float(subject.images.mean()), float(subject.images.std())),
        calibration=_calibrated_on(network),
        exact=exact,
        exact_error=exact_error,
        zeroed=recording.details.get("weights rounded to zero", {}),
    )
    return Studied(evidence, found, recording)


def _recorded(subject: Subject, backend: str, steps: int, progress: Progress) -> Recording:
    everything = tuple(population.name for population in subject.network.spiking)
    return _simulated(subject, backend, steps, everything, progress)


def _simulated(
    subject: Subject, backend: str, steps: int, record: tuple[str, ...], progress: Progress
) -> Recording:
    sampled = kept_steps(subject, steps)
    settings = Settings(steps, subject.threads, record, sampled=sampled)
    stimulus = Stimulus(subject.values, subject.others)
    return backends.find(backend).run(subject.network, stimulus, settings, progress)


def _without_rounding(
    subject: Subject, backend: str, steps: int, ann: dict[str, Floats], watch: Watch
) -> tuple[tuple[Layer, ...] | None, float | None]:
    """Return the layers and the outputs' error without a board's integers, None for none."""
    if backend == "reference":
        return None, None
    exact = _recorded(subject, "reference", steps, watch("without rounding"))
    layers = study(subject.network, subject.values, exact, subject.read_out, subject.threads).layers
    (outputs,) = outputs_after(subject, exact, (steps,))
    return layers, error_beside(outputs, ann)


def _calibrated_on(network: Network) -> Spread | None:
    found = fingerprint.read(network)
    return None if found is None else Spread(found.mean, found.std)
