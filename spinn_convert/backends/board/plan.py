"""Network -> plan for sPyNNaker's cell type IF_curr_exp, made to reset by subtraction.

Its synaptic currents serve as the integrator. With a membrane time constant of 0.05 ms, the
potential follows them in every step,

    V = I_exc - I_inh + i_offset

and with synaptic time constants of 31507.4 ms the two currents keep what they receive. An
inhibitory projection of each neuron onto itself (weight theta, delay 1) subtracts the threshold
after a spike. One threshold of the `Network` is `theta` mV on the board, and as many nA, since V is
a sum of currents here. Numbers are s16.15 fixed point; "raw" integers are in units of 2^-15.

A plan has no clamp: whatever the network's clamp_delay, it is made for d = 0, that is
release = depth and delay = difference of depths. Input before the release is accumulated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, floor, log2
from typing import ClassVar

import numpy as np

from spinn_convert.backends.board.drive import LARGEST_DRIVE, Drive, drive
from spinn_convert.backends.board.planned import (
    INTEGRATOR,
    LARGEST_SHIFT,
    NEVER,
    RING_LIMIT,
    Plan,
    PlannedPopulation,
    Value,
)
from spinn_convert.errors import BackendError, Problem
from spinn_convert.linear.maps import LinearMap, matrix, then
from spinn_convert.linear.ops import Conv, Dense, Floats, Scale
from spinn_convert.network.records import Network, Population, Projection

CELL_PARAMETERS: Mapping[str, float] = {
    "v_rest": 0.0,
    "v_reset": 0.0,
    "tau_refrac": 0.0,
    "tau_m": 0.05,
    "cm": 0.05,
    "tau_syn_E": 31507.4,
    "tau_syn_I": 31507.4,
}
"""Of every population (ms, mV, nF), for a time step of 1 ms: only these time constants make the
currents integrate and the potential follow them exactly."""
MARGIN = 1.5
"""Factor by which ranges exceed the largest inputs of the calibration images."""
COARSEST_LSB = 2.0**-6
"""Largest value of a weight's last bit, in thresholds: 2^-5 costs 10 % accuracy, 2^-6 none."""
SMALLEST_THETA = {"spiking": 2.0**-4, "readout": 2.0**-12}
"""mV per threshold, below which a network is refused."""
LARGEST_THETA = {"spiking": 1.0, "readout": 2.0**-4}
"""mV per threshold. A readout's is small, since its potential grows to many thresholds."""
READOUT_STEPS = 1024
"""Steps with the largest input for which a readout's potential stays in the range of s16.15."""


@dataclass(frozen=True)
class Peak:
    """The largest input of any neuron of a population in one step, in thresholds.

    excitatory, inhibitory: through synapses, those onto itself included. drive: the largest
    |bias + current from the image|.
    """

    excitatory: float
    inhibitory: float
    drive: float


@dataclass(frozen=True, eq=False)
class BoardPopulation(PlannedPopulation):
    """A population of IF_curr_exp: its drive has i_offset and isyn_exc, its self_weight resets."""

    @property
    def parameters(self) -> Mapping[str, Value]:
        """Parameters of the cell type by PyNN's names, except i_offset."""
        return {"v_thresh": self.v_thresh, **CELL_PARAMETERS}

    @property
    def initial(self) -> Mapping[str, Value]:
        """Initial values of state variables by PyNN's names, except isyn_exc."""
        return {"v": 0.0, "isyn_inh": 0.0, "refract_timer": self.refract_timer}


@dataclass(frozen=True, eq=False)
class BoardPlan(Plan[BoardPopulation]):
    """A plan for IF_curr_exp; its network is without a clamp (d = 0)."""

    cell: ClassVar[str] = INTEGRATOR
    largest_potential: ClassVar[float] = NEVER

    def _drive(self, name: str, values: Floats) -> Drive:
        board = self.by_name[name]
        v_init = next(p.v_init for p in self.network.populations if p.name == name)
        return drive(values, v_init, board.refract_timer, board.theta)


def without_clamp(network: Network) -> Network:
    """Return the network at d = 0: release = depth, delays that balance all paths."""
    depth = {p.name: p.depth for p in network.populations}
    populations = tuple(replace(p, release=max(p.depth, 0)) for p in network.populations)
    projections = tuple(
        replace(p, delay=depth[p.target] - depth[p.source]) for p in network.projections
    )
    return replace(network, populations=populations, projections=projections, clamp_delay=0)


def make_plan(network: Network, peaks: Mapping[str, Peak] | None = None) -> BoardPlan:
    """Return the plan of a network.

    peaks: largest inputs by population, of `arithmetic.measure_peaks`; without, the weights fit,
    but ring buffers may saturate. Raises BackendError that names every population whose bias or
    weights exceed the board's range.
    """
    network = without_clamp(network)
    problems = _drive_problems(network, peaks)
    if problems:
        raise BackendError(problems)
    planned = [
        _plan_population(network, population, (peaks or {}).get(population.name))
        for population in network.populations
        if population.kind != "input"
    ]
    problems = [problem for p in planned for problem in _weight_problems(p)]
    if problems:
        raise BackendError(problems)
    lsb = {p.name: p.weight_lsb / p.theta for p in planned}
    return BoardPlan(network, in_lsbs(network, lsb), tuple(planned))


