"""The record of a mapping, and estimates of time and energy.

Speeds are constants published by others; none was measured on hardware here.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from spinn_convert.backends.spinnaker.kernels.layers import Ways
from spinn_convert.network.energy import Energy, of_image

Chip = tuple[int, int]
Core = tuple[int, int, int]
"""x and y of the chip, processor."""

RATE = 0.1
"""Default spikes per neuron and step; the ResNets of the examples have 0.07 to 0.13."""
CLOCK_HZ = 200e6
"""Clock of a core. One instruction per cycle is assumed, so times are lower bounds."""
INSTRUCTIONS_PER_NEURON = 114
"""Per step, counted in sPyNNaker's binary."""
INSTRUCTIONS_PER_PACKET = 900, 3_300
"""For packets with few synapses on a core, and with many; counted in sPyNNaker's binary."""
LOAD_BYTES_PER_SECOND = 5e6
"""Per board, of sPyNNaker's fast protocol: 40 Mbit/s, as published by its authors."""
TABLE_ENTRIES = 1_023
"""Multicast entries for which a chip's router has room."""


@dataclass(frozen=True)
class Layer:
    """One population on the machine.

    synapses: onto it, those onto itself included. cores: where they are. boards: how many it is
    spread over. sdram: bytes on all its cores. senders: the most neurons whose spikes reach any
    one core. ways: costs with lists and with kernels; None where the cell type has no kernels.
    """

    name: str
    neurons: int
    synapses: int
    cores: tuple[Core, ...]
    boards: int
    sdram: int
    senders: int
    ways: Ways | None = None

    @property
    def chips(self) -> tuple[Chip, ...]:
        """The chips that hold its cores."""
        return tuple(sorted({(x, y) for x, y, _ in self.cores}))


@dataclass(frozen=True)
class DryRun:
    """A network mapped on a virtual machine.

    machine: by chip, the Ethernet chip of its board, which identifies the board. sdram: bytes by
    used chip. tables: multicast entries by chip, before compression. loaded: bytes that the host
    sends. ticks: time steps per image. time_scale_factor: of the configuration file, None if it has
    none. mapping_seconds: on this computer.
    """

    layers: tuple[Layer, ...]
    machine: dict[Chip, Chip]
    sdram: dict[Chip, int]
    tables: dict[Chip, int]
    loaded: int
    ticks: int
    time_scale_factor: int | None
    mapping_seconds: float

    @property
    def cores(self) -> int:
        """Cores of all populations."""
        return sum(len(layer.cores) for layer in self.layers)

    @property
    def chips(self) -> int:
        """Chips that hold neurons."""
        return len({chip for layer in self.layers for chip in layer.chips})

    @property
    def boards(self) -> int:
        """Boards that hold neurons."""
        return len({self.machine[chip] for layer in self.layers for chip in layer.chips})


def load_seconds(dry: DryRun) -> float:
    """Return how long the host takes to send everything, once for all images."""
    return dry.loaded / (LOAD_BYTES_PER_SECOND * max(1, dry.boards))


def slowdown(dry: DryRun, rate: float = RATE) -> tuple[int, int]:
    """Return two estimates of the least time_scale_factor at which the busiest core keeps up.

    The first is for packets with few synapses, the second for packets with many. rate: spikes per
    neuron and step.
    """
    best, worst = (
        max(_step_seconds(layer, rate, cost) for layer in dry.layers)
        for cost in INSTRUCTIONS_PER_PACKET
    )
    return max(1, ceil(best * 1e3)), max(1, ceil(worst * 1e3))


def chosen_slowdown(dry: DryRun, rate: float = RATE) -> int:
    """Return the time_scale_factor of the configuration file, or else the larger estimate."""
    return dry.time_scale_factor or slowdown(dry, rate)[1]


def image_seconds(dry: DryRun, rate: float = RATE) -> float:
    """Return for how many seconds the board runs per image, without the host's part."""
    return dry.ticks * 1e-3 * chosen_slowdown(dry, rate)


def energy(dry: DryRun, rate: float = RATE) -> Energy:
    """Return the energy of an image; a board draws its idle power for as long as it runs."""
    neurons = sum(layer.neurons for layer in dry.layers)
    synapses = sum(layer.synapses for layer in dry.layers)
    spikes, events = (count * rate * dry.ticks for count in (neurons, synapses))
    seconds = image_seconds(dry, rate)
    return of_image(max(1, dry.boards), seconds, neurons * dry.ticks, spikes, events)


def _step_seconds(layer: Layer, rate: float, per_packet: int) -> float:
    neurons = ceil(layer.neurons / max(1, len(layer.cores)))
    return (INSTRUCTIONS_PER_NEURON * neurons + per_packet * rate * layer.senders) / CLOCK_HZ
