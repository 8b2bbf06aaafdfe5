"""Network -> board plan: what sPyNNaker's stock IF_curr_exp holds to compute this network.

The synaptic integrator. With a membrane constant of 0.05 ms the potential is, in every step,

    V = I_exc - I_inh + i_offset

and with synaptic constants of 31507.4 ms the two currents keep what they receive: they are the
integrator. An inhibitory projection of each neuron onto itself (weight theta, delay 1) subtracts
the threshold after a spike. A threshold of the `Network` is `theta` on the board, in its units of
mV and nA, which are the same here; numbers are s16.15, so "raw" integers count 2^-15.

Clamping is not planned: whatever the network's clamp_delay, the plan is made for d = 0, that is
release = depth and delay = difference of depths. Input before the release would be accumulated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, floor, log2
from typing import ClassVar

import numpy as np

from spinn_convert.backends.board.cells import (
    INTEGRATOR,
    LARGEST_SHIFT,
    NEVER,
    RING_LIMIT,
    Plan,
    PlannedPopulation,
    Value,
)
from spinn_convert.backends.board.drive import LARGEST_DRIVE, Drive, drive
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
"""Of every population, at a time step of 1 ms; other constants break the construction."""
MARGIN = 1.5
"""Room above the peak input of the calibration images."""
COARSEST_LSB = 2.0**-6
"""Thresholds; a weight LSB of 2^-5 costs 10 points of accuracy, 2^-6 none."""
SMALLEST_THETA = {"spiking": 2.0**-4, "readout": 2.0**-12}
LARGEST_THETA = {"spiking": 1.0, "readout": 2.0**-4}
READOUT_STEPS = 1024
"""Steps of peak input that a readout takes before it leaves the range of its numbers."""


@dataclass(frozen=True)
class Peak:
    """The largest input of any neuron of a population in one step, in thresholds.

    excitatory, inhibitory: through synapses, the projection onto itself included. drive: the
    largest |bias + current of the analog input|.
    """

    excitatory: float
    inhibitory: float
    drive: float


@dataclass(frozen=True, eq=False)
class BoardPopulation(PlannedPopulation):
    """Of integrators: a constant drive needs both of its parts, and a spike subtracts itself."""

    @property
    def parameters(self) -> Mapping[str, Value]:
        """What the cell is made with, beside the drive."""
        return {"v_thresh": self.v_thresh, **CELL_PARAMETERS}

    @property
    def initial(self) -> Mapping[str, Value]:
        """What its state begins with, beside the drive."""
        return {"v": 0.0, "isyn_inh": 0.0, "refract_timer": self.refract_timer}


@dataclass(frozen=True, eq=False)
class BoardPlan(Plan[BoardPopulation]):
    """network: as given but for d = 0."""

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
    """Return the plan; `peaks` by population come from `board_arithmetic.measure_peaks`.

    Without peaks the weights fit, but ring buffers may saturate. Raises BackendError that names
    every population whose bias or weights the numbers of the board cannot hold.
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
    """Return the network with weights in LSBs; `lsb` in thresholds by target population."""
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
    """Return the populations whose constant drive does not fit into i_offset."""
    problems = []
    for population in network.populations:
        if population.kind == "input":
            continue
        largest = largest_drive(network, population, (peaks or {}).get(population.name))
        limit = LARGEST_DRIVE / SMALLEST_THETA[population.kind]
        if largest > limit:
            what = f"a constant drive of {largest:.3g} per step; i_offset holds {limit:.3g}"
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
        drive=None if driven(network, population) else constant,
        saturates=saturates(network, population),
    )


def _theta(kind: str, largest_drive: float, most: float) -> float:
    """Return the largest power of two at which drive and potential fit.

    A larger theta never costs precision: the LSB of the weights grows in proportion to it.
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
    what = f"takes up to {RING_LIMIT * planned.weight_lsb / planned.theta:.3g} thresholds per step"
    fix = "16-bit weights are then too coarse: calibrate on more images or with a higher percentile"
    return [Problem(planned.name, what, fix)]


def driven(network: Network, population: Population) -> bool:
    """Whether the drive of the population depends on the image."""
    return any(_is_current(network, p) for p in network.incoming(population))


def saturates(network: Network, population: Population) -> bool:
    """Whether the population spikes and is driven by the image alone."""
    incoming = network.incoming(population)
    only_image = bool(incoming) and all(_is_current(network, p) for p in incoming)
    return only_image and population.kind == "spiking"


def most_input(network: Network, population: Population, peak: Peak | None) -> float:
    """Return what a weight, and a step's input with a margin, come to at most, in thresholds."""
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
    """Return the largest constant drive that must not clip, in thresholds per step."""
    if saturates(network, population):
        return 0.0
    if driven(network, population):
        return MARGIN * peak.drive if peak else 0.0
    return float(np.abs(population.bias).max(initial=0))
