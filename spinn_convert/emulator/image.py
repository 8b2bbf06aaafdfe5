"""All data that a board is loaded with for one mapping, as frozen records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Chip = tuple[int, int]
CoreId = tuple[int, int, int]
"""x and y of the chip, processor."""

SPIKES, POTENTIAL = "spikes", "v"


class Region(IntEnum):
    """Data regions that the emulator itself reads or writes.

    Source: PopulationMachineVertex.REGIONS in spynnaker/pyNN/models/neuron.
    """

    CORE_PARAMS = 1
    NEURON_PARAMS = 2
    CURRENT_SOURCE_PARAMS = 3
    NEURON_RECORDING = 9
    PROVENANCE_DATA = 10
    RECORDING = 15


_REWRITTEN = Region.NEURON_PARAMS, Region.CURRENT_SOURCE_PARAMS, Region.NEURON_RECORDING
"""Regions that sPyNNaker writes again after a reset, by _rewrite_neuron_data_spec."""
_OF_LOCAL_ONLY: Mapping[Region, int] = {
    Region.CORE_PARAMS: 4,
    Region.NEURON_PARAMS: 5,
    Region.CURRENT_SOURCE_PARAMS: 6,
    Region.NEURON_RECORDING: 7,
    Region.PROVENANCE_DATA: 1,
    Region.RECORDING: 3,
}
"""Source: PopulationMachineLocalOnlyCombinedVertex.REGIONS, of cores that hold kernels."""


@dataclass(frozen=True)
class RegionImage:
    """One data region: its size in bytes, and its first bytes if the host wrote any."""

    size: int
    content: bytes = b""


@dataclass(frozen=True, eq=False)
class Channel:
    """One recorded variable of one core.

    index: position in the recording region. neurons: int64 (n,), their numbers in the population,
    in the order in which the core writes them.
    """

    variable: str
    index: int
    neurons: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class CoreImage:
    """One core: where it is, what it runs, and its data.

    neurons: how many it has. regions: by number. channels: what it records. counters: names of the
    words of its provenance region. local_only: whether it holds kernels instead of lists of
    synapses; such a core numbers its regions differently.
    """

    where: CoreId
    population: str
    neurons: int
    binary: Path
    regions: Mapping[int, RegionImage]
    channels: tuple[Channel, ...]
    counters: tuple[str, ...]
    local_only: bool = False

    def __str__(self) -> str:
        x, y, processor = self.where
        return f"{self.population} on core {x},{y},{processor}"

    def number(self, region: Region) -> int:
        """Return the number that a region has on this core."""
        return _OF_LOCAL_ONLY[region] if self.local_only else region

    @property
    def rewritten(self) -> tuple[int, ...]:
        """Numbers of the regions that sPyNNaker writes again after a reset."""
        return tuple(self.number(region) for region in _REWRITTEN)

    @property
    def colour_bits(self) -> int:
        """Bits of a spike's key that hold the time step: word 3 of the core parameters."""
        content = self.regions[self.number(Region.CORE_PARAMS)].content
        return int.from_bytes(content[12:16], "little")


@dataclass(frozen=True, eq=False)
class RoutingTable:
    """Multicast entries of one chip in order of priority; n entries.

    keys, masks: uint32 (n,). processors, links: where each entry sends to.
    """

    keys: NDArray[np.uint32]
    masks: NDArray[np.uint32]
    processors: tuple[tuple[int, ...], ...]
    links: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, eq=False)
class BoardImage:
    """All data that is loaded for one run of at most `steps` time steps.

    populations: neurons of each. tables: by chip. links: by chip and link (0 to 5), the chip at its
    other end.
    """

    steps: int
    populations: Mapping[str, int]
    cores: tuple[CoreImage, ...]
    tables: Mapping[Chip, RoutingTable]
    links: Mapping[Chip, Mapping[int, Chip]]
