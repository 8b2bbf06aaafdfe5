"""What plans for both cell types have in common: parameters, ranges and synapses, in board units.

A plan says how a network is built from one of sPyNNaker's own cell types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import ClassVar, Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from spinn_convert.backends.board.drive import Drive
from spinn_convert.errors import BackendError, Problem
from spinn_convert.linear.ops import Floats, Shape
from spinn_convert.network.records import Network

INTEGRATOR, DELTA = "IF_curr_exp", "IF_curr_delta"
"""sPyNNaker's cell types for reset by subtraction, and for reset to a constant."""
NEVER = 60000.0
"""v_thresh of a readout, mV, which its potential must not reach."""
RING_LIMIT = 65535
"""Sum at which an entry of a ring buffer saturates, in weight LSBs; also the largest weight."""
LARGEST_SHIFT = 15
"""Largest ring-buffer shift; a weight LSB is then 1 nA."""

Value: TypeAlias = float | NDArray[np.float64]
"""A parameter: one value for all neurons, or an array that broadcasts to the population's shape."""


@dataclass(frozen=True, eq=False)
class PlannedPopulation:
    """Parameters of one population, in the units of sPyNNaker.

    theta: the board's potential, mV, that stands for one threshold of the network. v_thresh: mV.
    refract_timer: initial value, in steps, of the counter that keeps V fixed until the release.
    shift: of the ring buffers of both receptors; a weight LSB is 2^(shift - 15) nA.
    self_weight: weight of the inhibitory synapse of each neuron onto itself, in LSBs; 0 for none.
    drive: the constant current, None where it depends on the image. may_clip: whether a clipped
    current gives the same spikes, because the image is the only input, so that a neuron with such
    a large current fires in every step, or never.
    """

    name: str
    kind: str
    shape: Shape
    theta: float
    v_thresh: float
    refract_timer: int
    shift: int
    self_weight: int
    drive: Drive | None
    may_clip: bool

    @property
    def size(self) -> int:
        """Number of neurons."""
        return prod(self.shape)

    @property
    def parameters(self) -> Mapping[str, Value]:
        """Parameters of the cell type by PyNN's names, except i_offset."""
        raise NotImplementedError

    @property
    def initial(self) -> Mapping[str, Value]:
        """Initial values of state variables by PyNN's names, except isyn_exc."""
        raise NotImplementedError

    @property
    def max_expected_summed_weight(self) -> list[float]:
        """Parameter of sPyNNaker's populations, nA per receptor, that gives this shift.

        `PopulationVertex.get_ring_buffer_shifts` makes shift s of any value in [2^(s-1), 2^s).
        """
        return [0.75 * 2.0**self.shift] * 2

    @property
    def weight_lsb(self) -> float:
        """Value of a weight's last bit, nA (`PopulationVertex.get_weight_scales`, inverted)."""
        return float(2.0 ** (self.shift - LARGEST_SHIFT))


P = TypeVar("P", bound=PlannedPopulation, covariant=True)


@dataclass(frozen=True, eq=False)
class Plan(Generic[P]):
    """A network, and how a board computes it.

    network: in units of the threshold, with the clamp delay that the board implements. integers:
    the same network, its weights in LSBs of the target: `synapses(projection.map, 0)` yields the
    integers of `projection`, negative for the inhibitory receptor. populations: all but the analog
    input. cell: sPyNNaker's name of the cell type. largest_potential: of a readout, mV, beyond
    which its fixed-point numbers may overflow.
    """

    cell: ClassVar[str]
    largest_potential: ClassVar[float]
    network: Network
    integers: Network
    populations: tuple[P, ...]

    @cached_property
    def by_name(self) -> Mapping[str, P]:
        """The populations by their names."""
        return {population.name: population for population in self.populations}

    def image_drives(self, currents: Mapping[str, Floats]) -> dict[str, Drive]:
        """Return the constant current of every population with input from the image, by name.

        currents: of `rate.input_currents(plan.network, values)`, thresholds per step, bias
        included, (B, *shape) of B images or (*shape) of one; the results have the same axes.
        Raises BackendError where a clipped current would change the spikes.
        """
        drives = {}
        for population in self.populations:
            if population.name not in currents:
                continue
            values = currents[population.name]
            drives[population.name] = found = self._drive(population.name, values)
            if found.clipped.any() and not population.may_clip:
                largest = np.abs(values).max()
                what = f"an input current of {largest:.3g} thresholds per step is out of range"
                fix = "measure the largest inputs on more calibration images"
                raise BackendError([Problem(population.name, what, fix)])
        return drives

    def _drive(self, name: str, values: Floats) -> Drive:
        raise NotImplementedError


AnyPlan: TypeAlias = Plan[PlannedPopulation]
