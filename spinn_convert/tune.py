"""Which percentile, which clamp, how many steps: answered on calibration images, before building.

ReLU1, the network clipped at its scales, predicts the SNN's accuracy for every percentile without a
simulation (Mueller et al. 2021); clamp delay and read-out are then simulated by the reference.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinn_convert import decode, host, output, pipeline, report
from spinn_convert.backends import reference
from spinn_convert.calibrate import calibrate_all
from spinn_convert.convert import Method, convert
from spinn_convert.data import load_dataset, normalised
from spinn_convert.errors import DataError, Problem
from spinn_convert.fold import Layer
from spinn_convert.load import Model
from spinn_convert.ops import Floats
from spinn_convert.recording import Settings, Stimulus

SCALINGS = (
    *((percentile, "channel") for percentile in (99.0, 99.9, 99.99, 99.999, 100.0)),
    *((percentile, "layer") for percentile in (99.9, 99.99, 100.0)),
)
DYNAMICS = ((0, "late"), (1, "all"), (2, "all"))
"""Clamp delay and read-out."""
STEPS_BEHIND_RELEASE = 64
MOST_IMAGES = 1000
TOLERANCE = 0.001
"""Of the agreement: a lower percentile makes faster spikes, and is worth that much."""
WANTED_AGREEMENT = (0.99, 0.98)
MARK = "settings.json"
KEYS = {"percentile": float, "normalisation": str, "clamp_delay": int, "v_init": float}
KEYS |= {"read_out": str, "steps": int, "dead_channels": str}


@dataclass(frozen=True)
class Scaling:
    """One way to scale, with ReLU1's accuracy and its agreement with the ANN, as fractions."""

    percentile: float
    normalisation: str
    relu1: float
    agreement: float


@dataclass(frozen=True, eq=False)
class Dynamics:
    """One way to simulate; scores after every step, and synaptic events per image and step."""

    clamp_delay: int
    read_out: str
    depth: int
    scores: report.Scores
    events_per_step: float

    def steps(self, agreement: float) -> int | None:
        """Return from when the SNN stays in agreement with the ANN."""
        return self.scores.steps_to_agreement(agreement)


@dataclass(frozen=True, eq=False)
class Tuned:
    """All that was tried, and the settings to take; ann: accuracy on the same images."""

    ann: float
    images: int
    scalings: tuple[Scaling, ...]
    dynamics: tuple[Dynamics, ...]
    settings: Mapping[str, Any]


def execute(job: pipeline.Job, watch: pipeline.Watch) -> tuple[Tuned, Path]:
    """Tune on the calibration images; write settings.json and a picture to a new folder.

    job.images: how many of them to simulate. Raises the errors of every step.
    """
    target = job.out or Path(f"{job.model.stem}.tuned")
    with output.new_folder(target, job.overwrite, MARK) as folder:
        model, layers = pipeline.read(job.model, job.data, job.max_pool)
        found = pipeline.data_path(job.model, job.data)
        dataset = load_dataset(found, model.image_shape, pipeline.classes(model))
        images = normalised(dataset.calibration)
        ann = decode.ann_logits(model, images, job.threads, watch("ANN"))
        known = dataset.calibration_labels
        labels = ann.argmax(1) if known is None else known
        tuned = tune(model, layers, images, ann, labels, job, watch)
        (folder / MARK).write_text(json.dumps(tuned.settings, indent=2) + "\n")
        draw(tuned, job.model.name, folder / "tuned.png")
    return tuned, target


def tune(
    model: Model,
    layers: tuple[Layer, ...],
    images: Floats,
    ann: Floats,
    labels: NDArray[np.int64],
    job: pipeline.Job,
    watch: pipeline.Watch,
) -> Tuned:
    """Try all scalings by ReLU1, then all dynamics with the best one by simulation.

    images: (B, *image shape), ann: its logits (B, classes), labels: (B,).
    """
    count = min(job.images or 200, len(images))
    judged, known = images[:MOST_IMAGES], labels[:MOST_IMAGES]
    wanted = ann[:MOST_IMAGES].argmax(1)
    values = host.core_input(model, judged, job.threads)
    methods = [replace(job.method, percentile=p, normalisation=how) for p, how in SCALINGS]
    scales = calibrate_all(model, layers, images, methods, job.threads, watch("calibrate"))
    scalings = []
    progress = watch("percentiles")
    for number, (percentile, normalisation) in enumerate(SCALINGS):
        network = convert(layers, scales[number], methods[number], {})
        logits = decode.decoder(model, network, job.threads)
        silent = pipeline.unwatched("")
        relu1 = decode.relu1_logits(network, values, judged, logits, job.threads, silent)
        found = relu1.argmax(1)
        right, same = (found == known).mean(), (found == wanted).mean()
        scalings.append(Scaling(percentile, normalisation, float(right), float(same)))
        progress(number + 1, len(SCALINGS))
    most = max(scaling.agreement for scaling in scalings)
    good = [scaling for scaling in scalings if scaling.agreement >= most - TOLERANCE]
    best = min(good, key=lambda s: (s.normalisation == "layer", s.percentile))
    method = replace(job.method, percentile=best.percentile, normalisation=best.normalisation)
    taken = scales[SCALINGS.index((best.percentile, best.normalisation))]
    some = images[:count], values[:count], ann[:count], labels[:count]
    dynamics = tuple(
        _simulated(model, layers, taken, some, replace(method, clamp_delay=d), how, job, watch)
        for d, how in DYNAMICS
    )
    chosen, steps = _fewest(dynamics)
    settings = {
        "percentile": best.percentile,
        "normalisation": best.normalisation,
        "clamp_delay": chosen.clamp_delay,
        "v_init": method.v_init,
        "dead_channels": method.dead_channels,
        "read_out": chosen.read_out,
        "steps": steps,
    }
    accuracy = float((wanted == known).mean())
    return Tuned(accuracy, len(judged), tuple(scalings), dynamics, settings)


