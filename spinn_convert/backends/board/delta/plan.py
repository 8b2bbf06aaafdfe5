"""Network -> plan for sPyNNaker's cell type IF_curr_delta, which resets to a constant.

A reset to v_reset = 0 loses what V has above the threshold, so that rates come out too low. So
every channel gets as v_reset its mean overshoot, E[V - v_thresh | spike], measured while neurons
still reset by subtraction: right on average over spikes, not for a single one. Deep classifiers
lose a few per cent of accuracy; outputs that are used as values (such as boxes) are inexact.

With tau_m = 20000 ms and cm = 1.220703125 nF an input of 1 nA moves V by 1 mV exactly; V does not
leak from 0 to 0.5 mV, and by 6.1e-5 per step elsewhere. The refract_timer implements any clamp
delay d.

From an input of 4 nA on, its product with tau_m / cm exceeds s16.15 and changes its sign, and no
counter of the board tells. So the potential of a threshold (theta) is chosen such that weights have
a shift of 0: a ring buffer then saturates at 2 nA, which is counted, and the constant current takes
less than the other 2 nA.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor, log2
from typing import ClassVar

import numpy as np

from spinn_convert.backends.board.drive import FRACTION_BITS, Drive, Int32
from spinn_convert.backends.board.plan import (
    Peak,
    in_lsbs,
    largest_drive,
    may_clip,
    most_input,
    sees_image,
)
from spinn_convert.backends.board.planned import (
    DELTA,
    LARGEST_SHIFT,
    NEVER,
    RING_LIMIT,
    Plan,
    PlannedPopulation,
    Value,
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
"""exp_TC = exp(-1 / 20000) as the binary computes it, in units of 2^-15."""
GAIN_BITS = 14
"""tau_m / cm is 2^14."""
LARGEST_INPUT = RING_LIMIT / 2**LARGEST_SHIFT
"""Largest input per step and receptor through synapses, nA."""
LARGEST_DRIVE = 1.9
"""Largest constant current, nA."""
LARGEST_THETA = {"spiking": 0.5, "readout": 2.0**-4}
"""mV per threshold. Up to 0.5 mV a spiking neuron's V does not leak."""
SMALLEST_THETA = {"spiking": 2.0**-8, "readout": 2.0**-12}
"""mV per threshold, below which a network is refused: weights would have too few bits."""


@dataclass(frozen=True, eq=False)
class DeltaPopulation(PlannedPopulation):
    """A population of IF_curr_delta.

    v_init, v_reset: initial potential and potential after a spike, integers in units of 2^-15 mV,
    broadcast to the shape.
    """

    v_init: Int32
    v_reset: Int32

    @property
    def parameters(self) -> Mapping[str, Value]:
        """Parameters of the cell type by PyNN's names, except i_offset."""
        v_reset = np.ldexp(self.v_reset.astype(np.float64), -FRACTION_BITS)
        return {"v_thresh": self.v_thresh, "v_reset": v_reset, **CELL_PARAMETERS}

    @property
    def initial(self) -> Mapping[str, Value]:
        """Initial values of state variables by PyNN's names, except isyn_exc."""
        v_init = np.ldexp(self.v_init.astype(np.float64), -FRACTION_BITS)
        return {"v": v_init, "isyn_inh": 0.0, "refract_timer": self.refract_timer}


@dataclass(frozen=True, eq=False)
class DeltaPlan(Plan[DeltaPopulation]):
    """A plan for IF_curr_delta; its network keeps the clamp delay, its drives have no isyn_exc.

    largest_potential: an input of 3.9 nA moves V towards 63,898 mV, and the difference between that
    and V must stay below 65,536 mV.
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
    """Return the plan of a network.

    peaks: largest inputs by population, of `measure_peaks`; without, the weights fit, but ring
    buffers may saturate. v_reset: in thresholds, of `measure_overshoot`; without, 0. Raises
    BackendError that names every population whose bias, weights or input exceed the board's range.
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
    """Return potentials given in thresholds as integers in units of 2^-15 mV.

    theta: mV per threshold.
    """
    scaled = np.asarray(thresholds, np.float64) * theta * (1 << FRACTION_BITS)
    return np.rint(scaled).astype(np.int32)


def _drive(per_step: Floats, theta: float) -> Drive:
    """Return the i_offset of a current in thresholds per step, clipped at LARGEST_DRIVE / theta."""
    limit = LARGEST_DRIVE / theta
    offset = raw(np.clip(per_step, -limit, limit), theta)
    return Drive(offset, np.zeros_like(offset), np.abs(per_step) > limit)


def _theta(network: Network, population: Population, peak: Peak | None) -> float:
    """Return the largest power of two, mV per threshold, at which both kinds of input fit."""
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
        drive=None if sees_image(network, population) else _drive(population.bias, theta),
        may_clip=may_clip(network, population),
        v_init=np.minimum(v_init, below) if spiking else v_init,
        v_reset=np.minimum(raw(overshoot.reshape(-1, *ones), theta), below),
    )
