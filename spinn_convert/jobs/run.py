"""The verbs in order: convert, simulate, score, save."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from math import ceil
from pathlib import Path
from typing import Any, Literal

from spinn_convert import backends
from spinn_convert.backends.board.arithmetic import BoardRecording
from spinn_convert.conversion import steps as conversion
from spinn_convert.conversion.constant_reset import with_constant_reset
from spinn_convert.conversion.convert import Method, settled
from spinn_convert.conversion.verify import verify
from spinn_convert.errors import BackendError, DataError, Problem
from spinn_convert.files import output
from spinn_convert.files.data import load_dataset, normalised
from spinn_convert.jobs import export as script
from spinn_convert.model import host
from spinn_convert.model.load import Model
from spinn_convert.network import store
from spinn_convert.network.recording import Progress, Recording, Settings, Stimulus, silent
from spinn_convert.network.records import Network
from spinn_convert.results import decode, report
from spinn_convert.results import neo_file as neo_recording

Watch = Callable[[str], Progress]
"""Called with the name of a phase; returns where to report its progress."""

STEPS_AFTER_CLAMP = 48
STEPS_WITHOUT_CLAMP = 32
"""And the depth: the first spikes have passed the sooner, the fewer layers there are."""
STEPS_OF_BASIC = 300
STEPS_ON_BOARD = 72
CHECKED_IMAGES = 4
SIZING_IMAGES = 64
SHOWN_SETTINGS = ("max_pool", "arithmetic", "reset", "threads", "seed")


def unwatched(phase: str) -> Progress:
    """Watch nothing."""
    return silent


@dataclass(frozen=True)
class Job:
    """All that the main command is told; None stands for a default that depends on the model."""

    model: Path
    data: Path | None = None
    backend: str = "reference"
    method: Method = field(default_factory=Method)
    max_pool: str = "spiking"
    arithmetic: str = "float"
    reset: str = "subtract"
    read_out: str | None = None
    record: tuple[str, ...] = ()
    script: Path | None = None
    board: Path | None = None
    connectors: Literal["lists", "convolutions", "auto"] = "lists"
    steps: int | None = None
    images: int | None = None
    seed: int = 1
    threads: int = 1
    out: Path | None = None
    overwrite: bool = False


@dataclass(frozen=True, eq=False)
class Outcome:
    """What the main command made; `report` is the content of report.json."""

    network: Network
    recording: Recording
    scores: report.Scores
    report: dict[str, Any]
    folder: Path


class Timing:
    """Seconds by phase; state because phases nest in nothing and only add up."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure a block."""
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0) + time.perf_counter() - started


def execute(job: Job, watch: Watch = unwatched) -> Outcome:
    """Convert a model, simulate it, and write network, report and picture to a new folder.

    Raises the errors of every step; then nothing is left behind.
    """
    timing, backend = Timing(), backends.find(job.backend, job.arithmetic, job.reset)
    target = job.out or Path(f"{job.model.stem}.spinn")
    with output.new_folder(target, job.overwrite) as folder:
        with timing.phase("load"):
            model, layers = conversion.read(job.model, job.data, job.max_pool)
            found = conversion.data_path(job.model, job.data)
            dataset = load_dataset(found, model.image_shape, conversion.classes(model))
            job = replace(job, method=settled(job.method, layers))
            rough = conversion.draft(model, layers, job.method)
            record = recorded(job.record, rough)
            _check(backend, rough, job)
        with timing.phase("calibrate"):
            images = normalised(dataset.calibration)
            correcting = watch("potentials") if job.method.corrects else silent
            network = conversion.calibrated(
                model, layers, images, job.method, job.threads, watch("calibrate"), correcting
            )
        with timing.phase("verify"):
            verify(model, layers, network, images[:CHECKED_IMAGES], job.threads)
        _save(model, network, folder)
        count = min(
            job.images or backend.DEFAULT_IMAGES or len(dataset.images), len(dataset.images)
        )
        images = normalised(dataset.images, 0, count)
        with timing.phase("ann"):
            ann = decode.ann_logits(model, images, job.threads, watch("ANN"))
        values = host.core_input(model, images, job.threads)
        logits = decode.decoder(model, network, job.threads)
        with timing.phase("relu1"):
            relu1 = decode.relu1_logits(
                network, values, images, logits, job.threads, watch("ReLU1")
            )
        settings = replace(settings_of(network, job), record=record)
        calibration = host.core_input(model, normalised(dataset.calibration, 0, SIZING_IMAGES), 1)
        stimulus = Stimulus(values, calibration)
        if job.reset == "zero" and not on_board(job):
            with timing.phase("reset"):
                network = with_constant_reset(network, calibration, settings)
                store.save(network, folder / "network.npz")
        recording = backend.run(network, stimulus, settings, watch(f"SNN on {job.backend}"))
        timing.seconds.update(recording.timing)
        with timing.phase("decode"):
            snn = decode.snn_logits(
                network, recording, images, logits, _read_out(job), watch("decode")
            )
        scores = report.score(snn, ann, relu1, dataset.labels[:count])
        shown = asdict(job.method) | {"read_out": _read_out(job)}
        shown |= {key: getattr(job, key) for key in SHOWN_SETTINGS}
        if job.script:
            known, steps = dataset.labels[:count], settings.steps
            presented = script.Shown(values, known, ann.argmax(1), steps, _read_out(job))
            if isinstance(recording, BoardRecording) and recording.plan is not None:
                script.write_spinnaker(recording.plan, presented, job.script, job.overwrite)
            else:
                script.write_nest(network, presented, job.script, job.overwrite)
        if job.record:
            block = neo_recording.output_block(recording, network, ann.argmax(1), _read_out(job))
            neo_recording.save(block, folder / "recording.nix")
        if record:
            block = neo_recording.spike_block(recording, network)
            neo_recording.save(block, folder / "spikes.nix")
        content = report.as_json(
            network, recording, scores, shown, timing.seconds, report.versions()
        )
        output.write_json(folder / "report.json", content)
        title = f"{job.model.name} on {job.backend}, {count} images"
        report.draw(scores, network, title, folder / "accuracy.png")
    return Outcome(network, recording, scores, content, target)


