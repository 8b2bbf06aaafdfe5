"""Which scales, which dynamics, how many steps: answered on calibration images, before building.

ReLU1, the network clipped at its scales, predicts the SNN's accuracy for every percentile without a
simulation (Mueller et al. 2021); clamp delay, initial potentials, copies and read-out are then
simulated by the reference, on images that the initial potentials were not corrected on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinn_convert.backends.reference import backend as reference
from spinn_convert.conversion.calibrate import calibrate_all
from spinn_convert.conversion.fold import Layer
from spinn_convert.conversion.method import Method
from spinn_convert.conversion.steps import folded, scaled
from spinn_convert.errors import DataError, Problem
from spinn_convert.files import output
from spinn_convert.jobs.prepare import Source, prepare
from spinn_convert.jobs.recipe import Recipe, as_json
from spinn_convert.jobs.tune_picture import draw
from spinn_convert.jobs.tune_records import Scaling, Tuned, Way
from spinn_convert.linear.ops import Floats
from spinn_convert.model import host
from spinn_convert.model.classes import predictions, threshold
from spinn_convert.model.load import Model
from spinn_convert.network.copies import groups
from spinn_convert.network.recording import Settings, Stimulus, Watch, silent, unwatched
from spinn_convert.network.records import Network, neurons
from spinn_convert.network.timing import ReadOut
from spinn_convert.results import decode, report

SCALINGS: tuple[dict[str, Any], ...] = (
    *({"percentile": percentile} for percentile in (99.0, 99.9, 99.95, 99.99, 99.999, 100.0)),
    {"thresholds": "mmse"},
    *({"percentile": p, "normalisation": "layer"} for p in (99.9, 99.99, 100.0)),
)
WAYS: tuple[tuple[dict[str, Any], ReadOut], ...] = (
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
MARK = "settings.json"


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


@dataclass(frozen=True)
class TuneOptions:
    """What to tune, and the folder to write: MODEL.tuned if none is given.

    images: how many calibration images to simulate; 400 if there are enough.
    """

    source: Source
    images: int | None = None
    out: Path | None = None
    overwrite: bool = False


def execute(options: TuneOptions, watch: Watch = unwatched) -> tuple[Tuned, Path]:
    """Tune on the calibration images; write settings.json and a picture to a new folder.

    Raises the errors of every step; then nothing is left behind.
    """
    source = options.source
    _check(source)
    target = options.out or Path(f"{source.stem}.tuned")
    with output.new_folder(target, options.overwrite, MARK) as folder:
        prepared = prepare(source)
        model, dataset = prepared.model, prepared.dataset
        images = dataset.calibration[:]
        ann = host.logits(model, images, source.threads, watch("ANN"))
        known = dataset.calibration_labels
        labels = predictions(ann, threshold(model)) if known is None else known
        values = host.core_input(model, images, source.threads)
        tuned = tune(model, _Known(images, values, ann, labels), options, watch)
        (folder / MARK).write_text(json.dumps(as_json(tuned.recipe), indent=2) + "\n")
        draw(tuned, source.path.name, folder / "tuned.png")
    return tuned, target


def _check(source: Source) -> None:
    """Raise DataError for a network, and for settings that tuning chooses itself."""
    if source.is_network:
        what, fix = "is converted already", "give the ONNX file"
        raise DataError([Problem(str(source.path), what, fix)])
    method, plain = (source.recipe or Recipe()).method, Method()
    tried = {name for changes in (*SCALINGS, *(way for way, _ in WAYS)) for name in changes}
    problems = [
        Problem(f"--set {f.name}", "has no effect: tune chooses it", "leave it out")
        for f in fields(Method)
        if f.name in tried and getattr(method, f.name) != getattr(plain, f.name)
    ]
    if problems:
        raise DataError(problems)


def tune(given: Model, known: _Known, options: TuneOptions, watch: Watch) -> Tuned:
    """Try all scalings by ReLU1, then all ways to simulate with the best one."""
    method, threads = (options.source.recipe or Recipe()).method, options.source.threads
    model, layers = folded(given, method)
    methods = [replace(method, **scaling) for scaling in SCALINGS]
    scales = calibrate_all(model, layers, known.images, methods, threads, watch("calibrate"))
    judged, progress = known.part(0, MOST_IMAGES), watch("ReLU1")
    scalings = []
    for scaling, found in zip(methods, scales):
        scalings.append(_judged(model, layers, judged, scaling, found, threads))
        progress(len(scalings), len(methods))
    best = _best(scalings)
    count = min(options.images or IMAGES, len(known.images) // 2)
    some = known.part(len(known.images) - count, len(known.images))
    rest = known.images[: len(known.images) - count]
    ways = []
    for changes, read_out in WAYS:
        changed = replace(methods[best], **changes)
        network = scaled(model, layers, rest, scales[best], changed, threads)
        ways.append(_simulated(model, network, changed, read_out, some, threads, watch))
    chosen, steps = _fewest(ways)
    answers = predictions(judged.ann, threshold(given))
    accuracy = float((answers == judged.labels).mean())
    recipe = Recipe(chosen.method, steps, chosen.read_out)
    return Tuned(accuracy, len(judged.ann), count, tuple(scalings), tuple(ways), recipe)


def _judged(
    model: Model,
    layers: tuple[Layer, ...],
    judged: _Known,
    method: Method,
    scales: Mapping[str, Floats],
    threads: int,
) -> Scaling:
    """Return the accuracy of ReLU1 with these scales."""
    still = replace(method, copies=1, potentials="fixed", correct_bias=False, horizon=None)
    network = scaled(model, layers, judged.images, scales, still, threads)
    logits = decode.decoder(model, network, threads)
    relu1 = decode.relu1_logits(network, judged.values, judged.images, logits, threads, silent)
    found, answers = (predictions(o, threshold(model)) for o in (relu1, judged.ann))
    right, same = (found == judged.labels).mean(), (found == answers).mean()
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
    read_out: ReadOut,
    some: _Known,
    threads: int,
    watch: Watch,
) -> Way:
    """Simulate some images on the reference."""
    steps = max(p.release for p in network.readouts) + STEPS_BEHIND_RELEASE
    settings = Settings(steps, threads)
    phase = watch(f"d = {method.clamp_delay}, V {method.potentials}")
    recording = reference.run(network, Stimulus(some.values), settings, phase)
    logits = decode.decoder(model, network, threads)
    snn = decode.snn_logits(network, recording, some.images, logits, read_out, silent)
    scores = report.score(snn, some.ann, some.ann, some.labels, threshold(model))
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
