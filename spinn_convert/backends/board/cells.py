"""What every plan says to whoever builds it on a board: a stock cell, its numbers, its synapses."""

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
"""sPyNNaker's names of the cells: of reset by subtraction, and to a constant."""
NEVER = 60000.0
"""v_thresh of a readout, mV."""
RING_LIMIT = 65535
"""Where one entry of a ring buffer saturates, in weight LSBs; also the largest weight."""
LARGEST_SHIFT = 15

Value: TypeAlias = float | NDArray[np.float64]
"""For all neurons alike, or an array that broadcasts to the shape of the population."""


@dataclass(frozen=True, eq=False)
class PlannedPopulation:
    """Parameters of one population, in the units of sPyNNaker.

    theta: mV per threshold. v_thresh: mV. refract_timer: steps in which it is held, which is its
    release. shift: of both receptors; a weight LSB is 2^(shift - 15) nA. self_weight: of the
    inhibitory projection of each neuron onto itself, LSBs; 0 for none. drive: i_offset and
    isyn_exc, or None where they depend on the image. saturates: a clipped drive changes nothing,
    because the population is driven by the image alone and fires in every step or never.
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
    saturates: bool

    @property
    def size(self) -> int:
        """Number of neurons."""
        return prod(self.shape)

    @property
    def parameters(self) -> Mapping[str, Value]:
        """What the cell is made with, beside the drive."""
        raise NotImplementedError

    @property
    def initial(self) -> Mapping[str, Value]:
        """What its state begins with, beside the drive."""
        raise NotImplementedError

    @property
    def max_expected_summed_weight(self) -> list[float]:
        """What to pass to sPyNNaker, nA per receptor, to get this shift.

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
    """network: unitless, as the board computes it. populations: all but the analog input.

    integers: the same network, its weights in LSBs of the target: `synapses(projection.map, 0)`
    yields the integers of `projection`, negative for the inhibitory receptor. cell: sPyNNaker's
    name. largest_potential: mV, of a readout, beyond which its numbers may wrap.
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
        """Return i_offset and isyn_exc of every driven population; axes as in `currents`.

        currents: of `rate.input_currents(plan.network, values)`, thresholds per step, bias
        included, (B, *shape) of B images or (*shape) of one.
        Raises BackendError where a clipped drive would change the result.
        """
        drives = {}
        for population in self.populations:
            if population.name not in currents:
                continue
            values = currents[population.name]
            drives[population.name] = found = self._drive(population.name, values)
            if found.clipped.any() and not population.saturates:
                largest = np.abs(values).max()
                what = f"an input current of {largest:.3g} thresholds per step clips"
                fix = "plan with peaks that were measured on more images"
                raise BackendError([Problem(population.name, what, fix)])
        return drives

    def _drive(self, name: str, values: Floats) -> Drive:
        raise NotImplementedError


AnyPlan: TypeAlias = Plan[PlannedPopulation]
