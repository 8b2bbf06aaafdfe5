"""The channels of a layer, one sPyNNaker population each, used as if they were one population."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinn_convert.emulator.recording import Spikes

Where = tuple[str, int]
"""Layer that a sPyNNaker population belongs to, and the index in it of its first neuron."""


class Channels:
    """The populations of a layer's channels, with the methods of one PyNN population.

    Neurons are numbered in (C, H, W) order over all channels.
    """

    def __init__(self, parts: Sequence[Any], neurons: int) -> None:
        """Join populations of `neurons` each."""
        self.parts, self._neurons = tuple(parts), neurons
        self.size = neurons * len(parts)

    def set(self, **values: Any) -> None:
        """Set parameters, of all neurons or one value per neuron."""
        self._spread(slice(0, self.size), "set", values)

    def initialize(self, **values: Any) -> None:
        """Set initial values, of all neurons or one value per neuron."""
        self._spread(slice(0, self.size), "initialize", values)

    def record(self, variable: str) -> None:
        """Record a variable of all neurons."""
        for part in self.parts:
            part.record(variable)

    def __getitem__(self, where: slice) -> _View:
        return _View(self, where)

    def spinnaker_get_data(self, variable: str) -> NDArray[np.float64]:
        """Return rows (neuron, ms)."""
        found = []
        for channel, part in enumerate(self.parts):
            rows = np.asarray(part.spinnaker_get_data(variable), np.float64).reshape(-1, 2)
            found.append(rows + np.array([channel * self._neurons, 0.0]))
        return np.concatenate(found)

    def shares(self, rows: NDArray[np.float64]) -> Iterator[tuple[Any, NDArray[np.float64]]]:
        """Yield each population with its rows (source, target, nA); `rows` are sorted by source."""
        borders = np.arange(len(self.parts) + 1) * self._neurons
        cuts = np.searchsorted(rows[:, 0], borders)
        for part, first, begin, end in zip(self.parts, borders, cuts, cuts[1:]):
            if end > begin:
                yield part, rows[begin:end] - [first, 0.0, 0.0]

    def _spread(self, where: slice, verb: str, values: Mapping[str, Any]) -> None:
        for part, begin, end in self._pieces(where.start, where.stop):
            first = begin - where.start
            some = {
                name: value if np.ndim(value) == 0 else value[first : first + end - begin]
                for name, value in values.items()
            }
            base = begin % self._neurons
            whole = end - begin == self._neurons
            target = part if whole else part[base : base + end - begin]
            getattr(target, verb)(**some)

    def _pieces(self, begin: int, end: int) -> Iterator[tuple[Any, int, int]]:
        while begin < end:
            channel = begin // self._neurons
            until = min(end, (channel + 1) * self._neurons)
            yield self.parts[channel], begin, until
            begin = until


class _View:
    """Consecutive neurons of a layer, as PyNN's population view."""

    def __init__(self, channels: Channels, where: slice) -> None:
        self.set: Callable[..., None] = self._call(channels, where, "set")
        self.initialize: Callable[..., None] = self._call(channels, where, "initialize")

    @staticmethod
    def _call(channels: Channels, where: slice, verb: str) -> Callable[..., None]:
        def call(**values: Any) -> None:
            channels._spread(where, verb, values)

        return call


def places(populations: Mapping[str, Any]) -> dict[str, Where]:
    """Return the layer of each sPyNNaker population, by its label."""
    found = {}
    for name, population in populations.items():
        if isinstance(population, Channels):
            for channel, part in enumerate(population.parts):
                found[str(part.label)] = name, channel * population._neurons
        else:
            found[name] = name, 0
    return found


def merged(spikes: Mapping[str, Spikes], where: Mapping[str, Where]) -> dict[str, Spikes]:
    """Return spikes, rows (step, neuron), by layer, from those by sPyNNaker label.

    where: of `places`.
    """
    rows: dict[str, list[Spikes]] = {}
    for label, found in spikes.items():
        name, first = where[label]
        rows.setdefault(name, []).append(found + np.array([0, first]))
    joined = {name: np.concatenate(parts) for name, parts in rows.items()}
    return {name: all_[np.lexsort((all_[:, 1], all_[:, 0]))] for name, all_ in joined.items()}
