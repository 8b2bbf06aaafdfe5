"""Scores of a simulation (accuracy, agreement with the ANN), as JSON and as a picture."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from math import isnan, nan
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinn_convert.linear.ops import Floats
from spinn_convert.model.classes import predictions
from spinn_convert.network.recording import Recording
from spinn_convert.network.records import Network, neurons, synapse_counts

HALF_PERCENT = 0.005
"""Loss of accuracy against the ANN up to which `Scores.first_step` counts an SNN as equal."""


@dataclass(frozen=True, eq=False)
class Scores:
    """Accuracy and agreement, as fractions of the images from 0 to 1; NaN where unknown.

    ann, relu1: accuracy of the ANN, and of the network computed with rates clipped at one spike
    per step. snn_by_step: the SNN's accuracy after each time step (T,). agreement_by_step: share
    of images on which SNN and ANN predict the same class, after each time step (T,).
    """

    ann: float
    relu1: float
    snn_by_step: Floats
    agreement_by_step: Floats

    @property
    def snn(self) -> float:
        """The SNN's accuracy after the last step."""
        return float(self.snn_by_step[-1])

    @property
    def agreement(self) -> float:
        """Share of images on which SNN and ANN predict the same class, after the last step."""
        return float(self.agreement_by_step[-1])

    @property
    def first_step(self) -> int | None:
        """Number of steps after which the SNN's accuracy is first at the ANN's less 0.005."""
        return self.first_step_within(HALF_PERCENT)

    def first_step_within(self, loss: float) -> int | None:
        """Return the number of steps after which the SNN's accuracy first reaches ann - loss.

        loss: a fraction of the images. None if it never does.
        """
        close = np.flatnonzero(self.snn_by_step >= self.ann - loss)
        return int(close[0]) + 1 if len(close) else None

    def steps_to_agreement(self, wanted: float) -> int | None:
        """Return the number of steps after which agreement stays at `wanted` or above.

        wanted: a fraction of the images. None if agreement is below at the last step.
        """
        short = np.flatnonzero(self.agreement_by_step < wanted)
        steps = int(short[-1]) + 2 if len(short) else 1
        return steps if steps <= len(self.agreement_by_step) else None


def score(
    readout: Floats,
    ann_logits: Floats,
    relu1_logits: Floats,
    labels: NDArray[np.int64],
    threshold: float,
) -> Scores:
    """Compare outputs (B, T, N) with the ANN's (B, N) and labels (B,).

    threshold: for models with a single output, class 1 is predicted above it (model.classes).
    """
    ann, relu1, snn = (predictions(o, threshold) for o in (ann_logits, relu1_logits, readout))
    return compare(snn, ann, labels, float((relu1 == labels).mean()))


def compare(
    snn: NDArray[np.int64],
    ann: NDArray[np.int64] | None,
    labels: NDArray[np.int64],
    relu1: float = nan,
) -> Scores:
    """Return the scores of predicted classes: SNN (B, T), ANN (B,) if known, and labels (B,)."""
    accuracy = (snn == labels[:, None]).mean(0)
    if ann is None:
        return Scores(nan, relu1, accuracy, np.full_like(accuracy, nan))
    return Scores(float((ann == labels).mean()), relu1, accuracy, (snn == ann[:, None]).mean(0))


def snn_json(scores: Scores) -> dict[str, Any]:
    """Return the SNN's part of report.json, without agreement where the ANN is unknown."""
    by_step = scores.snn_by_step
    content = {"accuracy": float(by_step[-1]), "accuracy_by_step": by_step.tolist()}
    if isnan(scores.ann):
        return content
    return content | {
        "agreement": float(scores.agreement_by_step[-1]),
        "agreement_by_step": scores.agreement_by_step.tolist(),
        "first_step_within_half_percent": scores.first_step,
        "steps_to_99_percent_agreement": scores.steps_to_agreement(0.99),
    }


def scored(scores: Scores) -> dict[str, Any]:
    """Return the parts `ann`, `relu1` and `snn` of report.json."""
    return {
        "ann": {"accuracy": scores.ann},
        "relu1": {"accuracy": scores.relu1},
        "snn": snn_json(scores),
    }


