"""Decode what cores wrote during a run: recorded variables and counters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinn_convert.emulator.core import Core
from spinn_convert.emulator.image import POTENTIAL, SPIKES, BoardImage, Channel, CoreId, Region
from spinn_convert.errors import BackendError, Problem

Spikes = NDArray[np.int64]
Potentials = NDArray[np.float64]

LOSSES = (
    "n_saturations",
    "n_skipped_synapses",
    "n_late_packets",
    "n_late_spikes",
    "n_buffer_overflows",
    "n_invalid_pop_table_hits",
    "n_background_overloads",
    "transmission_overflows",
    "callback_overloads",
    "dma_overloads",
    "user_overloads",
    "timer_overruns",
)
"""Counters that are 0 when nothing went wrong."""


@dataclass(frozen=True, eq=False)
class BoardResult:
    """Result of a run of T steps.

    spikes: per recorded population, int64 (n, 2), rows (step, neuron) in that order; steps count
    from the last reset. potentials: per population that recorded v, float64 (T, N), exact s16.15
    values in the unit of v, before each step's update; NaN where a neuron was not recorded.
    counters: by core, what sPyNNaker calls provenance, accumulated since the core booted.
    """

    spikes: Mapping[str, Spikes]
    potentials: Mapping[str, Potentials]
    counters: Mapping[CoreId, Mapping[str, int]]

    def losses(self) -> dict[str, int]:
        """Return the sums over all cores of the counters that should be 0 but are not."""
        sums = {name: sum(core.get(name, 0) for core in self.counters.values()) for name in LOSSES}
        return {name: count for name, count in sums.items() if count}


def collect(image: BoardImage, cores: Sequence[Core], first: int, steps: int) -> BoardResult:
    """Read all recordings and counters after a run that began at step `first`.

    Raises BackendError when a core had no room for its recording.
    """
    spikes: dict[str, list[Spikes]] = {}
    potentials: dict[str, Potentials] = {}
    for core in cores:
        name = core.image.population
        for channel in core.image.channels:
            rows = _rows(core, channel)
            if channel.variable == SPIKES:
                spikes.setdefault(name, []).append(_spikes(rows, channel))
            elif channel.variable == POTENTIAL:
                shape = steps, image.populations[name]
                values = potentials.setdefault(name, np.full(shape, np.nan))
                values[np.ix_(rows[:, 0] - first, channel.neurons)] = rows[:, 1:] / 32768
    counters = {core.image.where: _counters(core) for core in cores}
    merged = {name: _sorted(np.concatenate(parts)) for name, parts in spikes.items()}
    return BoardResult(merged, potentials, counters)


def _rows(core: Core, channel: Channel) -> NDArray[np.int32]:
    """Return what a core recorded of a variable, a row (step, words...) for each step.

    Header, from spinn_front_end_common's buffer_manager.py: number of channels, then for each
    (space, size and in its top bit whether data are missing, address).
    """
    header = core.region(core.image.number(Region.RECORDING)) + 4 + 12 * channel.index
    _, size, address = np.frombuffer(core.read(header, 12), "<u4").tolist()
    if size >> 31:
        raise BackendError([Problem(str(core.image), f"had no room to record {channel.variable}")])
    return np.frombuffer(core.read(address, size), "<i4").reshape(-1, 1 + row_words(channel))


def row_words(channel: Channel) -> int:
    """Return the words of one recorded row, without its time: a bit or a word per neuron."""
    recorded = len(channel.neurons)
    return -(-recorded // 32) if channel.variable == SPIKES else recorded


def _spikes(rows: NDArray[np.int32], channel: Channel) -> Spikes:
    bits = np.ascontiguousarray(rows[:, 1:]).view(np.uint8)
    fired = np.unpackbits(bits, axis=1, bitorder="little")[:, : len(channel.neurons)]
    row, neuron = np.nonzero(fired)
    return np.stack([rows[row, 0].astype(np.int64), channel.neurons[neuron]], axis=1)


def _sorted(spikes: Spikes) -> Spikes:
    return spikes[np.lexsort((spikes[:, 1], spikes[:, 0]))]


def _counters(core: Core) -> dict[str, int]:
    names = core.image.counters
    words = core.read(core.region(core.image.number(Region.PROVENANCE_DATA)), 4 * len(names))
    return dict(zip(names, np.frombuffer(words, "<u4").tolist()))
