"""The steps of a run that differ for detectors: simulate scenes, score boxes, draw both."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from spinn_convert import backends
from spinn_convert.errors import DataError, Problem
from spinn_convert.files.scenes import Scenes
from spinn_convert.jobs.prepare import Prepared
from spinn_convert.jobs.simulation import (
    Inside,
    RunOptions,
    presented,
    settings_of,
    sizing_of,
    write_results,
)
from spinn_convert.jobs.timing import Timing
from spinn_convert.model import host
from spinn_convert.model.detector import Detections
from spinn_convert.network.recording import Recording, Settings, Stimulus, Watch, unwatched
from spinn_convert.network.records import Network
from spinn_convert.network.timing import ReadOut, default_read_out
from spinn_convert.results import neo_file
from spinn_convert.results.detection import decode, picture, recorded, scores

EVERY = 5
"""Steps between two scores."""
MOST_RECORDED = 2 * 10**9
"""Bytes of potentials that are saved at most."""


@dataclass(frozen=True, eq=False)
class Detected:
    """A recording of B scenes with its scores.

    recording: with potentials of the steps that are scored or read from. ann: what the ANN finds on
    each scene; snn: what the SNN finds after each of the steps `shown`. read_out: how outputs were
    read. warnings: signs that model or data are wrong. seconds: by phase.
    """

    recording: Recording
    scores: scores.DetectorScores
    ann: list[Detections]
    snn: list[list[Detections]]
    shown: tuple[int, ...]
    read_out: ReadOut
    warnings: tuple[str, ...]
    seconds: dict[str, float] = field(default_factory=dict)


def simulate(
    prepared: Prepared,
    scenes: Scenes,
    network: Network,
    options: RunOptions,
    watch: Watch = unwatched,
    timing: Timing | None = None,
) -> Detected:
    """Present the scenes to the network, and score its boxes beside the ANN's.

    Raises BackendError where the backend cannot run it.
    """
    timing, model, threads = timing or Timing(), prepared.model, options.source.threads
    backend, count = backends.find(options.backend), presented(options, len(scenes.images))
    images, truth = scenes.images.first(count), scenes.truth[:count]
    heads = decode.heads_of(model)
    with timing.phase("ann"):
        ann = decode.ann_detections(model, heads, images, threads, watch("ANN"))
    values = host.core_input(model, images, threads)
    run = decode.decoder(model, heads, network, threads)
    with timing.phase("relu1"):
        relu1 = decode.rate_detections(network, values, images, run, threads, watch("ReLU1"))
    settings, scored, read_out = _sampling(network, options)
    sizing = sizing_of(prepared, options.backend)
    progress = watch(f"SNN on {options.backend}")
    recording = backend.run(network, Stimulus(values, sizing), settings, progress)
    timing.add(recording.timing)
    with timing.phase("decode"):
        found = decode.snn_detections(
            network, recording, images, run, read_out, scored, watch("decode")
        )
        by_step = list(zip(*found))
    with timing.phase("score"):
        result = scores.compare(ann, relu1, by_step, scored, truth)
    at = sorted({0, len(scored) // 3, len(scored) - 1})
    return Detected(
        recording,
        result,
        ann,
        [list(by_step[i]) for i in at],
        tuple(scored[i] for i in at),
        read_out,
        _suspicions(scenes, result, ann),
        timing.seconds,
    )


def check(network: Network, scenes: Scenes, options: RunOptions) -> None:
    """Raise DataError for potentials that are too many to save; network: a draft is enough."""
    if "output" not in options.record:
        return
    settings, _, _ = _sampling(network, options)
    count = presented(options, len(scenes.images))
    size = recorded.size_of(network, count, settings.sampled or ())
    if size > MOST_RECORDED:
        fitting = count * MOST_RECORDED // size
        what = f"the potentials of {count} scenes would take {size / 1e9:,.1f} GB"
        fix = (
            f"give --images {fitting} at most" if fitting else "leave it out, or give fewer --steps"
        )
        raise DataError([Problem("--record output", what, fix)])


def _sampling(network: Network, options: RunOptions) -> tuple[Settings, tuple[int, ...], ReadOut]:
    """Return the settings with the steps to keep, those that are scored, and the read-out."""
    read_out = options.read_out or default_read_out(network)
    settings = settings_of(options, network)
    scored, needed = decode.sampled_steps(network, settings.steps, read_out, EVERY)
    return replace(settings, sampled=needed), scored, read_out


def _suspicions(
    scenes: Scenes, result: scores.DetectorScores, ann: list[Detections]
) -> tuple[str, ...]:
    """Return a sentence for everything that a user should check before believing the scores."""
    if result.ann.map50 > 0.01:
        return ()
    known = sorted({int(label) for truth in scenes.truth for label in truth.labels})
    found = sorted({int(label) for some in ann for label in np.unique(some.labels)})
    return (
        f"the ANN itself finds next to nothing: its labels are {found[:8]}, the boxes' {known[:8]};"
        " check labels (a model's label is taken as the category's id) and how pixels are scaled",
    )


def write(
    prepared: Prepared,
    scenes: Scenes,
    network: Network,
    detected: Detected,
    inside: Inside,
    options: RunOptions,
    folder: Path,
) -> dict[str, Any]:
    """Write all results into a folder; return the content of report.json.

    inside: of `simulation.studied`.
    """
    from spinn_convert.results.page.sections import write_page  # Bokeh takes a while to import

    content = write_results(
        prepared,
        network,
        detected.recording,
        scores.as_json(detected.scores),
        detected.read_out,
        detected.warnings,
        detected.seconds,
        folder,
    )
    if "output" in options.record:
        scored, read_out = detected.scores.steps, detected.read_out
        block = recorded.output_block(detected.recording, network, scored, read_out)
        neo_file.save(block, folder / "recording.nix")
    title = f"{prepared.model.path.name} on {options.backend}, {len(detected.ann)} scenes"
    picture.draw_scores(detected.scores, title, folder / "map.png")
    columns = [("ANN", detected.ann)] + [
        (f"SNN, {step} steps", found) for step, found in zip(detected.shown, detected.snn)
    ]
    picture.draw_scenes(scenes, columns, folder / "scenes.png")
    page, shown = folder / "report.html", [folder / "scenes.png"]
    write_page(page, prepared.model.path.name, content, network, inside, pictures=shown)
    return content