def as_json(
    network: Network,
    recording: Recording,
    scored: Mapping[str, Any],
    settings: Mapping[str, Any],
    timing: Mapping[str, float],
    versions: Mapping[str, str],
) -> dict[str, Any]:
    """Return the content of report.json; accuracies are fractions, times are in seconds.

    scored: its parts `ann`, `relu1` and `snn`.
    """
    images = len(recording.synaptic_events)
    return {
        "model": dict(network.made_from),
        "backend": recording.backend,
        "images": images,
        "steps": recording.settings.steps,
        "settings": dict(settings),
        **_stopped(recording),
        **scored,
        "network": {
            "neurons": neurons(network),
            "synapses": sum(synapse_counts(network).values()),
            "depth": network.depth,
            "populations": [p.name for p in network.populations if p.kind != "input"],
        },
        "spikes_per_image": sum(float(c.mean()) for c in recording.spike_counts.values()),
        "synaptic_events_per_image": float(recording.synaptic_events.mean()),
        **_within(recording),
        **({"board": dict(recording.details)} if recording.details else {}),
        "timing": {phase: round(seconds, 3) for phase, seconds in timing.items()},
        "versions": dict(versions),
    }


def _within(recording: Recording) -> dict[str, Any]:
    """Return the synaptic events per image of runs of 1, 2 ... T steps, if they were counted."""
    within = recording.events_within
    return {} if within is None else {"synaptic_events_within": np.rint(within).tolist()}


def _stopped(recording: Recording) -> dict[str, Any]:
    """Return the limit, and how many steps the images took, where they could end early.

    `calibration` has both on the images that the limit was chosen on: with it, and without.
    """
    stop, taken = recording.settings.stop, recording.taken
    if stop is None:
        return {}
    content = {
        "bound": stop.bound,
        "wanted_agreement": stop.wanted,
        "steps": {
            "mean": float(taken.mean()),
            "of_90_percent": float(np.quantile(taken, 0.9)),
            "most": int(taken.max()),
        },
        "calibration": {
            "images": stop.images,
            "agreement": stop.agreement,
            "steps": stop.steps,
            "synaptic_events": stop.events,
            "fixed": {
                "agreement": stop.fixed_agreement,
                "steps": stop.fixed_steps,
                "synaptic_events": stop.fixed_events,
            },
        },
    }
    return {"stop": content}


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that compute the result, by name."""
    found = {"python": platform.python_version()}
    for package in ("spinn_convert", "numpy", "torch", "onnxruntime", "pynn", "nest-simulator"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def shown_steps(steps: int | None, depth: int, total: int) -> str:
    """Return in words a number of steps, split into depth and rest; None: "more than `total`".

    A number below the depth is not split: the output was right before any spike reached it.
    """
    if steps is None:
        return f"more than {total}"
    return str(steps) if steps < depth else f"{steps} ({steps - depth} + depth {depth})"


def draw(scores: Scores, network: Network, title: str, path: Path) -> None:
    """Draw accuracy and agreement over time steps, beside the ANN and ReLU1, into a PNG."""
    from matplotlib.figure import Figure  # without pyplot, whose state is the caller's

    steps = np.arange(1, len(scores.snn_by_step) + 1)
    figure = Figure(figsize=(7, 4), dpi=130, layout="constrained")
    axes = figure.subplots()
    axes.axhline(100 * scores.ann, color="black", linewidth=1, label=f"ANN {scores.ann:.1%}")
    axes.axhline(100 * scores.relu1, color="grey", linestyle=":", label=f"ReLU1 {scores.relu1:.1%}")
    axes.plot(steps, 100 * scores.snn_by_step, label=f"SNN {scores.snn_by_step[-1]:.1%}")
    agreement = f"agreement with the ANN {scores.agreement_by_step[-1]:.1%}"
    axes.plot(steps, 100 * scores.agreement_by_step, linestyle="--", label=agreement)
    release = network.readouts[0].release
    if 0 < release < len(steps):
        axes.axvline(release, color="lightgrey", linewidth=1)
        axes.annotate("output released", (release, 2), rotation=90, color="grey", ha="right")
    if scores.first_step is not None:
        axes.axvline(scores.first_step, color="tab:green", linewidth=1, linestyle="-.")
        label = f" {scores.first_step} steps to ANN - 0.5 %"
        axes.annotate(label, (scores.first_step, 40), color="tab:green")
    axes.set(xlabel="time step", ylabel="% of the images", ylim=(0, 102), title=title)
    axes.set_xlim(1, len(steps))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(path)