def recorded(names: tuple[str, ...], network: Network) -> tuple[str, ...]:
    """Return the populations to record; "output" stands for the readouts, which always are.

    Raises DataError for a name that is none, BackendError if Neo is missing.
    """
    spiking = [p.name for p in network.spiking]
    problems = [
        Problem(f"--record {name}", "no such population", f"choose output, {', '.join(spiking)}")
        for name in names
        if name not in ("output", *spiking)
    ]
    if problems:
        raise DataError(problems)
    if names:
        neo_recording.require_neo()
    return tuple(name for name in names if name != "output")


def _save(model: Model, network: Network, folder: Path) -> None:
    """Write the network, and what the host runs before and after it, for one image."""
    store.save(network, folder / "network.npz")
    if model.before:
        (folder / "prefix.onnx").write_bytes(host.prefix(model).SerializeToString())
    if model.after:
        (folder / "suffix.onnx").write_bytes(host.suffix(model, 1).SerializeToString())


def settings_of(network: Network, job: Job) -> Settings:
    """Return time steps and threads of a job, with the defaults for its network."""
    released = max(p.release for p in network.readouts)
    unclamped = STEPS_WITHOUT_CLAMP + network.depth if job.method.v_init else STEPS_OF_BASIC
    after = STEPS_AFTER_CLAMP if job.method.clamp_delay else unclamped
    steps = released + after
    if on_board(job):  # which resets images only after multiples of 16 steps
        steps = ceil((network.depth + STEPS_ON_BOARD) / 16) * 16
    return Settings(
        job.steps or steps, job.threads, job.seed, board=job.board, connectors=job.connectors
    )


def on_board(job: Job) -> bool:
    """Return if a job computes with the numbers of SpiNNaker."""
    return job.backend == "spinnaker" or job.arithmetic == "spinnaker"


def _read_out(job: Job) -> str:
    """Return from when the output is read: late, unless clamping has kept the first spikes out."""
    paper = job.method.clamp_delay > 0 or not job.method.v_init
    return job.read_out or ("all" if paper else "late")


def _check(backend: backends.Backend, network: Network, job: Job) -> None:
    problems = backend.check(network, settings_of(network, job))
    if job.board is not None and job.backend != "spinnaker":
        fix = "use --backend spinnaker, or leave the board out"
        problems.append(Problem(f"--board {job.board}", f"is not for {job.backend}", fix))
    if job.script and on_board(job) and job.reset == "zero":
        what = "no script resets to a constant on a board"
        fix = "leave --reset out, or write the script for NEST, with --backend nest"
        problems.append(Problem("--script", what, fix))
    if problems:
        raise BackendError(problems)
