"""Network -> PyNN populations and projections, on any simulator that has PyNN's interface."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from spinn_convert.network.records import Network, Population, Projection

TIME_STEP_MS = 1.0
"""PyNN's time, ms, of one time step of the network."""


@dataclass(frozen=True, eq=False)
class Part:
    """The synapses of a projection onto one receptor.

    connector: PyNN's. receptor: such as "excitatory"; None for PyNN's default, which on NEST takes
    weights of both signs.
    """

    connector: Any
    receptor: str | None = None


@dataclass(frozen=True, eq=False)
class Built:
    """PyNN's populations by name, and its projections by "source -> target receptor".

    The receptor is left out where the simulator has one projection for both.
    """

    populations: Mapping[str, Any]
    projections: Mapping[str, Any]


@dataclass(frozen=True)
class Window:
    """When an image was presented: PyNN's time in ms at its first step, and its time steps.

    A spike of step t, counted from 0, has the time start + t + first. first: 1 on NEST, which dates
    a spike at the end of its step; 0 on SpiNNaker.
    """

    start: float
    steps: int
    first: int


def build(
    sim: Any,
    network: Network,
    cell_type: Callable[[Population], Any],
    parts: Callable[[Projection], Iterable[Part]],
) -> Built:
    """Create a PyNN population per population and PyNN projections for every projection.

    sim: an object with PyNN's Population, Projection and StaticSynapse, set up with a time step of
    TIME_STEP_MS. cell_type: returns the PyNN cell type of a population. parts: returns the
    synapses of a projection by receptor; each part becomes a PyNN projection.
    """
    populations = {
        population.name: sim.Population(
            population.size, cell_type(population), label=population.name
        )
        for population in network.populations
        if population.kind != "input"
    }
    projections = {}
    for projection in network.synaptic():
        for part in parts(projection):
            label = f"{projection.source} -> {projection.target} {part.receptor or ''}".rstrip()
            projections[label] = sim.Projection(
                populations[projection.source],
                populations[projection.target],
                part.connector,
                sim.StaticSynapse(delay=projection.delay * TIME_STEP_MS),
                receptor_type=part.receptor,
                label=label,
            )
    return Built(populations, projections)
