"""Builds sPyNNaker's synaptic rows in one pass instead of one search per row: the same bytes.

sPyNNaker 7.4.1 compares the row of every synapse with every row number (835 s for one layer of
32 channels of 28 x 28 pixels). `fast_rows` replaces that one private function, for static synapses,
while a simulation is built. With any other version of sPyNNaker nothing is replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint32]

KNOWN_VERSIONS = ("1!7.4.1",)
_PARAMETERS = (
    "connections",
    "row_indices",
    "n_rows",
    "n_synapse_types",
    "synapse_dynamics",
    "max_row_n_synapses",
    "max_row_n_words",
    "max_atoms_per_core",
)
_HEADER_WORDS = 3
"""Numbers of plastic, fixed and fixed-plastic words of a row."""


@contextmanager
def fast_rows() -> Iterator[bool]:
    """Build rows fast inside the block; yield whether this version of sPyNNaker is supported."""
    known = _is_known()
    if not known:
        yield False
        return
    from spynnaker.pyNN.models.neuron import synapse_io

    stock = synapse_io._get_row_data
    synapse_io._get_row_data = _replacement(stock)
    try:
        yield True
    finally:
        synapse_io._get_row_data = stock


def _is_known() -> bool:
    try:
        if version("spynnaker") not in KNOWN_VERSIONS:
            return False
        from spynnaker.pyNN.models.neuron import synapse_io
    except (PackageNotFoundError, ImportError):
        return False
    function = getattr(synapse_io, "_get_row_data", None)
    return function is not None and tuple(signature(function).parameters) == _PARAMETERS


def _replacement(stock: Callable[..., Words]) -> Callable[..., Words]:
    """Return a function that takes what `stock` takes, and calls it for other kinds of synapses."""
    from spynnaker.pyNN.models.neuron.synapse_dynamics import SynapseDynamicsStatic
    from spynnaker.pyNN.utilities.utility_calls import get_n_bits

    layout = SynapseDynamicsStatic.get_static_synaptic_data

    def get_row_data(
        connections: NDArray[np.void],
        row_indices: NDArray[np.integer[Any]],
        n_rows: int,
        n_synapse_types: int,
        synapse_dynamics: Any,
        max_row_n_synapses: int,
        max_row_n_words: int,
        max_atoms_per_core: int,
    ) -> Words:
        simple = (
            getattr(type(synapse_dynamics), "get_static_synaptic_data", None) is layout
            and synapse_dynamics.pad_to_length is None
        )
        if not simple:
            return stock(
                connections,
                row_indices,
                n_rows,
                n_synapse_types,
                synapse_dynamics,
                max_row_n_synapses,
                max_row_n_words,
                max_atoms_per_core,
            )
        id_bits, type_bits = get_n_bits(max_atoms_per_core), get_n_bits(n_synapse_types)
        words = _words(connections, id_bits, type_bits)
        return _rows(words, row_indices, n_rows, max_row_n_synapses, max_row_n_words)

    return get_row_data


def _words(connections: NDArray[np.void], id_bits: int, type_bits: int) -> Words:
    """Return one word per synapse: weight (16 bits), delay, synapse type, target on its core.

    Source: SynapseDynamicsStatic.get_static_synaptic_data.
    """
    weight = np.rint(np.abs(connections["weight"])).astype(np.uint32) & 0xFFFF
    delay = connections["delay"].astype(np.uint32)
    kind = connections["synapse_type"].astype(np.uint32)
    target = connections["target"] & ((1 << id_bits) - 1)
    word = weight << 16 | delay << (id_bits + type_bits) | kind << id_bits | target
    return np.asarray(word, np.uint32)


def _rows(
    words: Words,
    row_indices: NDArray[np.integer[Any]],
    n_rows: int,
    max_synapses: int,
    max_words: int,
) -> Words:
    """Return rows of header and words, padded to one length, one after another.

    Synapses keep their order within a row. As in sPyNNaker's function, synapses beyond max_synapses
    are dropped, and those of rows beyond n_rows, which belong to a delay extension.
    """
    rows = np.asarray(row_indices, np.int64)
    order = np.argsort(rows, kind="stable")
    order = order[rows[order] < n_rows]
    rows = rows[order]
    counts = np.bincount(rows, minlength=n_rows)
    columns = np.arange(len(rows)) - (np.cumsum(counts) - counts)[rows]
    kept = columns < max_synapses
    table = np.zeros((n_rows, _HEADER_WORDS + max_words), np.uint32)
    table[:, 1] = np.minimum(counts, max_synapses)
    table[rows[kept], _HEADER_WORDS + columns[kept]] = words[order][kept]
    return table.ravel()
