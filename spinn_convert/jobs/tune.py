"""Which scales, which dynamics, how many steps: answered on calibration images, before building.

ReLU1, the network clipped at its scales, predicts the SNN's accuracy for every percentile without a
simulation (Mueller et al. 2021); clamp delay, initial potentials, copies and read-out are then
simulated by the reference, on images that the initial potentials were not corrected on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinn_convert.backends.reference import backend as reference
from spinn_convert.conversion import steps as conversion
from spinn_convert.conversion.calibrate import calibrate_all
from spinn_convert.conversion.convert import Method
from spinn_convert.conversion.fold import Layer
from spinn_convert.files import output
from spinn_convert.files.data import load_dataset, normalised
from spinn_convert.jobs import run as pipeline
from spinn_convert.linear.ops import Floats
from spinn_convert.model import host
from spinn_convert.model.load import Model
from spinn_convert.network.copies import groups
from spinn_convert.network.recording import Settings, Stimulus
from spinn_convert.network.records import Network, neurons
from spinn_convert.results import decode, report

SCALINGS: tuple[dict[str, Any], ...] = (
    *({"percentile": percentile} for percentile in (99.0, 99.9, 99.95, 99.99, 99.999, 100.0)),
    {"percentile": 100.0, "thresholds": "mmse"},
    *({"percentile": p, "normalisation": "layer"} for p in (99.9, 99.99, 100.0)),
)
WAYS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"clamp_delay": 1, "copies": 1, "potentials": "fixed"}, "all"),
    ({"clamp_delay": 2, "copies": 1, "potentials": "fixed"}, "all"),
    ({"clamp_delay": 1, "copies": 1, "potentials": "channel"}, "all"),
    ({"clamp_delay": 0, "copies": 1, "potentials": "fixed"}, "late"),
    ({"clamp_delay": 0, "copies": 1, "potentials": "channel"}, "late"),
    ({"clamp_delay": 0, "copies": 2, "copied_layers": 1, "potentials": "channel"}, "late"),
    ({"clamp_delay": 0, "copies": 2, "potentials": "channel"}, "late"),
)
"""Changes of the method, and the read-out; the first is the paper's."""
STEPS_BEHIND_RELEASE = 64
MOST_IMAGES, IMAGES = 1000, 400
"""That ReLU1 is judged on, and that are simulated if no number is given."""
TOLERANCE = 0.001
"""Of the agreement: a lower percentile makes faster spikes, and is worth that much."""
WANTED_AGREEMENT = (0.99, 0.98)
SMOOTHED = 8
MARK = "settings.json"


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
class Way:
    """One way to simulate; scores after every step, and synaptic events per image and step.

    copied: how many layers have copies.
    """

    method: Method
    read_out: str
    depth: int
    copied: int
    neurons: int
    scores: report.Scores
    events_per_step: float

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
    """All that was tried, and the settings to take; ann: accuracy on the same images.

    images: how many ReLU1 was judged on; simulated: how many the ways were.
    """

    ann: float
    images: int
    simulated: int
    scalings: tuple[Scaling, ...]
    ways: tuple[Way, ...]
    settings: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class _Known:
    """Images (B, *image shape), what the core gets, the ANN's logits (B, classes), labels (B,)."""

    images: Floats
    values: Floats
    ann: Floats
    labels: NDArray[np.int64]

    def part(self, start: int, stop: int) -> _Known:
        """Return some of the images."""
        some = slice(start, stop)
        return _Known(self.images[some], self.values[some], self.ann[some], self.labels[some])


def execute(job: pipeline.Job, watch: pipeline.Watch) -> tuple[Tuned, Path]:
    """Tune on the calibration images; write settings.json and a picture to a new folder.

    job.images: how many of them to simulate. Raises the errors of every step.
    """
    target = job.out or Path(f"{job.model.stem}.tuned")
    with output.new_folder(target, job.overwrite, MARK) as folder:
        model, layers = conversion.read(job.model, job.data, job.max_pool)
        found = conversion.data_path(job.model, job.data)
        dataset = load_dataset(found, model.image_shape, conversion.classes(model))
        images = normalised(dataset.calibration)
        ann = decode.ann_logits(model, images, job.threads, watch("ANN"))
        known = dataset.calibration_labels
        labels = ann.argmax(1) if known is None else known
        values = host.core_input(model, images, job.threads)
        tuned = tune(model, layers, _Known(images, values, ann, labels), job, watch)
        (folder / MARK).write_text(json.dumps(tuned.settings, indent=2) + "\n")
        draw(tuned, job.model.name, folder / "tuned.png")
    return tuned, target


