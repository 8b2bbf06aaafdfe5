"""Network -> plan for SpiNNaker's stock IF_curr_delta, which resets to a constant.

A reset to v_reset = 0 loses what V has above the threshold, and with it the meaning of a rate. So
every channel gets as v_reset its mean overshoot, E[V - v_thresh | spike], measured while neurons
still reset by subtraction: right on average, never for one spike. Deep classifiers lose a few
points; values read from the output as such (boxes) are not to be trusted.

With tau_m = 20000 ms and cm = 1.220703125 nF an input of 1 nA moves V by 1 mV exactly; V leaks not
at all from 0 to 0.5 mV, and 6.1e-5 per step elsewhere. Clamping is the refract_timer, any d.

At 4 nA the product with tau_m / cm leaves the numbers, its sign flips, and no counter tells. So
thetas are such that weights are never shifted: a ring buffer then saturates at 2 nA, which is
counted, and the drive stays below the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor, log2
from typing import ClassVar

import numpy as np

from spinn_convert.backends.board.cells import (
    DELTA,
    LARGEST_SHIFT,
    NEVER,
    RING_LIMIT,
    Plan,
    PlannedPopulation,
    Value,
)
from spinn_convert.backends.board.drive import FRACTION_BITS, Drive, Int32
from spinn_convert.backends.board.plan import (
    Peak,
    driven,
    in_lsbs,
    largest_drive,
    most_input,
    saturates,
)
from spinn_convert.errors import BackendError, Problem
from spinn_convert.linear.ops import Floats
from spinn_convert.network.records import Network, Population

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
LARGEST_INPUT = RING_LIMIT / 2**LARGEST_SHIFT
"""nA per step and receptor, through synapses."""
LARGEST_DRIVE = 1.9
"""nA per step."""
LARGEST_THETA = {"spiking": 0.5, "readout": 2.0**-4}
SMALLEST_THETA = {"spiking": 2.0**-8, "readout": 2.0**-12}


@dataclass(frozen=True, eq=False)
class DeltaPopulation(PlannedPopulation):
    """v_init, v_reset: raw, broadcast to the shape."""

    v_init: Int32
    v_reset: Int32

    @property
    def parameters(self) -> Mapping[str, Value]:
        """What the cell is made with, beside the drive."""
        v_reset = np.ldexp(self.v_reset.astype(np.float64), -FRACTION_BITS)
        return {"v_thresh": self.v_thresh, "v_reset": v_reset, **CELL_PARAMETERS}

    @property
    def initial(self) -> Mapping[str, Value]:
        """What its state begins with, beside the drive."""
        v_init = np.ldexp(self.v_init.astype(np.float64), -FRACTION_BITS)
        return {"v": v_init, "isyn_inh": 0.0, "refract_timer": self.refract_timer}


@dataclass(frozen=True, eq=False)
class DeltaPlan(Plan[DeltaPopulation]):
    """network: as given; it keeps its clamp_delay. A drive is an i_offset alone.

    An input of 3.9 nA takes V towards 63,898 mV, and the difference must stay below 65,536.
    """

    cell: ClassVar[str] = DELTA
    largest_potential: ClassVar[float] = 1600.0

    def _drive(self, name: str, values: Floats) -> Drive:
        return _drive(values, self.by_name[name].theta)


def make_delta_plan(
    network: Network,
    peaks: Mapping[str, Peak] | None = None,
    v_reset: Mapping[str, Floats] | None = None,
) -> DeltaPlan:
    """Return the plan; `peaks` of `measure_peaks`, `v_reset` of `measure_overshoot`, thresholds.

    Without peaks the weights fit, but ring buffers may saturate. Raises BackendError that names
    every population whose bias, weights or input leave the numbers of the board.
    """
    planned, problems = [], []
    for population in network.populations:
        if population.kind == "input":
            continue
        peak = (peaks or {}).get(population.name)
        theta = _theta(network, population, peak)
        if theta < SMALLEST_THETA[population.kind]:
            drive = largest_drive(network, population, peak)
            most = max(most_input(network, population, peak), drive)
            what = f"takes up to {most:.3g} thresholds per step"
            problems.append(Problem(population.name, what, "use reset by subtraction instead"))
            continue
        overshoot = (v_reset or {}).get(population.name, np.zeros(1, np.float32))
        planned.append(_plan_population(network, population, theta, overshoot))
    if problems:
        raise BackendError(problems)
    integers = in_lsbs(network, {p.name: p.weight_lsb / p.theta for p in planned})
    return DeltaPlan(network, integers, tuple(planned))


def raw(thresholds: Floats, theta: float) -> Int32:
    """Return thresholds of `theta` mV as s16.15."""
    scaled = np.asarray(thresholds, np.float64) * theta * (1 << FRACTION_BITS)
    return np.rint(scaled).astype(np.int32)


def _drive(per_step: Floats, theta: float) -> Drive:
    """Return the i_offset for a drive in thresholds per step, clipped at LARGEST_DRIVE / theta."""
    limit = LARGEST_DRIVE / theta
    offset = raw(np.clip(per_step, -limit, limit), theta)
    return Drive(offset, np.zeros_like(offset), np.abs(per_step) > limit)


def _theta(network: Network, population: Population, peak: Peak | None) -> float:
    """Return the largest power of two at which input and drive fit."""
    most = max(most_input(network, population, peak), 1e-9)
    largest = max(largest_drive(network, population, peak), 1e-9)
    fitting = 2.0 ** floor(log2(min(LARGEST_INPUT / most, LARGEST_DRIVE / largest)))
    return min(LARGEST_THETA[population.kind], fitting)


def _plan_population(
    network: Network, population: Population, theta: float, overshoot: Floats
) -> DeltaPopulation:
    ones, below = (1,) * (len(population.shape) - 1), round(theta * (1 << FRACTION_BITS)) - 1
    spiking, v_init = population.kind == "spiking", raw(population.v_init, theta)
    return DeltaPopulation(
        name=population.name,
        kind=population.kind,
        shape=population.shape,
        theta=theta,
        v_thresh=theta if spiking else NEVER,
        refract_timer=population.release,
        shift=0,
        self_weight=0,
        drive=None if driven(network, population) else _drive(population.bias, theta),
        saturates=saturates(network, population),
        v_init=np.minimum(v_init, below) if spiking else v_init,
        v_reset=np.minimum(raw(overshoot.reshape(-1, *ones), theta), below),
    )
