"""Which scales, which dynamics, how many steps: answered on calibration images, before building.

ReLU1, the network clipped at its scales, predicts the SNN's accuracy for every percentile without a
simulation (Mueller et al. 2021); clamp delay, initial potentials, copies and read-out are then
simulated by the reference, on images that the initial potentials were not corrected on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinn_convert.backends.reference import backend as reference
from spinn_convert.conversion.calibrate import Calibration, calibrate_all
from spinn_convert.conversion.fold import Layer
from spinn_convert.conversion.method import Method
from spinn_convert.conversion.steps import folded, scaled
from spinn_convert.errors import DataError, Problem
from spinn_convert.files import output
from spinn_convert.jobs.prepare import Prepared, Source, labelled, prepare
from spinn_convert.jobs.recipe import Recipe, as_json
from spinn_convert.jobs.tuning.budget import FINALISTS, Budget, budget
from spinn_convert.jobs.tuning.picture import draw
from spinn_convert.jobs.tuning.records import Scaling, Trial, Tuned, Way
from spinn_convert.linear.ops import Floats
from spinn_convert.model import host
from spinn_convert.model.classes import predictions, threshold
from spinn_convert.model.load import Model
from spinn_convert.network.copies import groups
from spinn_convert.network.recording import Settings, Stimulus, Watch, silent, unwatched
from spinn_convert.network.records import neurons
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

    images: how many calibration images to simulate; None for 400, or fewer of a large network.
    announce: called with a sentence that says what is going to be done, and how long it takes.
    """

    source: Source
    images: int | None = None
    out: Path | None = None
    overwrite: bool = False
    announce: Callable[[str], None] = lambda text: None


def execute(options: TuneOptions, watch: Watch = unwatched) -> tuple[Tuned, Path]:
    """Tune on the calibration images; write settings.json and a picture to a new folder.

    Raises the errors of every step; then nothing is left behind.
    """
    source = options.source
    _check(source)
    target = options.out or Path(f"{source.stem}.tuned")
    with output.new_folder(target, options.overwrite, MARK) as folder:
        prepared = prepare(source)
        _check_images(options, len(prepared.dataset.calibration))
        plan = _budget(prepared, options)
        options.announce(_said(plan))
        known = _known(prepared, max(plan.calibrated, 2 * plan.simulated), watch)
        tuned = tune(prepared.model, known, options, plan, watch)
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


def _check_images(options: TuneOptions, count: int) -> None:
    """Raise DataError for more images than half of those of the calibration."""
    if options.images is not None and options.images > count // 2:
        what = f"there are {count} calibration images, and half of them are calibrated on"
        fix = f"use {count // 2} at most"
        raise DataError([Problem(f"--images {options.images}", what, fix)])


def _budget(prepared: Prepared, options: TuneOptions) -> Budget:
    draft = prepared.network
    steps = 2 * draft.depth + STEPS_BEHIND_RELEASE  # of a clamp with d = 1
    images, threads = len(prepared.dataset.calibration), options.source.threads
    scalings, ways = len(SCALINGS), len(WAYS)
    return budget(draft, images, steps, scalings, ways, threads, options.images)


def _said(plan: Budget) -> str:
    return (
        f"scales from {plan.calibrated} calibration images; {len(WAYS)} ways on {plan.first}"
        f" images each, the best {FINALISTS} on {plan.simulated}: about"
        f" {max(plan.seconds, 10):.0f} s if nothing else runs"
    )


def _known(prepared: Prepared, count: int, watch: Watch) -> _Known:
    """Return the first calibration images, with what the ANN says to them."""
    model, threads = prepared.model, prepared.source.threads
    dataset = labelled(prepared, "tuned")
    images = dataset.calibration[:count]
    ann = host.logits(model, images, threads, watch("ANN"))
    given = dataset.calibration_labels
    labels = predictions(ann, threshold(model)) if given is None else given[:count]
    return _Known(images, host.core_input(model, images, threads), ann, labels)