def tune(
    model: Model, layers: tuple[Layer, ...], known: _Known, job: pipeline.Job, watch: pipeline.Watch
) -> Tuned:
    """Try all scalings by ReLU1, then all ways to simulate with the best one."""
    methods = [replace(job.method, **scaling) for scaling in SCALINGS]
    scales = calibrate_all(model, layers, known.images, methods, job.threads, watch("calibrate"))
    judged, progress = known.part(0, MOST_IMAGES), watch("ReLU1")
    scalings = []
    for method, found in zip(methods, scales):
        scalings.append(_judged(model, layers, judged, method, found.scales, job.threads))
        progress(len(scalings), len(methods))
    best = _best(scalings)
    lambdas = scales[best].scales
    count = min(job.images or IMAGES, len(known.images) // 2)
    some = known.part(len(known.images) - count, len(known.images))
    rest = known.images[: len(known.images) - count]
    ways = []
    for changes, read_out in WAYS:
        method = replace(methods[best], **changes)
        network = conversion.scaled(model, layers, rest, lambdas, method, job.threads)
        ways.append(_simulated(model, network, method, read_out, some, job, watch))
    chosen, steps = _fewest(ways)
    settings = {**asdict(chosen.method), "read_out": chosen.read_out, "steps": steps}
    settings = {name: value for name, value in settings.items() if value is not None}
    accuracy = float((judged.ann.argmax(1) == judged.labels).mean())
    return Tuned(accuracy, len(judged.ann), count, tuple(scalings), tuple(ways), settings)


def _judged(
    model: Model,
    layers: tuple[Layer, ...],
    judged: _Known,
    method: Method,
    scales: Mapping[str, Floats],
    threads: int,
) -> Scaling:
    """Return the accuracy of ReLU1 with these scales."""
    still = replace(method, copies=1, potentials="fixed", correct_bias=False)
    network = conversion.scaled(model, layers, judged.images, scales, still, threads)
    logits = decode.decoder(model, network, threads)
    silent = pipeline.unwatched("")
    relu1 = decode.relu1_logits(network, judged.values, judged.images, logits, threads, silent)
    found = relu1.argmax(1)
    right, same = (found == judged.labels).mean(), (found == judged.ann.argmax(1)).mean()
    return Scaling(method, float(right), float(same))


def _best(scalings: list[Scaling]) -> int:
    """Return the scaling with the smallest scales of those that agree best with the ANN."""
    most = max(scaling.agreement for scaling in scalings)
    good = [i for i, scaling in enumerate(scalings) if scaling.agreement >= most - TOLERANCE]

    def order(i: int) -> tuple[bool, bool, float]:
        method = scalings[i].method
        return method.normalisation == "layer", method.thresholds == "mmse", method.percentile or 0

    return min(good, key=order)


def _simulated(
    model: Model,
    network: Network,
    method: Method,
    read_out: str,
    some: _Known,
    job: pipeline.Job,
    watch: pipeline.Watch,
) -> Way:
    """Simulate some images on the reference."""
    steps = max(p.release for p in network.readouts) + STEPS_BEHIND_RELEASE
    settings = Settings(job.steps or steps, job.threads, job.seed)
    phase = watch(f"d = {method.clamp_delay}, V {method.potentials}")
    recording = reference.run(network, Stimulus(some.values), settings, phase)
    logits = decode.decoder(model, network, job.threads)
    silent = pipeline.unwatched("")
    snn = decode.snn_logits(network, recording, some.images, logits, read_out, silent)
    scores = report.score(snn, some.ann, some.ann, some.labels)
    events = float(recording.synaptic_events.mean()) / settings.steps
    copied = sum(len(group) > 1 for group in groups(network))
    return Way(method, read_out, network.depth, copied, neurons(network), scores, events)


def _fewest(ways: Sequence[Way]) -> tuple[Way, int]:
    """Return the way that agrees soonest with the ANN, and the steps it takes."""
    for agreement in WANTED_AGREEMENT:
        reached = [(way.steps(agreement), way) for way in ways]
        timely = [(steps, way) for steps, way in reached if steps is not None]
        if timely:
            steps, chosen = min(timely, key=lambda pair: pair[0])
            return chosen, steps
    chosen = max(ways, key=lambda way: way.scores.agreement_by_step[-1])
    return chosen, len(chosen.scores.agreement_by_step)


def draw(tuned: Tuned, name: str, path: Path) -> None:
    """Draw ReLU1 over the percentiles, and agreement over time steps, into a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), dpi=130, layout="constrained")
    for normalisation in ("channel", "layer"):
        rows = [s for s in tuned.scalings if s.method.normalisation == normalisation]
        relu1 = [100 * s.relu1 for s in rows]
        left.plot([s.name for s in rows], relu1, marker="o", label=f"per {normalisation}")
    left.axhline(100 * tuned.ann, color="black", linewidth=1, label=f"ANN {tuned.ann:.1%}")
    left.set(xlabel="percentile", ylabel="ReLU1 accuracy, %", title=name)
    left.legend()
    for way in tuned.ways:
        steps = np.arange(1, len(way.scores.agreement_by_step) + 1)
        right.plot(steps, 100 * way.scores.agreement_by_step, label=way.name)
    right.axvline(tuned.settings["steps"], color="grey", linewidth=1, linestyle=":")
    right.set(xlabel="time step", ylabel="agrees with the ANN on, %", ylim=(50, 101))
    right.legend(loc="lower right", fontsize="small")
    figure.savefig(path)
    pyplot.close(figure)
