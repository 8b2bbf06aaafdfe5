"""Write a converted network as a PyNN script that runs without spinn_convert."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spinn_convert.backends.board.backend import clamp_problems, default_plan
from spinn_convert.backends.board.plan import BoardPlan
from spinn_convert.conversion.steps import SIZING_IMAGES
from spinn_convert.errors import BackendError, DataError, Problem
from spinn_convert.files import output
from spinn_convert.files.scenes import Scenes, Truth
from spinn_convert.jobs.exporting.script import (
    DATA,
    Arrays,
    Behind,
    Shown,
    write_nest,
    write_spinnaker,
)
from spinn_convert.jobs.prepare import Prepared, Source, calibration_of, convert, prepare
from spinn_convert.model import host
from spinn_convert.model.boxes import boxes_file
from spinn_convert.model.classes import predictions, threshold
from spinn_convert.model.detector import Detections
from spinn_convert.network.recording import Settings, Stimulus, Watch, unwatched
from spinn_convert.network.records import Network
from spinn_convert.network.timing import ReadOut, default_read_out, default_steps
from spinn_convert.results.detection import decode

SIMULATORS = ("nest", "spinnaker")
IMAGES = 25
"""Default number of test images that a script presents."""


@dataclass(frozen=True)
class ExportOptions:
    """Which script to write, and the folder; None for MODEL.script.

    simulator: of SIMULATORS. images: number of test images in its data; None for 25, or all if
    there are fewer. steps: time steps per image. read_out: "all" or "late"; None for the network's.
    """

    source: Source
    simulator: str = "nest"
    images: int | None = None
    steps: int | None = None
    read_out: ReadOut | None = None
    out: Path | None = None
    overwrite: bool = False


def execute(options: ExportOptions, watch: Watch = unwatched) -> Path:
    """Convert a model, and write run.py and its data to a new folder; nothing is simulated.

    Raises the errors of every step; the folder then does not appear.
    """
    source = options.source
    target = options.out or Path(f"{source.stem}.script")
    with output.new_folder(target, options.overwrite, DATA) as folder:
        prepared = prepare(source)
        _check(prepared, options)
        behind = _behind(prepared)
        network = convert(prepared, watch)
        shown = _shown(prepared, network, behind, options, watch)
        if options.simulator == "nest":
            write_nest(network, shown, folder)
        else:
            write_spinnaker(_plan(prepared, network, shown.steps), shown, folder)
    return target


def _check(prepared: Prepared, options: ExportOptions) -> None:
    problems, count = [], len(prepared.dataset.images)
    if options.images is not None and options.images > count:
        what = f"there are {count} test images"
        raise DataError([Problem(f"--images {options.images}", what, f"use {count} at most")])
    if options.simulator == "spinnaker":
        problems += clamp_problems(prepared.network)
        if prepared.network.reset == "constant":
            what = "scripts for boards do not support reset=constant"
            fix = "leave reset=constant out, or use --simulator nest"
            problems.append(Problem("reset", what, fix))
    if problems:
        raise BackendError(problems)


def _behind(prepared: Prepared) -> Behind | None:
    """Return what finds boxes in a detector's readouts; raises ModelError where nothing can."""
    if not isinstance(prepared.dataset, Scenes):
        return None
    model = prepared.model
    return Behind(boxes_file(model, decode.heads_of(model)), model.graph.outputs)


def _shown(
    prepared: Prepared,
    network: Network,
    behind: Behind | None,
    options: ExportOptions,
    watch: Watch,
) -> Shown:
    """Return the images that the script presents, and what is known of them."""
    dataset, threads, model = prepared.dataset, options.source.threads, prepared.model
    images = dataset.images.first(options.images or min(IMAGES, len(dataset.images)))
    if isinstance(dataset, Scenes):
        heads = decode.heads_of(model)
        ann = decode.ann_detections(model, heads, images, threads, watch("ANN"))
        known = known_boxes(ann, dataset.truth[: len(images)])
    else:
        classes = predictions(host.logits(model, images, threads), threshold(model))
        known = {"labels": dataset.labels[: len(images)], "ann": classes}
    return Shown(
        host.core_input(model, images, threads),
        known,
        options.steps or default_steps(network, options.simulator == "spinnaker"),
        options.read_out or default_read_out(network),
        behind,
    )


def known_boxes(ann: Sequence[Detections], truth: Sequence[Truth]) -> Arrays:
    """Return the boxes that the ANN finds, and those that are there, scene after scene."""
    arrays: Arrays = {"scale": np.array([scene.scale for scene in truth])}
    some: tuple[tuple[str, Sequence[Any], tuple[str, ...]], ...] = (
        ("ann", ann, ("boxes", "scores", "labels")),
        ("true", truth, ("boxes", "labels", "crowd")),
    )
    for name, scenes, parts in some:
        arrays[f"{name}_boxes_per_image"] = np.array([len(scene.boxes) for scene in scenes])
        for part in parts:
            arrays[f"{name}_{part}"] = np.concatenate([getattr(scene, part) for scene in scenes])
    return arrays


def _plan(prepared: Prepared, network: Network, steps: int) -> BoardPlan:
    threads = prepared.source.threads
    some = calibration_of(prepared)[:SIZING_IMAGES]
    values = host.core_input(prepared.model, some, threads)
    plan = default_plan(network, Stimulus(values), Settings(steps, threads))
    if not isinstance(plan, BoardPlan):
        raise TypeError("a script needs reset by subtraction")
    return plan
