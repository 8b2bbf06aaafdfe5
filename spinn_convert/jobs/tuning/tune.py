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

from spinn_convert.conversion.calibrate import Calibration, calibrate_all
from spinn_convert.conversion.fold import Layer
from spinn_convert.conversion.method import Method
from spinn_convert.conversion.steps import folded, scaled
from spinn_convert.errors import DataError, Problem
from spinn_convert.files import output
from spinn_convert.files.scenes import Scenes
from spinn_convert.jobs.prepare import Prepared, Source, prepare
from spinn_convert.jobs.recipe import Recipe, as_json
from spinn_convert.jobs.tuning.budget import FINALISTS, Budget, budget
from spinn_convert.jobs.tuning.classifiers import CLASSIFIERS
from spinn_convert.jobs.tuning.detectors import DETECTORS
from spinn_convert.jobs.tuning.picture import draw
from spinn_convert.jobs.tuning.records import Kind, Known, Scaling, Trial, Tuned, Way
from spinn_convert.model import host
from spinn_convert.model.load import Model
from spinn_convert.network.copies import groups
from spinn_convert.network.recording import Watch, unwatched
from spinn_convert.network.records import neurons
from spinn_convert.network.timing import ReadOut

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
MARK = "settings.json"


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
        prepared = prepare(source, tested=False)
        _check_images(options, len(prepared.dataset.calibration))
        kind = DETECTORS if isinstance(prepared.dataset, Scenes) else CLASSIFIERS
        plan = _budget(kind, prepared, options)
        options.announce(_said(plan))
        known = _known(kind, prepared, max(plan.calibrated, 2 * plan.simulated), watch)
        tuned = tune(kind, prepared.model, known, options, plan, watch)
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


def _budget(kind: Kind, prepared: Prepared, options: TuneOptions) -> Budget:
    images, threads = len(prepared.dataset.calibration), options.source.threads
    counts = len(SCALINGS), len(WAYS)
    return budget(kind, prepared.network, images, *counts, threads, options.images)


def _said(plan: Budget) -> str:
    return (
        f"scales from {plan.calibrated} calibration images; {len(WAYS)} ways on {plan.first}"
        f" images each, the best {FINALISTS} on {plan.simulated}: about"
        f" {max(plan.seconds, 10):.0f} s if nothing else runs"
    )


def _known(kind: Kind, prepared: Prepared, count: int, watch: Watch) -> Known:
    """Return the first calibration images, with what the ANN says to them."""
    images = prepared.dataset.calibration[:count]
    values = host.core_input(prepared.model, images, prepared.source.threads)
    return Known(images, values, *kind.answers(prepared, images, watch))


def tune(
    kind: Kind, given: Model, known: Known, options: TuneOptions, plan: Budget, watch: Watch
) -> Tuned:
    """Try all scalings by ReLU1, then all ways to simulate with the best one."""
    method, threads = (options.source.recipe or Recipe()).method, options.source.threads
    model, layers = folded(given, method)
    methods = [replace(method, **scaling) for scaling in SCALINGS]
    found = calibrate_all(model, layers, known.images, methods, threads, watch("calibrate"))
    judged, progress = known.part(0, plan.judged), watch("ReLU1")
    scalings = []
    for scaling, calibration in zip(methods, found):
        scalings.append(_judged(kind, model, layers, judged, scaling, calibration, threads))
        progress(len(scalings), len(methods))
    best = _best(kind, scalings)
    last = len(known.images) - plan.simulated
    some, rest = known.part(last, len(known.images)), known.images[:last]
    trials = []
    for changes, read_out in WAYS:
        changed = _changed(methods[best], changes)
        network = scaled(
            model, layers, rest, found[best], changed, threads, watch, correcting=plan.corrected
        )
        trial = Trial(changed, read_out, network)
        trials.append(_further(kind, model, trial, some.part(0, plan.first), threads, watch))
    ways = _raced(kind, model, trials, some, plan, threads, watch)
    chosen, steps = _fewest(kind, [way for way in ways if way.images == plan.simulated])
    recipe = Recipe(chosen.method, steps, chosen.read_out)
    ann, counts = kind.right(given, judged.ann, judged), (len(judged.ann), plan.simulated)
    return Tuned(kind, ann, *counts, tuple(scalings), tuple(ways), recipe)


