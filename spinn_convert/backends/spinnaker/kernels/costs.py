"""Predict cores and bytes of SDRAM of a layer, built with lists of synapses or with kernels.

Formulas from sPyNNaker 7.4.1: SplitterPopulationVertexFixed.get_sdram_used_by_atoms and what it
calls; every core of a layer counts as its largest. The constants are bytes; each is named after the
part of a core's data that it is the size of, and comes from the method quoted below it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from spinn_convert.backends.board.plan import BoardPlan, BoardPopulation
from spinn_convert.backends.spinnaker.kernels.reading import Kernels, own_kernel
from spinn_convert.linear.maps import LinearMap, synapses

WORD, SHORT = 4, 2
COMMON_OF_LISTS, COMMON_OF_KERNELS = 652, 604
"""PopulationVertex.get_common_constant_sdram, with the counters of cores with lists, or kernels."""
PER_CORE, PER_NEURON, PER_INDEX = 416, 508, 16
"""PopulationVertex.get_neuron_constant_sdram: two copies of the parameters and the data of their
generator; an index for every recorded neuron, rounded up to an even number."""
RECORDING = 8
"""Constant part of NeuronRecorder.get_max_variable_sdram_usage."""
SYNAPSE_PARAMETERS = 36
"""PopulationVertex.get_synapse_params_size."""
EXPANDER, EXPANDER_PER_SOURCE = 92, 4
"""PopulationVertex.get_synapse_expander_size, for synapses that the host writes."""
TABLE, TABLE_PER_SOURCE, TABLE_PER_PROJECTION = 8, 20, 4
"""MasterPopTableAsBinarySearch.get_master_population_table_size."""
MATRIX, MATRIX_ALIGNMENT, ROW = 8, 16, 12
"""PopulationVertex.get_synapses_size; a row has a header, then a word per synapse."""
FILTER, FILTER_PER_SOURCE = 8, 32
"""get_sdram_for_bit_field_region, to which a bit per source neuron is added."""
LOCAL_ONLY = 20
"""PopulationMachineLocalOnlyCombinedVertex.LOCAL_ONLY_SIZE."""
CONVOLUTION, PER_SOURCE, PER_CONNECTOR = 28, 40, 36
"""LocalOnlyConvolution.get_parameters_usage_in_bytes."""


NOTHING: Mapping[str, int] = MappingProxyType({})
"""An empty mapping, as a default."""


@dataclass(frozen=True)
class Cost:
    """Cores of a layer, and bytes of SDRAM of all of them together."""

    cores: int
    sdram: int


@dataclass(frozen=True, eq=False)
class Incoming:
    """A projection onto a layer: source, and map in LSBs."""

    source: BoardPopulation
    map: LinearMap


def neuron_bytes(board: BoardPopulation, neurons: int, ticks: int) -> int:
    """Return the bytes of a core's neurons and of their recordings.

    neurons: on the core. ticks: time steps of a run.
    """
    row = neurons if board.kind == "readout" else ceil(neurons / 32)
    parameters = PER_CORE + PER_NEURON * neurons + PER_INDEX * (neurons + neurons % 2)
    return parameters + RECORDING + ticks * WORD * (1 + row)


def kernel_bytes(
    board: BoardPopulation, incoming: Collection[tuple[str, Kernels]]
) -> NDArray[np.int64]:
    """Return the bytes (C,) of kernels and their sources by target channel.

    incoming: names of source layers, with the kernels. A core holds them in SDRAM and in DTCM.
    """
    channels = board.shape[0]
    connectors = np.full(channels, own_kernel(board.self_weight)[1], np.int64)
    weights = np.ones(channels, np.int64)
    seen: dict[int, set[tuple[str, int]]] = {channel: set() for channel in range(channels)}
    for name, kernels in incoming:
        for source, target, kernel in kernels.pairs():
            connectors[target] += 1
            weights[target] += kernel.size
            seen[target].add((name, source))
    sources = 1 + np.array([len(seen[channel]) for channel in range(channels)])
    padded = (SHORT * weights + WORD - 1) // WORD * WORD
    return np.asarray(CONVOLUTION + PER_SOURCE * sources + PER_CONNECTOR * connectors + padded)


def of_kernels(board: BoardPopulation, kernels: NDArray[np.int64], rows: int, ticks: int) -> Cost:
    """Return the cost of a layer with a population per channel, on cores of `rows` rows each.

    kernels: of `kernel_bytes`. ticks: time steps of a run.
    """
    channels, height, width = board.shape
    each = COMMON_OF_KERNELS + LOCAL_ONLY + neuron_bytes(board, rows * width, ticks)
    cores = height // rows
    return Cost(channels * cores, cores * (channels * each + int(kernels.sum())))


@dataclass(frozen=True, eq=False)
class Rows:
    """Synapses in the longest row of a projection, by receptor, for each source channel (C,)."""

    excitatory: NDArray[np.int64]
    inhibitory: NDArray[np.int64]


def longest_rows(linear: LinearMap, neurons: int) -> Rows:
    """Return the most synapses of a source neuron onto one core of `neurons` neurons.

    As FromListConnector.get_n_connections_from_pre_vertex_maximum counts them.
    """
    size, targets = int(np.prod(linear.in_shape)), int(np.prod(linear.out_shape))
    cores = ceil(targets / neurons)
    counts = np.zeros((2, size * cores), np.int64)
    for pre, post, weight in synapses(linear, 0):
        key = pre * cores + post // neurons
        for receptor, chosen in enumerate((weight > 0, weight < 0)):
            counts[receptor] += np.bincount(key[chosen], minlength=size * cores)
    longest = counts.reshape(2, linear.in_shape[0], -1).max(2)
    return Rows(longest[0], longest[1])


@dataclass(frozen=True, eq=False)
class ListCosts:
    """Costs of the layers of a plan with lists; rows are counted once per projection.

    neurons: per core. ticks: time steps of a run.
    """

    plan: BoardPlan
    neurons: int
    ticks: int

    @cached_property
    def _rows(self) -> Mapping[int, Rows]:
        return {
            number: longest_rows(
                projection.map, min(self.neurons, self.plan.by_name[projection.target].size)
            )
            for number, projection in enumerate(self.plan.integers.synaptic())
        }

    def of(self, board: BoardPopulation, split: Mapping[str, int] = NOTHING) -> Cost:
        """Return the cost of a layer.

        split: neurons per core of the layers with kernels, which have a population per channel.
        """
        neurons = min(self.neurons, board.size)
        matrix, table, expander, filters = MATRIX, TABLE, EXPANDER, FILTER
        seen = set()
        if board.self_weight:
            matrix = _with_rows(matrix, board.size, neurons, 1)
            table += TABLE_PER_SOURCE + TABLE_PER_PROJECTION
            expander += EXPANDER_PER_SOURCE
            filters += FILTER_PER_SOURCE + WORD * ceil(board.size / 32)
        for number, projection in enumerate(self.plan.integers.synaptic()):
            if projection.target != board.name:
                continue
            source = self.plan.by_name[projection.source]
            parts = source.shape[0] if source.name in split else 1
            per_core = split.get(source.name, self.neurons)
            for receptor in (self._rows[number].excitatory, self._rows[number].inhibitory):
                for longest in receptor if parts > 1 else [receptor.max()]:
                    matrix = _with_rows(matrix, source.size // parts, per_core, int(longest))
                    table += TABLE_PER_PROJECTION * (longest > 0)
            if source.name not in seen:
                seen.add(source.name)
                table += parts * TABLE_PER_SOURCE
                expander += parts * EXPANDER_PER_SOURCE
                words = FILTER_PER_SOURCE + WORD * ceil(source.size // parts / 32)
                filters += parts * words
        fixed = COMMON_OF_LISTS + SYNAPSE_PARAMETERS + neuron_bytes(board, neurons, self.ticks)
        cores = ceil(board.size / neurons)
        return Cost(cores, cores * int(fixed + matrix + table + expander + filters))


def _with_rows(address: int, size: int, per_core: int, longest: int) -> int:
    """Return where a synaptic matrix ends that begins at `address`.

    It has a block for each of the cores of a source of `size` neurons, `per_core` on each. longest:
    synapses of its longest row.
    """
    if longest:
        neurons = min(size, per_core)
        for _ in range(ceil(size / neurons)):
            address = ceil(address / MATRIX_ALIGNMENT) * MATRIX_ALIGNMENT
            address += neurons * (ROW + WORD * longest)
    return address
