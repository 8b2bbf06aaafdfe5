"""Network -> PyNN populations and projections, for whichever simulator `sim` is handed in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spinn_convert.network import Network, Population, Projection

TIME_STEP_MS = 1.0


def build(
    sim: Any,
    network: Network,
    cell_type: Callable[[Population], Any],
    connector: Callable[[Projection], Any],
) -> dict[str, Any]:
    """Create a PyNN population per population and a PyNN projection per projection.

    sim: a module with PyNN's interface, set up with a time step of TIME_STEP_MS. cell_type and
    connector return the PyNN objects that suit this simulator. Returns the populations by name.
    """
    populations = {
        population.name: sim.Population(
            population.size, cell_type(population), label=population.name
        )
        for population in network.populations
        if population.kind != "input"
    }
    for projection in network.synaptic():
        sim.Projection(
            populations[projection.source],
            populations[projection.target],
            connector(projection),
            sim.StaticSynapse(delay=projection.delay * TIME_STEP_MS),
            label=f"{projection.source} -> {projection.target}",
        )
    return populations
