"""A network as a table: one row per population."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from spinn_convert.errors import printable
from spinn_convert.files.text import aligned
from spinn_convert.linear.ops import Shape
from spinn_convert.network.records import Network, Population, synapse_counts

HEADERS = ("population", "shape", "neurons", "fan-in", "synapses", "scale", "release")


@dataclass(frozen=True)
class Row:
    """One population: neurons, mean synapses per neuron, synapses, and the step of its release.

    scale: smallest and largest of its channels, the activations that a rate of one spike per step
    stands for; None for readouts and for networks that are not calibrated.
    """

    name: str
    kind: str
    shape: Shape
    neurons: int
    fan_in: float
    synapses: int
    scale: tuple[float, float] | None
    release: int

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as text, one cell per header."""
        name = printable(self.name)
        return (
            name if self.kind == "spiking" else f"{name} ({self.kind})",
            "x".join(map(str, self.shape)),
            f"{self.neurons:,}",
            f"{self.fan_in:,.0f}",
            f"{self.synapses:,}",
            "-" if self.scale is None else f"{self.scale[0]:.3g}..{self.scale[1]:.3g}",
            str(self.release),
        )


def rows(network: Network) -> tuple[Row, ...]:
    """Return a row per population of neurons, in order."""
    counts = synapse_counts(network)
    return tuple(
        _row(network, population, counts[population.name])
        for population in network.populations
        if population.kind != "input"
    )


def totals(found: tuple[Row, ...]) -> tuple[str, ...]:
    """Return the last line of the table: all neurons and synapses."""
    neurons, synapses = sum(row.neurons for row in found), sum(row.synapses for row in found)
    return ("total", "", f"{neurons:,}", "", f"{synapses:,}", "", "")


def text(network: Network) -> str:
    """Return the table as text, columns padded to their widest cell."""
    found = rows(network)
    return aligned([HEADERS, *(row.cells for row in found), totals(found)], left=2)


def _row(network: Network, population: Population, synapses: int) -> Row:
    scaled = network.calibrated and population.kind == "spiking"
    return Row(
        population.name,
        population.kind,
        population.shape,
        population.size,
        synapses / population.size,
        synapses,
        (float(population.scale.min()), float(population.scale.max())) if scaled else None,
        population.release,
    )


def as_json(network: Network) -> dict[str, Any]:
    """Return the table as JSON: the model, depth, clamp delay, reset, and all populations."""
    return {
        "model": dict(network.made_from),
        "depth": network.depth,
        "clamp_delay": network.clamp_delay,
        "reset": network.reset,
        "calibrated": network.calibrated,
        "populations": [asdict(row) for row in rows(network)],
    }
