"""Score a recording: of a classifier by labels, of a detector by its scenes and its network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spinn_convert.errors import DataError, Problem
from spinn_convert.files.scenes import load_scenes
from spinn_convert.jobs.prepare import Source, model_of, stored
from spinn_convert.network.recording import Watch, unwatched
from spinn_convert.network.timing import ReadOut
from spinn_convert.results import neo_file
from spinn_convert.results.detection import decode, recorded, scores, scoring
from spinn_convert.results.scoring import score_recording


@dataclass(frozen=True)
class ScoreOptions:
    """What to score: a recording, and beside it what it is scored with.

    labels, signal: of a classifier only, see `results.scoring.score_recording`. data, onnx: of a
    detector only, as of `Source`. network: network.npz, which a detector's recording is read with.
    read_out: None for what the recording says. threads: of the CPU.
    """

    recording: Path
    labels: Path | None = None
    data: Path | None = None
    network: Path | None = None
    onnx: Path | None = None
    signal: str | None = None
    read_out: ReadOut | None = None
    threads: int = 1


def execute(options: ScoreOptions, watch: Watch = unwatched) -> dict[str, Any]:
    """Return the scores as JSON: over time steps, beside those of the ANN.

    Raises DataError for options of the other kind of recording, or that are missing, and where
    recording, network and images do not belong together; the errors of reading each.
    """
    block = neo_file.read(options.recording)
    if recorded.is_of_detector(block):
        return _detector(options, block, watch)
    given = {"--data": options.data, "--onnx": options.onnx}
    _refuse(options, given, "no detector's", "a classifier's is scored by --labels")
    if options.labels is None:
        what = f"missing; {options.recording} is scored by the images' labels"
        raise DataError([Problem("--labels", what, "give the .npz of the images, or an .npy")])
    return score_recording(
        options.recording, block, options.labels, options.network, options.signal, options.read_out
    )


def _detector(options: ScoreOptions, block: Any, watch: Watch) -> dict[str, Any]:
    path = options.recording
    given = {"--labels": options.labels, "--readout": options.signal}
    _refuse(options, given, "a detector's", "give its scenes with --data, and --network")
    if options.network is None:
        what = f"missing; {path} is a detector's recording, which is read with its network"
        raise DataError([Problem("--network", what, "give the network.npz of that run")])
    source = Source(options.network, options.data, options.onnx, threads=options.threads)
    network = stored(source)
    recording = recorded.recording_of(path, block, options.network, network)
    read_out, scored = block.annotations["read_out"], recorded.scored_steps(block)
    if options.read_out is not None:
        read_out = options.read_out
        decode.check_kept(network, recording.settings, scored, read_out, path)
    model, data = model_of(source, network)
    scenes, count = load_scenes(data, model.image_shape), len(recording.synaptic_events)
    if len(scenes.images) < count:
        what = f"holds {len(scenes.images)} scenes; {path} is of {count}"
        raise DataError([Problem(str(data), what, "give the scenes that were presented")])
    images, truth = scenes.images.first(count), scenes.truth[:count]
    result = scoring.score(
        model, network, recording, images, truth, scored, read_out, options.threads, watch
    )
    return {
        "recording": str(path),
        "backend": recording.backend,
        "images": count,
        "steps": recording.settings.steps,
        "network": {"depth": network.depth},
        **scores.as_json(result),
    }


def _refuse(options: ScoreOptions, given: dict[str, Any], kind: str, fix: str) -> None:
    """Raise DataError that names the options that have a value; they are of another recording."""
    what = f"has no effect: {options.recording} is {kind} recording"
    problems = [Problem(f"{name} {v}", what, fix) for name, v in given.items() if v is not None]
    if problems:
        raise DataError(problems)
