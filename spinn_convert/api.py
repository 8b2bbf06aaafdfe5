"""What a user's script calls: load, convert, check, run, score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from spinn_convert import backends
from spinn_convert.conversion.method import Method, named_method
from spinn_convert.conversion.steps import converted
from spinn_convert.errors import BackendError, DataError, Problem
from spinn_convert.files import scenes
from spinn_convert.files.data import Dataset
from spinn_convert.files.scenes import Scenes, Truth
from spinn_convert.files.tables import TorchDataset
from spinn_convert.linear.ops import Floats
from spinn_convert.linear.threads import available_cores
from spinn_convert.model import host
from spinn_convert.model import images as of_models
from spinn_convert.model import load as models
from spinn_convert.model.classes import number_of, threshold
from spinn_convert.model.host import ImageSequence
from spinn_convert.model.images import Reading
from spinn_convert.model.load import Model
from spinn_convert.network import readout
from spinn_convert.network.recording import (
    Progress,
    Recording,
    Settings,
    Stimulus,
    Watch,
    silent,
    unwatched,
)
from spinn_convert.network.records import Network, Stop
from spinn_convert.network.timing import ReadOut, default_read_out, default_steps
from spinn_convert.results import decode, report, stopping
from spinn_convert.results.detection import scoring
from spinn_convert.results.detection.scores import DetectorScores
from spinn_convert.results.report import Scores
from spinn_convert.results.stopping import WANTED

Backend = Literal["reference", "nest", "spinnaker", "spinnaker-integers"]
Connectors = Literal["lists", "convolutions", "auto"]


def load(path: Path | str, image_shape: tuple[int, ...] | None = None) -> Model:
    """Read an ONNX file.

    image_shape: shape of one image, such as (3, 224, 224), for a file that leaves its sizes open.
    Raises ModelError if the file is missing or damaged, or with every node, attribute and weight
    that has no spiking form.
    """
    return models.load(path, image_shape)


def load_dataset(
    data: Path | str | TorchDataset,
    model: Model,
    calibration: Path | str | TorchDataset | None = None,
    calibration_images: int | None = None,
    preprocess: str | None = None,
) -> Dataset:
    """Read images and labels for a model: a path of any kind in docs/data.md, or a torch dataset.

    calibration: the same of the training set; None for those in the .npz, which are all used unless
    calibration_images says how many to draw; of others, 1,000 are. preprocess: how pictures become
    the model's input, as --preprocess; None for what the ONNX file says. Raises DataError.
    """
    some, training = (Path(s) if isinstance(s, str) else s for s in (data, calibration))
    reading = Reading(training, calibration_images, preprocess, available_cores())
    return of_models.load_dataset(model, some, number_of(model), reading, calibrated=False)


def load_scenes(path: Path | str, model: Model) -> Scenes:
    """Read images with boxes for a detector: a COCO file, its folder, or an .npz.

    What these hold is said in docs/detection.md. Pictures are scaled to fit into the model's input,
    with pixels from 0 to 1. Raises DataError that lists all that is missing or does not fit.
    """
    return scenes.load_scenes(Path(path), model.image_shape)


def convert(
    model: Model,
    calibration: ImageSequence,
    method: Method | str = "default",
    threads: int | None = None,
    watch: Watch = unwatched,
) -> Network:
    """Convert a model to a spiking network, and verify it against onnxruntime.

    calibration: the model's input for some hundred images or more of its training set, float32
    (B, *image shape). method: "default", "paper" or "basic" (Mueller et al. 2021), or a Method.
    threads: of the CPU; None for all cores. watch: called with the name of each phase; returns a
    function that is called with (done, total). Raises ConversionError for channels that are never
    active on the calibration images, for an unknown method, and where the rates of the network
    differ from the model's activations; ModelError for a model without ReLU; DataError for images
    of another shape.
    """
    _check_images("calibration", calibration, model.image_shape)
    cores = threads or available_cores()
    return converted(model, calibration, named_method(method), cores, watch)


def check(
    network: Network,
    backend: Backend,
    steps: int | None = None,
    board: Path | str | None = None,
    connectors: Connectors | None = None,
) -> list[Problem]:
    """Return what keeps a network from running on a backend, an empty list if nothing does.

    Builds no simulation. steps, board, connectors: as for `run`. Raises BackendError for a backend
    that does not exist.
    """
    settings = _settings(network, backend, steps, (), board, connectors, None)
    return backends.check(backend, network, settings)


def run(
    network: Network,
    values: Floats,
    backend: Backend = "reference",
    steps: int | None = None,
    record: Sequence[str] = (),
    board: Path | str | None = None,
    connectors: Connectors | None = None,
    calibration: Floats | None = None,
    threads: int | None = None,
    progress: Progress = silent,
    sampled: Sequence[int] | None = None,
    stop_when_sure: bool = False,
) -> Recording:
    """Present images to a network on a simulator or a board, one after another.

    values: input of the spiking part of the model, as `Model.core_input` computes it from images,
    float32 (B, *input shape). steps: time steps per image; None for the network's own. record:
    names of the populations whose spikes to return. board: sPyNNaker's configuration file, as in
    boards/; None for ~/.spynnaker.cfg. connectors: how a board stores synapses, as "lists", as
    kernels where possible ("convolutions"), or as what takes less ("auto"). calibration: values
    like `values`, on which the ranges of a board's fixed-point numbers are measured; None for
    `values`. threads: of the CPU; None for all cores. progress: called with (done, total). sampled:
    numbers of steps after which the outputs are going to be read; potentials are kept of these, and
    of those from which they are read (`settings.sampled` of the result); None for all.
    stop_when_sure: end an image as soon as `network.stop` says, of `with_stop`. Raises
    BackendError when `check` finds a problem or the run fails, DataError for values of another
    shape or a population that does not exist.
    """
    _check_images("values", values, network.input.shape)
    spiking = [population.name for population in network.spiking]
    unknown = [name for name in record if name not in spiking]
    if unknown:
        fix = f"choose from {', '.join(spiking)}"
        raise DataError(
            [Problem(f"record {name!r}", "no such population", fix) for name in unknown]
        )
    settings = _settings(network, backend, steps, tuple(record), board, connectors, threads)
    if sampled is not None:
        scored = _sampled(sampled, settings.steps)
        kept = readout.needed(network, scored, default_read_out(network), settings.steps)
        settings = replace(settings, sampled=kept)
    if stop_when_sure and sampled is not None:
        what, fix = "an image that ends early needs all steps", "leave it or stop_when_sure out"
        raise DataError([Problem("sampled", what, fix)])
    if stop_when_sure:
        longest = steps or stopping.most_steps(network)
        settings = replace(settings, steps=longest, stop=_stop_of(network, backend))
    problems = backends.check(backend, network, settings)
    if problems:
        raise BackendError(problems)
    images = np.ascontiguousarray(values, np.float32)
    return backends.find(backend).run(network, Stimulus(images, calibration), settings, progress)


def score(
    model: Model,
    network: Network,
    recording: Recording,
    images: ImageSequence,
    labels: Sequence[int] | np.ndarray[tuple[int], np.dtype[np.int64]],
    read_out: ReadOut | None = None,
    threads: int | None = None,
) -> Scores:
    """Return the accuracy of ANN, ReLU1 and SNN, and how often the SNN agrees with the ANN.

    ReLU1 is the network computed with rates instead of spikes, clipped at one spike per step.
    recording: of `images`, (B, *image shape), the model's input; labels: classes (B,). read_out:
    "all" to read what the output has integrated since step 0, "late" to leave out the first steps,
    whose spikes come before their inhibition; None for the network's own. Raises DataError where
    the numbers of images differ, ModelError if the model's output is no vector of logits.
    """
    number_of(model)
    limit = threshold(model)
    truth, cores = np.asarray(labels, np.int64), threads or available_cores()
    count = len(recording.synaptic_events)
    if not count == len(images) == len(truth):
        what = f"{count} images recorded, {len(images)} images and {len(truth)} labels given"
        raise DataError([Problem("score", what, "give the images that were presented")])
    decoding = decode.decoder(model, network, cores)
    values = host.core_input(model, images, cores)
    relu1 = decode.relu1_logits(network, values, images, decoding, cores, silent)
    how = read_out or default_read_out(network)
    snn = decode.snn_logits(network, recording, images, decoding, how, silent)
    return report.score(snn, model.logits(images, cores), relu1, truth, limit)


def score_detections(
    model: Model,
    network: Network,
    recording: Recording,
    images: ImageSequence,
    truth: Sequence[Truth],
    steps: Sequence[int] = (),
    read_out: ReadOut | None = None,
    threads: int | None = None,
) -> DetectorScores:
    """Return the mean average precision of ANN, ReLU1 and SNN, and how alike their boxes are.

    recording: of `images`, (B, *image shape), the model's input; truth: what is on each, as
    `load_scenes` returns it. steps: numbers of steps after which the SNN is scored; none for the
    last only. read_out: as for `score`. Raises DataError where the numbers of images differ, for
    steps whose potentials were not kept, or for a file of heads without its anchors,
    MODEL.anchors.json; ModelError for a classifier.
    """
    count, cores = len(recording.synaptic_events), threads or available_cores()
    if not count == len(images) == len(truth):
        what = f"{count} images recorded, {len(images)} images and {len(truth)} truths given"
        raise DataError([Problem("score_detections", what, "give the images presented")])
    at = tuple(steps) or (recording.settings.steps,)
    how = read_out or default_read_out(network)
    return scoring.score(model, network, recording, images, truth, at, how, cores, unwatched)


def with_stop(
    model: Model,
    network: Network,
    calibration: ImageSequence,
    agreement: float = WANTED,
    steps: int | None = None,
    threads: int | None = None,
    watch: Watch = unwatched,
) -> Network:
    """Return the network with the limit from which on it is sure of an image's class.

    The limit is the least that agrees with the ANN on so many of the calibration images
    (B, *image shape), of which the first 100 are left out; `network.stop` says what it costs and
    saves there. agreement: a fraction of the images. steps: an image takes at most so many; None
    for twice the network's own behind the release. Raises ConversionError where no limit does,
    where there are too few images, and for networks whose classes are not the values of one output.
    """
    _check_images("calibration", calibration, model.image_shape)
    cores = threads or available_cores()
    return stopping.with_stop(model, network, calibration, agreement, steps, cores, watch)


def _stop_of(network: Network, backend: str) -> Stop:
    """Return when images end; raises where that is not known, or the backend cannot do it."""
    backends.check_stop(backend)
    if network.stop is None:
        what, fix = "the network has no limit", "call with_stop before"
        raise DataError([Problem("stop_when_sure", what, fix)])
    return network.stop


def _settings(
    network: Network,
    backend: str,
    steps: int | None,
    record: tuple[str, ...],
    board: Path | str | None,
    connectors: Connectors | None,
    threads: int | None,
) -> Settings:
    taken = steps or default_steps(network, backend in backends.BOARDS)
    machine, cores = None if board is None else Path(board), threads or available_cores()
    return Settings(taken, cores, record, machine, connectors)


def _sampled(wanted: Sequence[int], steps: int) -> tuple[int, ...]:
    """Return the steps to keep; raises DataError for one that is not simulated."""
    kept = tuple(sorted(set(wanted)))
    if not kept or kept[0] < 1 or kept[-1] > steps:
        what, fix = f"{list(wanted)[:8]}", f"give numbers from 1 to {steps}"
        raise DataError([Problem("sampled", what, fix)])
    return kept


def _check_images(name: str, images: ImageSequence, shape: tuple[int, ...]) -> None:
    """Raise DataError where images are not (B, *shape) with B >= 1."""
    found = np.shape(images[:1])
    if len(images) < 1 or found[1:] != shape:
        wanted = ", ".join(map(str, shape))
        what = f"shape {(len(images), *found[1:])}"
        raise DataError([Problem(name, what, f"give float32 (B, {wanted}), B >= 1")])
