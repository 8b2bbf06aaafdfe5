"""How coarsely a plan rounds the weights of a network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinn_convert.backends.board.plan import BoardPlan, BoardPopulation, weight_values
from spinn_convert.linear.maps import fan_out, on_grid

EVERY_WEIGHT = 60
"""Fractional bits with which every weight above 2^-61 thresholds counts as a synapse."""


@dataclass(frozen=True)
class Precision:
    """Rounding of the weights onto one population, without those onto itself.

    theta: mV per threshold. lsb: value of a weight's last bit, in thresholds. lightest, heaviest:
    smallest and largest |weight| that is not 0, in LSBs. synapses: number before rounding.
    rounded_to_zero: how many of them have a weight of 0 LSBs.
    """

    name: str
    theta: float
    lsb: float
    lightest: int
    heaviest: int
    synapses: int
    rounded_to_zero: int


def precision(plan: BoardPlan) -> tuple[Precision, ...]:
    """Return the precision of every population of a plan."""
    return tuple(_precision(plan, population) for population in plan.populations)


def _precision(plan: BoardPlan, population: BoardPopulation) -> Precision:
    def synapses_onto(of_integers: bool) -> int:
        network, bits = (plan.integers, 0) if of_integers else (plan.network, EVERY_WEIGHT)
        maps = [p.map for p in network.synaptic() if p.target == population.name]
        return sum(int(fan_out(linear, bits).sum()) for linear in maps)

    maps = [p.map for p in plan.integers.synaptic() if p.target == population.name]
    weights = np.concatenate([np.zeros(0), *(on_grid(weight_values(m), 0).ravel() for m in maps)])
    sizes = np.abs(weights[weights != 0])
    before, after = synapses_onto(of_integers=False), synapses_onto(of_integers=True)
    return Precision(
        population.name,
        population.theta,
        population.weight_lsb / population.theta,
        int(sizes.min()) if len(sizes) else 0,
        int(sizes.max(initial=0)),
        before,
        before - after,
    )