def tune(given: Model, known: _Known, options: TuneOptions, plan: Budget, watch: Watch) -> Tuned:
    """Try all scalings by ReLU1, then all ways to simulate with the best one."""
    method, threads = (options.source.recipe or Recipe()).method, options.source.threads
    model, layers = folded(given, method)
    methods = [replace(method, **scaling) for scaling in SCALINGS]
    found = calibrate_all(model, layers, known.images, methods, threads, watch("calibrate"))
    judged, progress = known.part(0, plan.judged), watch("ReLU1")
    scalings = []
    for scaling, calibration in zip(methods, found):
        scalings.append(_judged(model, layers, judged, scaling, calibration, threads))
        progress(len(scalings), len(methods))
    best = _best(scalings)
    last = len(known.images) - plan.simulated
    some, rest = known.part(last, len(known.images)), known.images[:last]
    trials = []
    for changes, read_out in WAYS:
        changed = _changed(methods[best], changes)
        network = scaled(
            model, layers, rest, found[best], changed, threads, watch, correcting=plan.corrected
        )
        trial = Trial(changed, read_out, network)
        trials.append(_further(model, trial, some.part(0, plan.first), threads, watch))
    ways = _raced(model, trials, some, plan, threads, watch)
    chosen, steps = _fewest([way for way in ways if way.images == plan.simulated])
    answers = predictions(judged.ann, threshold(given))
    accuracy = float((answers == judged.labels).mean())
    recipe = Recipe(chosen.method, steps, chosen.read_out)
    return Tuned(accuracy, len(judged.ann), plan.simulated, tuple(scalings), tuple(ways), recipe)


def _changed(method: Method, changes: Mapping[str, Any]) -> Method:
    """Return the method with changes; without its horizon where nothing is corrected."""
    idle = changes["potentials"] == "fixed" and not method.correct_bias
    return replace(method, **changes, horizon=None if idle else method.horizon)


def _raced(
    model: Model,
    trials: Sequence[Trial],
    some: _Known,
    plan: Budget,
    threads: int,
    watch: Watch,
) -> list[Way]:
    """Return all ways, the best of them simulated on all images."""
    seen = some.part(0, plan.first)
    ranks = sorted(range(len(trials)), key=lambda i: _rank(_way(model, trials[i], seen)))
    ways = []
    for number, trial in enumerate(trials):
        if number in ranks[:FINALISTS]:
            rest = some.part(plan.first, plan.simulated)
            trial = _further(model, trial, rest, threads, watch)
        ways.append(_way(model, trial, some.part(0, len(trial.logits))))
    return ways


def _rank(way: Way) -> tuple[float, ...]:
    """Return what orders ways: steps to the agreements wanted, then agreement at the end."""
    steps = [way.steps(agreement) for agreement in WANTED_AGREEMENT]
    return (*(np.inf if s is None else s for s in steps), -way.scores.agreement)


def _judged(
    model: Model,
    layers: tuple[Layer, ...],
    judged: _Known,
    method: Method,
    calibration: Calibration,
    threads: int,
) -> Scaling:
    """Return the accuracy of ReLU1 with these scales."""
    still = replace(method, copies=1, potentials="fixed", correct_bias=False, horizon=None)
    network = scaled(model, layers, judged.images, calibration, still, threads)
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


def _further(model: Model, trial: Trial, some: _Known, threads: int, watch: Watch) -> Trial:
    """Return the trial with more images simulated on the reference."""
    if not len(some.images):
        return trial
    network, method = trial.network, trial.method
    settings = Settings(max(p.release for p in network.readouts) + STEPS_BEHIND_RELEASE, threads)
    phase = watch(f"d = {method.clamp_delay}, V {method.potentials}")
    recording = reference.run(network, Stimulus(some.values), settings, phase)
    decoding = decode.decoder(model, network, threads)
    snn = decode.snn_logits(network, recording, some.images, decoding, trial.read_out, silent)
    events = float(recording.synaptic_events.sum()) / settings.steps
    return trial.extended(snn, events)


def _way(model: Model, trial: Trial, some: _Known) -> Way:
    """Return what came out of a trial; `some` are its images."""
    network = trial.network
    scores = report.score(trial.logits, some.ann, some.ann, some.labels, threshold(model))
    copied = sum(len(group) > 1 for group in groups(network))
    return Way(
        trial.method,
        trial.read_out,
        network.depth,
        copied,
        neurons(network),
        scores,
        trial.events / len(some.labels),
        len(some.labels),
    )


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
