"""The board's arithmetic in software: computes a plan bit for bit as sPyNNaker's binaries would.

Equations of IF_curr_exp as executed by sPyNNaker 7.4.1, per time step and neuron; all numbers are
s16.15 fixed point, that is integers in units of 2^-15 ("raw"):

    I_exc += (min(ring_exc, 65535) << shift) * scale;  I_inh likewise
    if refract_timer <= 0: V = I_exc - I_inh + i_offset;  else refract_timer -= 1
    spike if V >= v_thresh, then V = 0
    I_exc *= decay;  I_inh *= decay

ring_exc and ring_inh are the sums of weights that arrive in this step (the ring buffers); `shift`
and `scale` turn them into currents. Products are of 32 by 32 bits, rounded down. A spike of step t
is in the ring buffers of step t + delay. Every packet is assumed to arrive in time; on a real
board, sPyNNaker's counters (provenance) must confirm that.

Differs from the reference: no clamping (d = 0); weights of 16 bits; currents leak 3.2e-5 per step.
The board records V before the update: its value for step t + 1 is the potential after step t here.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from spinn_convert.backends.board.plan import BoardPlan, Peak, make_plan
from spinn_convert.backends.board.planned import RING_LIMIT, AnyPlan
from spinn_convert.backends.board.precision import precision
from spinn_convert.backends.board.program import BoardProgram, compile_plan, simulate_image
from spinn_convert.backends.board.session import ImageResult, present, recorded
from spinn_convert.backends.reference.program import Int64
from spinn_convert.errors import BackendError, Problem
from spinn_convert.linear.ops import Floats
from spinn_convert.network.rate import CHUNK, input_currents
from spinn_convert.network.recording import Progress, Recording, Settings, Stimulus, silent
from spinn_convert.network.records import Network

NAME = "spinnaker arithmetic"
DEFAULT_IMAGES = None
PEAK_IMAGES = 64
"""Images on which the largest inputs are measured, from which the range of weights follows."""
UNLIMITED = 0xFFFF_FFFF
"""Saturation limit of a ring buffer, in weight LSBs, that no sum reaches."""


@dataclass(frozen=True, eq=False)
class BoardRecording(Recording):
    """A recording, and how often numbers left the board's range; B images.

    saturated: per population, int64 (B,), entries of ring buffers that saturated. clipped: per
    population with input from the image, int64 (B,), neurons whose constant current was clipped.
    peaks: the largest inputs of any image and step, per population. plan: the plan that was run.
    """

    saturated: Mapping[str, Int64] = field(default_factory=dict)
    clipped: Mapping[str, Int64] = field(default_factory=dict)
    peaks: Mapping[str, Peak] = field(default_factory=dict)
    plan: AnyPlan | None = None


def check(network: Network, settings: Settings) -> list[Problem]:
    """Return what is wrong with the settings; whether the weights fit is checked by `make_plan`."""
    problems = []
    if settings.steps < 1:
        problems.append(Problem("settings", f"{settings.steps} steps", "simulate at least one"))
    spiking = {p.name for p in network.spiking}
    problems += [
        Problem(f"population {name}", "cannot be recorded", "name a spiking population")
        for name in settings.record
        if name not in spiking
    ]
    return problems


def measure_peaks(
    network: Network, values: Floats, settings: Settings, progress: Progress = silent
) -> dict[str, Peak]:
    """Return the largest inputs that `make_plan` needs, measured on images (B, *input shape).

    Simulates these in the board's arithmetic, with ring buffers that never saturate.
    """
    plan = make_plan(network, _drive_peaks(network, values))
    recording = _run(plan, Stimulus(values), replace(settings, record=()), progress, UNLIMITED)
    return dict(recording.peaks)


def run(
    network: Network,
    stimulus: Stimulus,
    settings: Settings,
    progress: Progress = silent,
    plan: BoardPlan | None = None,
) -> BoardRecording:
    """Simulate all images as the board would.

    plan: of `make_plan`; None for `default_plan`. Raises BackendError when the network does not fit
    into the board's numbers, or a number leaves its range in the simulation.
    """
    problems = input_problems(network, stimulus, settings, plan)
    if problems:
        raise BackendError(problems)
    plan = plan or default_plan(network, stimulus, settings)
    return _run(plan, stimulus, settings, progress, RING_LIMIT)


def default_plan(network: Network, stimulus: Stimulus, settings: Settings) -> BoardPlan:
    """Return a plan whose ring buffers hold the largest inputs of `sizing_images`.

    Raises BackendError when the network does not fit into the board's numbers.
    """
    some = sizing_images(stimulus)
    return make_plan(network, measure_peaks(network, some, settings))


def sizing_images(stimulus: Stimulus) -> Floats:
    """Return the first PEAK_IMAGES calibration images, or of the stimulus if it has none."""
    some = stimulus.values if stimulus.calibration is None else stimulus.calibration
    return some[:PEAK_IMAGES]


def input_problems(
    network: Network, stimulus: Stimulus, settings: Settings, plan: AnyPlan | None
) -> list[Problem]:
    """Return what is wrong with the settings, the images or the plan (None: not checked)."""
    problems = check(network, settings)
    shape, expected = stimulus.values.shape, network.input.shape
    if shape[1:] != expected or not shape[0]:
        what = f"shape {shape}; the network takes (B, {', '.join(map(str, expected))}), B >= 1"
        problems.append(Problem("stimulus", what, "give images of this shape"))
    if plan and _layout(plan.network) != _layout(network):
        problems.append(Problem("plan", "is of another network", "make it from this one"))
    return problems


def _layout(network: Network) -> list[tuple[str, tuple[int, ...]]]:
    return [(p.name, p.shape) for p in network.populations]


def _run(
    plan: BoardPlan, stimulus: Stimulus, settings: Settings, progress: Progress, limit: int
) -> BoardRecording:
    started = time.perf_counter()
    board = compile_plan(plan)
    simulate = partial(_simulate, plan, board, settings, limit)
    built = time.perf_counter()
    images = present(plan.network, stimulus, settings, progress, simulate)
    saturated = np.array([image.saturated for image in images], np.int64)
    names = images[0].clipped
    lost = {row.name: row.rounded_to_zero / max(row.synapses, 1) for row in precision(plan)}
    details = {
        "saturated ring buffer entries": int(saturated.sum()),
        "clipped drives": _clipped_shares(plan, images),
        "weights rounded to zero": lost,
    }
    return BoardRecording(
        backend=NAME,
        **recorded(plan.network, board.program.names, settings, [i.result for i in images]),
        timing={"build": built - started, "simulate": time.perf_counter() - built},
        saturated={name: saturated[:, p] for p, name in enumerate(board.program.names)},
        clipped={n: np.array([image.clipped[n] for image in images], np.int64) for n in names},
        details=details,
        peaks=_peaks(plan, images, _drive_peaks(plan.network, stimulus.values)),
        plan=plan,
    )


def _simulate(
    plan: BoardPlan,
    board: BoardProgram,
    settings: Settings,
    limit: int,
    currents: Mapping[str, Floats],
) -> ImageResult:
    return simulate_image(board, plan.image_drives(currents), settings, limit)


def _clipped_shares(plan: BoardPlan, images: list[ImageResult]) -> dict[str, float]:
    """Return the share of constant currents that were clipped, by population with an image."""
    return {
        name: sum(image.clipped[name] for image in images) / (plan.by_name[name].size * len(images))
        for name in images[0].clipped
    }


def _drive_peaks(network: Network, values: Floats) -> dict[str, Peak]:
    largest: dict[str, float] = {}
    for start in range(0, len(values), CHUNK):
        for name, current in input_currents(network, values[start : start + CHUNK]).items():
            largest[name] = max(largest.get(name, 0.0), float(np.abs(current).max()))
    return {name: Peak(0.0, 0.0, drive) for name, drive in largest.items()}


def _peaks(
    plan: BoardPlan, images: list[ImageResult], drives: Mapping[str, Peak]
) -> dict[str, Peak]:
    """Return the largest inputs of each population over all images, in thresholds."""
    largest = np.max([image.peaks for image in images], axis=0)
    peaks = {}
    for population, (excitatory, inhibitory) in zip(plan.populations, largest):
        lsb = population.weight_lsb / population.theta
        drive = drives[population.name].drive if population.name in drives else 0.0
        peaks[population.name] = Peak(float(excitatory * lsb), float(inhibitory * lsb), drive)
    return peaks
