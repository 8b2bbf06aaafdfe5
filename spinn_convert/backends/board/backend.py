"""Backend spinnaker-integers: computes in software what a SpiNNaker board would, bit for bit.

Reset by subtraction is computed as IF_curr_exp does (`arithmetic`), a reset to a constant as
IF_curr_delta does (`delta.arithmetic`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spinn_convert.backends.board import arithmetic
from spinn_convert.backends.board.arithmetic import measure_peaks, sizing_images
from spinn_convert.backends.board.delta import arithmetic as delta_arithmetic
from spinn_convert.backends.board.delta.plan import DeltaPlan, make_delta_plan
from spinn_convert.backends.board.plan import BoardPlan, make_plan
from spinn_convert.backends.board.planned import AnyPlan
from spinn_convert.errors import Problem
from spinn_convert.linear.ops import Floats
from spinn_convert.network.recording import Progress, Recording, Settings, Stimulus, silent
from spinn_convert.network.records import Network

DEFAULT_IMAGES = None


def check(network: Network, settings: Settings) -> list[Problem]:
    """Return what keeps this network from running, except weights that do not fit (`run`)."""
    return [*arithmetic.check(network, settings), *clamp_problems(network)]


def clamp_problems(network: Network) -> list[Problem]:
    """Return a problem if the network has a clamp delay that a board cannot implement.

    With reset by subtraction the synaptic current is the integrator (see `plan`); it keeps input
    that arrives before the release, which a clamp would have to discard.
    """
    if not network.clamp_delay or network.reset == "constant":
        return []
    what = (
        "a clamp is impossible on SpiNNaker with reset by subtraction"
        f" (clamp_delay={network.clamp_delay})"
    )
    fix = "convert with clamp_delay=0, or with reset=constant"
    return [Problem("clamp", what, fix)]


def run(
    network: Network,
    stimulus: Stimulus,
    settings: Settings,
    progress: Progress = silent,
    plan: AnyPlan | None = None,
) -> Recording:
    """Simulate all images as the board would; progress counts images.

    plan: None for `default_plan`. Raises BackendError when the network does not fit into the
    board's numbers, or a number leaves its range in the simulation.
    """
    plan = plan or default_plan(network, stimulus, settings)
    if isinstance(plan, DeltaPlan):
        return delta_arithmetic.run(network, stimulus, settings, progress, plan)
    if isinstance(plan, BoardPlan):
        return arithmetic.run(network, stimulus, settings, progress, plan)
    raise TypeError(f"no arithmetic for a {type(plan).__name__}")


def default_plan(
    network: Network, stimulus: Stimulus, settings: Settings, progress: Progress = silent
) -> AnyPlan:
    """Return the plan of a network for its reset, with ranges measured on `sizing_images`.

    Raises BackendError when the network does not fit into the board's numbers.
    """
    plain = subtracting(network)
    peaks = measure_peaks(plain, sizing_images(stimulus), settings, progress)
    if network.reset == "constant":
        return make_delta_plan(plain, peaks, constants(network))
    return make_plan(plain, peaks)


def rough_plan(network: Network) -> AnyPlan:
    """Return a plan made without images: weights fit, but their sums may saturate.

    Raises BackendError when the network does not fit into the board's numbers.
    """
    plain = subtracting(network)
    plan = make_plan(plain)
    if network.reset == "constant":
        return make_delta_plan(plain, None, constants(network))
    return plan


def subtracting(network: Network) -> Network:
    """Return the network with reset by subtraction."""
    populations = tuple(replace(p, v_reset=None) for p in network.populations)
    return replace(network, populations=populations)


def constants(network: Network) -> dict[str, Floats]:
    """Return by population the potentials (C,), in thresholds, after a spike, by channel."""
    half = np.float32(2.0 ** -(network.bits + 1))
    return {
        p.name: np.broadcast_to(p.v_reset - half, (p.shape[0], *(1,) * (len(p.shape) - 1))).ravel()
        for p in network.spiking
        if p.v_reset is not None
    }
