"""What a mapping takes, and estimates of time and energy that follow from it.

All estimates rest on constants that others measured on boards; none was measured here.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from spinn_convert.backends.spinnaker.kernels.layers import Ways

Chip = tuple[int, int]
Core = tuple[int, int, int]
"""x and y of the chip, processor."""

RATE = 0.1
"""Spikes per neuron and step where none are given; converted networks fire 0.07 to 0.13."""
CLOCK_HZ = 200e6
"""Of a core; one instruction per cycle is taken, so that times are lower bounds."""
INSTRUCTIONS_PER_NEURON = 114
INSTRUCTIONS_PER_PACKET = 900, 3_300
"""Counted in the shipped binary: per neuron and step; per packet of few synapses, and of many."""
LOAD_BYTES_PER_SECOND = 5e6
"""Of sPyNNaker's fast path to a board, 40 Mbit/s as published by its authors; boards add up."""
IDLE_WATTS_PER_BOARD = 23.0
JOULES_PER_NEURON_STEP = 92.6e-9
JOULES_PER_SPIKE = 10e-9
JOULES_PER_EVENT = 8e-9
"""Energy on a SpiNN-5 at steps of 1 ms, measured by SNABSuite: 7.3 to 9.6 nJ per event."""
TABLE_ENTRIES = 1_023
"""Multicast entries that a chip's router holds."""


@dataclass(frozen=True)
class Layer:
    """One population on the machine.

    synapses: onto it, those onto itself included. cores: where they are. boards: how many it is
    spread over. sdram: bytes on all its cores. senders: the most neurons whose spikes reach any
    one core. ways: what lists of synapses take and what kernels take; None where the cell has no
    kernels.
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

    machine: all chips, with the chip of each one's board that has the Ethernet. sdram: bytes by
    used chip. tables: multicast entries by chip, before compression. loaded: bytes that the host
    sends. ticks: per image. time_scale_factor: of the configuration file, if it has one.
    mapping_seconds: of this computer.
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


@dataclass(frozen=True)
class Energy:
    """Joules per image."""

    idle: float
    neurons: float
    spikes: float
    events: float

    @property
    def total(self) -> float:
        """Of all parts."""
        return self.idle + self.neurons + self.spikes + self.events


def load_seconds(dry: DryRun) -> float:
    """Return how long the host takes to send everything, once for all images."""
    return dry.loaded / (LOAD_BYTES_PER_SECOND * max(1, dry.boards))


def slowdown(dry: DryRun, rate: float = RATE) -> tuple[int, int]:
    """Return the least time_scale_factor at which the busiest core keeps up: at best, at worst.

    rate: spikes per neuron and step. From the neurons of a core and the packets that it receives.
    """
    best, worst = (
        max(_step_seconds(layer, rate, cost) for layer in dry.layers)
        for cost in INSTRUCTIONS_PER_PACKET
    )
    return max(1, ceil(best * 1e3)), max(1, ceil(worst * 1e3))


def chosen_slowdown(dry: DryRun, rate: float = RATE) -> int:
    """Return the time_scale_factor of the configuration file, or else the worst estimate."""
    return dry.time_scale_factor or slowdown(dry, rate)[1]


def image_seconds(dry: DryRun, rate: float = RATE) -> float:
    """Return how long the board runs for an image, without the host's part."""
    return dry.ticks * 1e-3 * chosen_slowdown(dry, rate)


def energy(dry: DryRun, rate: float = RATE) -> Energy:
    """Return what an image costs; a board draws its idle power for as long as it runs."""
    neurons = sum(layer.neurons for layer in dry.layers)
    synapses = sum(layer.synapses for layer in dry.layers)
    return Energy(
        IDLE_WATTS_PER_BOARD * max(1, dry.boards) * image_seconds(dry, rate),
        JOULES_PER_NEURON_STEP * neurons * dry.ticks,
        JOULES_PER_SPIKE * neurons * rate * dry.ticks,
        JOULES_PER_EVENT * synapses * rate * dry.ticks,
    )


def _step_seconds(layer: Layer, rate: float, per_packet: int) -> float:
    neurons = ceil(layer.neurons / max(1, len(layer.cores)))
    return (INSTRUCTIONS_PER_NEURON * neurons + per_packet * rate * layer.senders) / CLOCK_HZ
