"""Network -> plan for SpiNNaker's stock IF_curr_delta, which resets to a constant.

A reset to v_reset = 0 loses what V has above the threshold, and with it the meaning of a rate. So
every channel gets as v_reset its mean overshoot, E[V - v_thresh | spike], measured while neurons
still reset by subtraction: right on average, never for one spike. Deep classifiers lose a few
points; values read from the output as such (boxes) are not to be trusted.

With tau_m = 20000 ms and cm = 1.220703125 nF an input of 1 nA moves V by 1 mV exactly; V leaks not
at all from 0 to 0.5 mV, and 6.1e-5 per step elsewhere. Clamping is the refract_timer, any d.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import ceil, floor, log2

import numpy as np

from spinn_convert.backends.board_drive import FRACTION_BITS, Int32
from spinn_convert.backends.board_plan import (
    LARGEST_SHIFT,
    MARGIN,
    NEVER,
    RING_LIMIT,
    Peak,
    in_lsbs,
)
from spinn_convert.errors import BackendError, Problem
from spinn_convert.network import Network, Population
from spinn_convert.ops import Floats, Shape

CELL_PARAMETERS: Mapping[str, float] = {
    "v_rest": 0.0,
    "tau_refrac": 0.0,
    "tau_m": 20000.0,
    "cm": 1.220703125,
}
DECAY = 32766
"""exp_TC, raw: exp(-1 / 20000) as the binary computes it."""
GAIN_BITS = 14
"""tau_m / cm is 2^14."""
LARGEST_INPUT = 3.9
"""nA per step; at 4 the product with tau_m / cm leaves the numbers and its sign flips."""
LARGEST_THETA = {"spiking": 0.5, "readout": 2.0**-4}
SMALLEST_THETA = {"spiking": 2.0**-8, "readout": 2.0**-12}


@dataclass(frozen=True, eq=False)
class DeltaPopulation:
    """Parameters of one population beside CELL_PARAMETERS; see BoardPopulation.

    v_init, v_reset, i_offset: raw, broadcast to the shape; i_offset of a driven population does
    not count.
    """

    name: str
    kind: str
    shape: Shape
    theta: float
    v_thresh: float
    refract_timer: int
    shift: int
    v_init: Int32
    v_reset: Int32
    i_offset: Int32

    @property
    def weight_lsb(self) -> float:
        """Value of a weight's last bit, nA."""
        return float(2.0 ** (self.shift - LARGEST_SHIFT))


@dataclass(frozen=True, eq=False)
class DeltaPlan:
    """As BoardPlan, but `network` keeps its clamp_delay."""

    network: Network
    integers: Network
    populations: tuple[DeltaPopulation, ...]

    @cached_property
    def by_name(self) -> Mapping[str, DeltaPopulation]:
        """The populations by their names."""
        return {population.name: population for population in self.populations}


def make_delta_plan(
    network: Network, peaks: Mapping[str, Peak], v_reset: Mapping[str, Floats] | None = None
) -> DeltaPlan:
    """Return the plan; `peaks` of `measure_peaks`, `v_reset` of `measure_overshoot`, thresholds.

    Raises BackendError that names every population whose input leaves the numbers of the board.
    """
    planned, problems = [], []
    for population in network.populations:
        if population.kind == "input":
            continue
        peak = peaks[population.name]
        if LARGEST_INPUT / SMALLEST_THETA[population.kind] < _largest_input(population, peak):
            what = f"takes up to {_largest_input(population, peak):.3g} thresholds per step"
            problems.append(Problem(population.name, what, "use reset by subtraction instead"))
            continue
        overshoot = (v_reset or {}).get(population.name, np.zeros(1, np.float32))
        planned.append(_plan_population(population, peak, overshoot))
    if problems:
        raise BackendError(problems)
    integers = in_lsbs(network, {p.name: p.weight_lsb / p.theta for p in planned})
    return DeltaPlan(network, integers, tuple(planned))


def currents(plan: DeltaPlan, name: str, per_step: Floats) -> Int32:
    """Return the i_offset of a population, raw, for a drive in thresholds per step, clipped."""
    theta = plan.by_name[name].theta
    limited = np.clip(per_step, -LARGEST_INPUT / theta, LARGEST_INPUT / theta)
    return raw(limited, theta)


def raw(thresholds: Floats, theta: float) -> Int32:
    """Return thresholds of `theta` mV as s16.15."""
    scaled = np.asarray(thresholds, np.float64) * theta * (1 << FRACTION_BITS)
    return np.rint(scaled).astype(np.int32)


def _largest_input(population: Population, peak: Peak) -> float:
    """Return what a neuron may take in one step, in thresholds, either sign."""
    drive = max(peak.drive, float(np.abs(population.bias).max(initial=0)))
    return MARGIN * max(peak.excitatory, peak.inhibitory) + drive


def _plan_population(population: Population, peak: Peak, overshoot: Floats) -> DeltaPopulation:
    largest = max(_largest_input(population, peak), 1e-9)
    theta = min(LARGEST_THETA[population.kind], 2.0 ** floor(log2(LARGEST_INPUT / largest)))
    most = max(MARGIN * max(peak.excitatory, peak.inhibitory), 1e-9)
    shift = max(0, ceil(log2(theta * most / RING_LIMIT)) + LARGEST_SHIFT)
    ones, raw_threshold = (1,) * (len(population.shape) - 1), round(theta * (1 << FRACTION_BITS))
    return DeltaPopulation(
        name=population.name,
        kind=population.kind,
        shape=population.shape,
        theta=theta,
        v_thresh=theta if population.kind == "spiking" else NEVER,
        refract_timer=population.release,
        shift=shift,
        v_init=raw(population.v_init, theta),
        v_reset=np.minimum(raw(overshoot.reshape(-1, *ones), theta), raw_threshold - 1),
        i_offset=raw(population.bias, theta),
    )
