"""What a model would take on SpiNNaker boards: converted and mapped, but not run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from spinn_convert.backends.board.arithmetic import measure_peaks
from spinn_convert.backends.board.cells import AnyPlan
from spinn_convert.backends.board.delta_arithmetic import measure_overshoot
from spinn_convert.backends.board.delta_plan import make_delta_plan
from spinn_convert.backends.board.plan import Peak, make_plan
from spinn_convert.backends.spinnaker.check import missing_software
from spinn_convert.backends.spinnaker.dry_run.costs import DryRun, table
from spinn_convert.backends.spinnaker.dry_run.drawing import draw_placement
from spinn_convert.backends.spinnaker.dry_run.mapping import dry_run
from spinn_convert.backends.spinnaker.machine import read_machine
from spinn_convert.conversion import steps as conversion
from spinn_convert.errors import BackendError
from spinn_convert.files import output
from spinn_convert.files.data import load_dataset, normalised
from spinn_convert.jobs import run as pipeline
from spinn_convert.linear.ops import Floats
from spinn_convert.model import host
from spinn_convert.network import store
from spinn_convert.network.recording import Settings, silent
from spinn_convert.network.records import Network

MARK = "dry_run.txt"


def execute(job: pipeline.Job, watch: pipeline.Watch) -> tuple[DryRun, Path]:
    """Convert and map a model; write network.npz, dry_run.txt and a picture to a new folder.

    Raises the errors of every step; then nothing is left behind.
    """
    problems = missing_software(read_machine(job.board))
    if problems:
        raise BackendError(problems)
    target = job.out or Path(f"{job.model.stem}.dry_run")
    with output.new_folder(target, job.overwrite, MARK) as folder:
        model, layers = conversion.read(job.model, job.data, job.max_pool)
        found = conversion.data_path(job.model, job.data)
        dataset = load_dataset(found, model.image_shape, None)
        images = normalised(dataset.calibration)
        correcting = watch("potentials") if job.method.corrects else silent
        network = conversion.calibrated(
            model, layers, images, job.method, job.threads, watch("calibrate"), correcting
        )
        store.save(network, folder / "network.npz")
        some = host.core_input(model, images[: pipeline.SIZING_IMAGES], job.threads)
        steps = pipeline.settings_of(network, job).steps
        settings = Settings(steps, job.threads)
        peaks = measure_peaks(network, some, settings, watch("largest inputs"))
        watch("map")
        plan = _plan(network, some, settings, peaks, job)
        dry = dry_run(network, plan, job.board, steps, job.connectors)
        (folder / MARK).write_text(table(dry) + "\n")
        draw_placement(dry, folder / "placement.png")
    return dry, target


def _plan(
    network: Network,
    values: Floats,
    settings: Settings,
    peaks: Mapping[str, Peak],
    job: pipeline.Job,
) -> AnyPlan:
    """Return the plan that the job would run; `values` are the core's calibration inputs."""
    if job.reset == "subtract":
        return make_plan(network, peaks)
    return make_delta_plan(network, peaks, measure_overshoot(network, values, settings, peaks))