def _changed(method: Method, changes: Mapping[str, Any]) -> Method:
    """Return the method with changes; without its horizon where nothing is corrected."""
    idle = changes["potentials"] == "fixed" and not method.correct_bias
    return replace(method, **changes, horizon=None if idle else method.horizon)


def _raced(
    kind: Kind,
    model: Model,
    trials: Sequence[Trial],
    some: Known,
    plan: Budget,
    threads: int,
    watch: Watch,
) -> list[Way]:
    """Return all ways, the best of them simulated on all images."""
    ways = [_way(kind, model, trial, some.part(0, plan.first)) for trial in trials]
    ranks = sorted(range(len(trials)), key=lambda i: _rank(kind, ways[i]))
    rest = some.part(plan.first, plan.simulated)
    for number in sorted(ranks[:FINALISTS]):
        trial = _further(kind, model, trials[number], rest, threads, watch)
        ways[number] = _way(kind, model, trial, some.part(0, len(trial.found)))
    return ways


def _rank(kind: Kind, way: Way) -> tuple[float, ...]:
    """Return what orders ways: steps to the agreements wanted, then agreement at the end."""
    steps = [way.curve.alike[agreement] for agreement in kind.agreements]
    return (*(np.inf if s is None else s for s in steps), -float(way.curve.agreement[-1]))


def _judged(
    kind: Kind,
    model: Model,
    layers: tuple[Layer, ...],
    judged: Known,
    method: Method,
    calibration: Calibration,
    threads: int,
) -> Scaling:
    """Return the scores of ReLU1 with these scales."""
    still = replace(method, copies=1, potentials="fixed", correct_bias=False, horizon=None)
    network = scaled(model, layers, judged.images, calibration, still, threads)
    return Scaling(method, *kind.relu1(model, network, judged, threads))


def _best(kind: Kind, scalings: list[Scaling]) -> int:
    """Return the scaling with the smallest scales of those that agree best with the ANN."""
    worth = [min(s.relu1, s.agreement) if kind.both else s.agreement for s in scalings]
    good = [i for i, found in enumerate(worth) if found >= max(worth) - kind.tolerance]

    def order(i: int) -> tuple[bool, bool, float]:
        method = scalings[i].method
        return method.normalisation == "layer", method.thresholds == "mmse", method.percentile or 0

    return min(good, key=order)


def _further(
    kind: Kind, model: Model, trial: Trial, some: Known, threads: int, watch: Watch
) -> Trial:
    """Return the trial with more images simulated on the reference."""
    if not len(some.images):
        return trial
    method, steps = trial.method, _steps(kind, trial)
    phase = watch(f"d = {method.clamp_delay}, V {method.potentials}")
    found, events = kind.simulated(model, trial, some, steps, threads, phase)
    return trial.extended(found, events)


def _steps(kind: Kind, trial: Trial) -> int:
    return kind.steps(trial.network.depth, trial.method.clamp_delay)


def _way(kind: Kind, model: Model, trial: Trial, some: Known) -> Way:
    """Return what came out of a trial; `some` are its images."""
    network, count = trial.network, len(some.images)
    return Way(
        trial.method,
        trial.read_out,
        network.depth,
        sum(len(group) > 1 for group in groups(network)),
        neurons(network),
        kind.curve(model, trial, some, _steps(kind, trial)),
        trial.events / count,
        count,
    )


def _fewest(kind: Kind, ways: Sequence[Way]) -> tuple[Way, int]:
    """Return the way that agrees soonest with the ANN, and the steps it takes."""
    for agreement in kind.agreements:
        reached = [(way.curve.alike[agreement], way) for way in ways]
        timely = [(steps, way) for steps, way in reached if steps is not None]
        if timely:
            steps, chosen = min(timely, key=lambda pair: pair[0])
            return chosen, steps
    chosen = max(ways, key=lambda way: float(way.curve.agreement[-1]))
    return chosen, chosen.curve.steps[-1]
