"""Network -> PyNN populations and projections, for whichever simulator `sim` is handed in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from spinn_convert.network.records import Network, Population, Projection

TIME_STEP_MS = 1.0


@dataclass(frozen=True, eq=False)
class Part:
    """Synapses of a projection onto one receptor; None is the one that PyNN takes by itself."""

    connector: Any
    receptor: str | None = None


def build(
    sim: Any,
    network: Network,
    cell_type: Callable[[Population], Any],
    parts: Callable[[Projection], Iterable[Part]],
) -> dict[str, Any]:
    """Create a PyNN population per population and PyNN projections for every projection.

    sim: what has PyNN's Population, Projection and StaticSynapse, set up with a time step of
    TIME_STEP_MS. cell_type returns the PyNN object that suits this simulator, parts the synapses
    of a projection by receptor, each a PyNN projection. Returns the populations by name.
    """
    populations = {
        population.name: sim.Population(
            population.size, cell_type(population), label=population.name
        )
        for population in network.populations
        if population.kind != "input"
    }
    for projection in network.synaptic():
        for part in parts(projection):
            sim.Projection(
                populations[projection.source],
                populations[projection.target],
                part.connector,
                sim.StaticSynapse(delay=projection.delay * TIME_STEP_MS),
                receptor_type=part.receptor,
                label=f"{projection.source} -> {projection.target} {part.receptor or ''}".rstrip(),
            )
    return populations