def in_lsbs(network: Network, lsb: Mapping[str, float]) -> Network:
    """Return the network with weights in LSBs. lsb: in thresholds, by target population."""
    projections = []
    for projection in network.synaptic():
        ones = (1,) * len(projection.map.out_shape)
        factor: Floats = np.full(ones, 1 / lsb[projection.target], np.float32)
        projections.append(replace(projection, map=then(projection.map, Scale(factor))))
    return replace(network, projections=tuple(projections), bits=0)


def weight_values(linear: LinearMap) -> Floats:
    """Return every weight of a map, in any order and at least once."""
    if len(linear.ops) == 1 and isinstance(linear.ops[0], Conv | Dense):
        return linear.ops[0].weight
    return np.asarray(matrix(linear).data, np.float32)


def _drive_problems(network: Network, peaks: Mapping[str, Peak] | None) -> list[Problem]:
    """Return a problem for each population whose constant current does not fit into i_offset."""
    problems = []
    for population in network.populations:
        if population.kind == "input":
            continue
        largest = largest_drive(network, population, (peaks or {}).get(population.name))
        limit = LARGEST_DRIVE / SMALLEST_THETA[population.kind]
        if largest > limit:
            what = (
                f"needs a constant current of {largest:.3g} thresholds per step;"
                f" i_offset allows {limit:.3g}"
            )
            fix = "its scale is too small: calibrate on more images, or with a higher percentile"
            problems.append(Problem(population.name, what, fix))
    return problems


def _plan_population(
    network: Network, population: Population, peak: Peak | None
) -> BoardPopulation:
    readout = population.kind == "readout"
    most = max(0.0 if readout else 1.0, most_input(network, population, peak))
    theta = _theta(population.kind, largest_drive(network, population, peak), most)
    shift = max(0, ceil(log2(max(theta * most, 1e-9) / RING_LIMIT)) + LARGEST_SHIFT)
    constant = drive(population.bias, population.v_init, population.release, theta)
    return BoardPopulation(
        name=population.name,
        kind=population.kind,
        shape=population.shape,
        theta=theta,
        v_thresh=NEVER if readout else theta,
        refract_timer=population.release,
        shift=shift,
        self_weight=0 if readout else round(theta * 2.0 ** (LARGEST_SHIFT - shift)),
        drive=None if sees_image(network, population) else constant,
        may_clip=may_clip(network, population),
    )


def _theta(kind: str, largest_drive: float, most: float) -> float:
    """Return the largest power of two, mV per threshold, at which current and potential fit.

    largest_drive, most: constant current and input per step, in thresholds. A larger theta costs no
    precision: the LSB of the weights grows in proportion to it.
    """
    theta = LARGEST_THETA[kind]
    if largest_drive > 0:
        theta = min(theta, 2.0 ** floor(log2(LARGEST_DRIVE / largest_drive)))
    if kind == "readout" and most > 0:
        theta = min(theta, 2.0 ** floor(log2(NEVER / 2 / (READOUT_STEPS * most))))
    return theta


def _weight_problems(planned: BoardPopulation) -> list[Problem]:
    coarse = planned.weight_lsb / planned.theta > COARSEST_LSB and planned.kind == "spiking"
    if planned.shift <= LARGEST_SHIFT and not coarse:
        return []
    most = RING_LIMIT * planned.weight_lsb / planned.theta
    what = f"takes up to {most:.3g} thresholds per step through synapses"
    fix = "16-bit weights are then too coarse: calibrate on more images or with a higher percentile"
    return [Problem(planned.name, what, fix)]


def sees_image(network: Network, population: Population) -> bool:
    """Whether the population has a projection from the input, so that its current varies."""
    return any(_is_current(network, p) for p in network.incoming(population))


def may_clip(network: Network, population: Population) -> bool:
    """Whether a clipped current changes no spike: a spiking population with no other input."""
    incoming = network.incoming(population)
    only_image = bool(incoming) and all(_is_current(network, p) for p in incoming)
    return only_image and population.kind == "spiking"


def most_input(network: Network, population: Population, peak: Peak | None) -> float:
    """Return the largest |weight| or, with MARGIN, input per step, in thresholds."""
    weights = [
        float(np.abs(weight_values(p.map)).max(initial=0))
        for p in network.incoming(population)
        if not _is_current(network, p)
    ]
    peaks = [MARGIN * max(peak.excitatory, peak.inhibitory)] if peak else []
    return max([0.0, *weights, *peaks])


def _is_current(network: Network, projection: Projection) -> bool:
    return projection.source == network.input.name


def largest_drive(network: Network, population: Population, peak: Peak | None) -> float:
    """Return the largest constant current that must not clip, in thresholds per step."""
    if may_clip(network, population):
        return 0.0
    if sees_image(network, population):
        return MARGIN * peak.drive if peak else 0.0
    return float(np.abs(population.bias).max(initial=0))
