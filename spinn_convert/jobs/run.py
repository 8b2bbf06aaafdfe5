"""Convert a model, simulate it, score it, and write the results to a folder."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from spinn_convert import backends
from spinn_convert.errors import BackendError, DataError, Problem
from spinn_convert.files import output
from spinn_convert.files.scenes import Scenes
from spinn_convert.jobs import detect
from spinn_convert.jobs.prepare import NETWORK, Prepared, calibration_of, convert, labelled, prepare
from spinn_convert.jobs.simulation import (
    Inside,
    RunOptions,
    presented,
    settings_of,
    sizing_of,
    studied,
    write_results,
)
from spinn_convert.jobs.timing import Timing
from spinn_convert.model import host
from spinn_convert.model.classes import number, threshold
from spinn_convert.network.recording import Recording, Stimulus, Watch, unwatched
from spinn_convert.network.records import Network
from spinn_convert.network.timing import ReadOut, default_read_out
from spinn_convert.results import decode, neo_file, report
from spinn_convert.results.answers import Answers
from spinn_convert.results.stopping import check_stop, with_stop
from spinn_convert.results.suspicions import suspicions


@dataclass(frozen=True, eq=False)
class Simulated:
    """A recording of B images with its scores.

    answers: outputs of SNN and ANN. read_out: how the output was read. warnings: signs that model
    or data are wrong, as sentences. seconds: by phase.
    """

    recording: Recording
    scores: report.Scores
    answers: Answers
    read_out: ReadOut
    warnings: tuple[str, ...]
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Outcome:
    """The results of a run; `report` is the content of report.json, in `folder`."""

    network: Network
    simulated: Simulated | detect.Detected
    report: dict[str, Any]
    folder: Path


def execute(options: RunOptions, watch: Watch = unwatched) -> Outcome:
    """Prepare, convert, simulate, and write network, report and picture to a new folder.

    Raises the errors of every step; the folder then does not appear.
    """
    timing, source = Timing(), options.source
    target = options.out or Path(f"{source.stem}.spinn")
    if source.is_network and options.out is None:
        target = Path(f"{source.stem}.run.spinn")
    with output.new_folder(target, options.overwrite, NETWORK) as folder:
        with timing.phase("load"):
            prepared = prepare(source)
            check(prepared, options)
        with timing.phase("convert"):
            network = _stopping(prepared, convert(prepared, watch), options, watch)
        simulated: Simulated | detect.Detected
        if isinstance(prepared.dataset, Scenes):
            scenes = prepared.dataset
            simulated = detect.simulate(prepared, scenes, network, options, watch, timing)
            inside = _looked_into(prepared, network, simulated.read_out, options, watch, timing)
            content = detect.write(prepared, scenes, network, simulated, inside, options, folder)
        else:
            simulated = simulate(prepared, network, options, watch, timing)
            inside = _looked_into(prepared, network, simulated.read_out, options, watch, timing)
            content = write(prepared, network, simulated, inside, options, folder)
    return Outcome(network, simulated, content, target)


def _looked_into(
    prepared: Prepared,
    network: Network,
    read_out: ReadOut,
    options: RunOptions,
    watch: Watch,
    timing: Timing,
) -> Inside:
    with timing.phase("layers"):
        return studied(prepared, network, read_out, options, watch)


def _stopping(prepared: Prepared, network: Network, options: RunOptions, watch: Watch) -> Network:
    """Return the network with a bound that fits the options, its own one if that does."""
    wanted, read_out = options.stop, options.read_out or default_read_out(network)
    known = network.stop
    if wanted is None or (known and (known.wanted, known.read_out) == (wanted, read_out)):
        return network
    images, threads = calibration_of(prepared), options.source.threads
    network = replace(network, read_out=read_out)
    return with_stop(prepared.model, network, images, wanted, options.steps, threads, watch)


def check(prepared: Prepared, options: RunOptions) -> None:
    """Raise DataError or BackendError for problems that are found before anything is computed."""
    if options.stop:
        check_stop(prepared.model, prepared.network)
        backends.check_stop(options.backend)
    if options.backend in backends.BOARDS:
        calibration_of(prepared)
    network, count = prepared.network, len(prepared.dataset.images)
    if options.images is not None and options.images > count:
        what = f"there are {count} test images"
        raise DataError([Problem(f"--images {options.images}", what, f"use {count} at most")])
    problems = backends.check(options.backend, network, settings_of(options, network))
    if problems:
        raise BackendError(problems)
    if isinstance(prepared.dataset, Scenes):
        detect.check(network, prepared.dataset, options)


def simulate(
    prepared: Prepared,
    network: Network,
    options: RunOptions,
    watch: Watch = unwatched,
    timing: Timing | None = None,
) -> Simulated:
    """Present the test images to the network, and score it beside the ANN.

    Raises BackendError where the backend cannot run it.
    """
    timing, model, threads = timing or Timing(), prepared.model, options.source.threads
    dataset, backend = labelled(prepared, "simulated so"), backends.find(options.backend)
    count = presented(options, len(dataset.images))
    images = dataset.images.first(count)
    with timing.phase("ann"):
        ann = host.logits(model, images, threads, watch("ANN"))
    values, logits = (
        host.core_input(model, images, threads),
        decode.decoder(model, network, threads),
    )
    with timing.phase("relu1"):
        relu1 = decode.relu1_logits(network, values, images, logits, threads, watch("ReLU1"))
    sizing = sizing_of(prepared, options.backend)
    progress = watch(f"SNN on {options.backend}")
    recording = backend.run(
        network, Stimulus(values, sizing), settings_of(options, network), progress
    )
    timing.add(recording.timing)
    read_out = options.read_out or default_read_out(network)
    with timing.phase("decode"):
        snn = decode.snn_logits(network, recording, images, logits, read_out, watch("decode"))
    limit = threshold(model)
    scores = report.score(snn, ann, relu1, dataset.labels[:count], limit)
    warnings = suspicions(dataset, scores, number(ann.shape[1]), network)
    answers = Answers(snn, ann, dataset.labels[:count], limit, images, dataset.classes)
    return Simulated(recording, scores, answers, read_out, warnings, timing.seconds)


def write(
    prepared: Prepared,
    network: Network,
    simulated: Simulated,
    inside: Inside,
    options: RunOptions,
    folder: Path,
) -> dict[str, Any]:
    """Write all results into a folder; return the content of report.json.

    inside: of `simulation.studied`.
    """
    from spinn_convert.results.page.sections import write_page  # Bokeh takes a while to import

    recording, read_out = simulated.recording, simulated.read_out
    content = write_results(
        prepared,
        network,
        recording,
        report.scored(simulated.scores),
        read_out,
        simulated.warnings,
        simulated.seconds,
        folder,
    )
    if "output" in options.record:
        block = neo_file.output_block(recording, network, simulated.answers.known, read_out)
        neo_file.save(block, folder / "recording.nix")
    images = len(recording.synaptic_events)
    title = f"{prepared.model.path.name} on {options.backend}, {images} images"
    report.draw(simulated.scores, network, title, folder / "accuracy.png")
    page, name = folder / "report.html", prepared.model.path.name
    write_page(page, name, content, network, inside, simulated.answers)
    return content