def _simulated(
    model: Model,
    layers: tuple[Layer, ...],
    scales: Mapping[str, Floats],
    some: tuple[Floats, Floats, Floats, NDArray[np.int64]],
    method: Method,
    read_out: str,
    job: pipeline.Job,
    watch: pipeline.Watch,
) -> Dynamics:
    """Simulate some images: (images, core inputs, ANN logits, labels)."""
    images, values, ann, labels = some
    network = convert(layers, scales, method, {})
    steps = max(p.release for p in network.readouts) + STEPS_BEHIND_RELEASE
    phase = f"d = {method.clamp_delay}, {read_out}"
    settings = Settings(job.steps or steps, job.threads, job.seed)
    recording = reference.run(network, Stimulus(values), settings, watch(phase))
    logits = decode.decoder(model, network, job.threads)
    silent = pipeline.unwatched("")
    snn = decode.snn_logits(network, recording, images, logits, read_out, silent)
    scores = report.score(snn, ann, ann, labels)
    events = float(recording.synaptic_events.mean()) / settings.steps
    return Dynamics(method.clamp_delay, read_out, network.depth, scores, events)


def _fewest(dynamics: tuple[Dynamics, ...]) -> tuple[Dynamics, int]:
    """Return the way that agrees soonest with the ANN, and the steps it takes."""
    for agreement in WANTED_AGREEMENT:
        reached = [(d.steps(agreement), d) for d in dynamics]
        timely = [(steps, d) for steps, d in reached if steps is not None]
        if timely:
            steps, chosen = min(timely, key=lambda pair: pair[0])
            return chosen, steps
    chosen = max(dynamics, key=lambda d: d.scores.agreement_by_step[-1])
    return chosen, len(chosen.scores.agreement_by_step)


def read_settings(path: Path) -> dict[str, Any]:
    """Return the settings of a file that `tune` wrote; raises DataError."""
    fix = "write the file with spinn-convert tune"
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DataError([Problem(str(path), f"cannot be read ({error})", fix)]) from error
    problems = []
    if not isinstance(content, dict):
        raise DataError([Problem(str(path), "holds no settings", fix)])
    for key, value in content.items():
        if key not in KEYS:
            problems.append(Problem(f"{path}, {key}", "unknown", f"known: {', '.join(KEYS)}"))
        elif not isinstance(value, (int, float) if KEYS[key] is float else KEYS[key]):
            problems.append(Problem(f"{path}, {key}", f"{value!r} is no {KEYS[key].__name__}", fix))
    if problems:
        raise DataError(problems)
    return content


def draw(tuned: Tuned, name: str, path: Path) -> None:
    """Draw ReLU1 over the percentiles, and agreement over time steps, into a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), dpi=130, layout="constrained")
    for normalisation in ("channel", "layer"):
        rows = [s for s in tuned.scalings if s.normalisation == normalisation]
        ticks = [f"{s.percentile:g}" for s in rows]
        left.plot(ticks, [100 * s.relu1 for s in rows], marker="o", label=f"per {normalisation}")
    left.axhline(100 * tuned.ann, color="black", linewidth=1, label=f"ANN {tuned.ann:.1%}")
    left.set(xlabel="percentile", ylabel="ReLU1 accuracy, %", title=name)
    left.legend()
    for way in tuned.dynamics:
        steps = np.arange(1, len(way.scores.agreement_by_step) + 1)
        label = f"d = {way.clamp_delay}, read {way.read_out}"
        right.plot(steps, 100 * way.scores.agreement_by_step, label=label)
    right.axvline(tuned.settings["steps"], color="grey", linewidth=1, linestyle=":")
    right.set(xlabel="time step", ylabel="agrees with the ANN on, %", ylim=(50, 101))
    right.legend(loc="lower right")
    figure.savefig(path)
    pyplot.close(figure)
