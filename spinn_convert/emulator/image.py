"""What a board is loaded with: frozen records of one mapping, without a simulator behind them."""

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


REWRITTEN = (Region.NEURON_PARAMS, Region.CURRENT_SOURCE_PARAMS, Region.NEURON_RECORDING)
"""What sPyNNaker writes to every core again after a reset: _rewrite_neuron_data_spec."""


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

    neurons: how many atoms it holds. channels: what it records.
    """

    where: CoreId
    population: str
    neurons: int
    binary: Path
    regions: Mapping[int, RegionImage]
    channels: tuple[Channel, ...]

    def __str__(self) -> str:
        x, y, processor = self.where
        return f"{self.population} on core {x},{y},{processor}"

    @property
    def colour_bits(self) -> int:
        """Bits of a key that count time steps: word 3 of the core parameters."""
        return int.from_bytes(self.regions[Region.CORE_PARAMS].content[12:16], "little")


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
    """All that is loaded for one run of at most `steps` time steps.

    populations: size of each. links: per chip and link (0 to 5), the chip at its other end.
    counters: names of the words of the provenance region.
    """

    steps: int
    populations: Mapping[str, int]
    cores: tuple[CoreImage, ...]
    tables: Mapping[Chip, RoutingTable]
    links: Mapping[Chip, Mapping[int, Chip]]
    counters: tuple[str, ...]
