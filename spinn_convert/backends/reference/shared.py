"""Weights that a projection uses at many places, stored once, and where each spike finds them.

`linear.blocks` writes a chain of operators as a sum of kron(channels[k], places[k]): a spike of
channel c at the source place q reaches all channels of every target place p that places[k] connects
with q, with the weights channels[k][:, c]. So it adds `runs` of neighbouring weights to runs of
neighbouring neurons, which a processor does eight at a time; a detector's feature pyramid, whose
synapses would fill 300 GB as a list, takes some MB.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from spinn_convert.linear.blocks import Blocks
from spinn_convert.linear.maps import LinearMap, blocks_of, on_grid
from spinn_convert.linear.ops import Shape

LEAST_USED = 0.3
"""Share of weights that are not zero, below which a list of the synapses is faster."""
_Links = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""Target place, source place and number of the block, of every pair of places; equally long."""
LONGEST_LIST = 30_000_000
"""Synapses above which they are not listed all the same: 240 MB."""


LARGEST_POTENTIAL = 1 << 30
"""The kernel cuts potentials to +- this, 32,768 thresholds at 14 bits, and stores the rest
elsewhere."""


@dataclass(frozen=True, eq=False)
class Shared:
    """weights: int32 (I, K, O) of source channels, blocks, target channels.

    runs: rows (first target, first weight, length), int32, the first weight counted from those of
    the source channel; limits: the rows of source place q are limits[q] to limits[q + 1]. most:
    largest sum of |weights| onto one target.
    """

    weights: NDArray[np.int32]
    runs: NDArray[np.int32]
    limits: NDArray[np.int64]
    most: int


def integers(values: NDArray[np.floating], one: int) -> NDArray[np.int32]:
    """Return values times `one` as integers, clipped to +-LARGEST_POTENTIAL (see `check_range`)."""
    return np.rint(
        np.clip(values.astype(np.float64) * one, -LARGEST_POTENTIAL, LARGEST_POTENTIAL)
    ).astype(np.int32)


def shared(linear: LinearMap, bits: int, one: int) -> Shared | None:
    """Return the shared weights of a map; None where a list of its synapses does better.

    Weights are rounded to 2^-bits thresholds, of which each has `one` units.
    """
    parts = blocks_of(linear)
    source, target = (image_shape(shape)[0] for shape in (linear.in_shape, linear.out_shape))
    if parts.channels[0].shape != (target, source) or not _pays(parts):
        return None
    weights = np.zeros((source, len(parts.channels), target), np.int32)
    for k, channels in enumerate(parts.channels):
        dense = channels if isinstance(channels, np.ndarray) else channels.toarray()
        weights[:, -1 - k] = integers(on_grid(dense, bits), one).T
    links, sizes = _links(parts), parts.places[0].shape
    return Shared(weights, *_runs(links, sizes[1], target), _most(weights, links, sizes[0]))


def image_shape(shape: Shape) -> Shape:
    """Return a shape as (channels, rows, columns); a vector has one place."""
    return shape if len(shape) == 3 else (prod(shape), 1, 1)


def _links(parts: Blocks) -> _Links:
    """Return which places each block connects.

    The blocks are in reverse order: the elements of a kernel's row, from last to first, then reach
    neighbouring places.
    """
    found = [places.tocoo() for places in parts.places[::-1]]
    target = np.concatenate([places.row for places in found]).astype(np.int64)
    source = np.concatenate([places.col for places in found]).astype(np.int64)
    return target, source, np.repeat(np.arange(len(found)), [places.nnz for places in found])


def _most(weights: NDArray[np.int32], links: _Links, places: int) -> int:
    """Return the largest sum of |weights| onto one target; places: of the targets."""
    target, _, block = links
    size = places, weights.shape[1]
    sources = sparse.csr_array((np.ones(len(target)), (target, block)), size)
    sums = np.abs(weights, dtype=np.int64).sum(0).astype(np.float64)
    return int((sources @ sums).max(initial=0))


def _pays(parts: Blocks) -> bool:
    """Return if few weights are zero, or the list of synapses would be too long."""
    counts = (c if isinstance(c, np.ndarray) else c.data for c in parts.channels)
    used = np.array([np.count_nonzero(values) for values in counts])
    synapses = int((used * np.array([places.nnz for places in parts.places])).sum())
    all_weights = prod(parts.channels[0].shape) * len(used)
    return bool(used.sum() >= LEAST_USED * all_weights) or synapses > LONGEST_LIST


def _runs(links: _Links, places: int, channels: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return the runs of all source places, by place and then by target, and their limits.

    Neighbouring places that successive blocks reach make one run. places: of the source. channels:
    of the target.
    """
    target, source, block = links
    order = np.lexsort((target, source))
    target, source, block = target[order], source[order], block[order]
    follows = (np.diff(source) == 0) & (np.diff(target) == 1) & (np.diff(block) == 1)
    first = np.flatnonzero(np.concatenate([[True], ~follows])) if len(source) else np.zeros(0, int)
    lengths = np.diff(np.append(first, len(source)))
    runs = np.stack([target[first], block[first], lengths], 1) * channels
    limits = np.searchsorted(source[first], np.arange(places + 1))
    return runs.astype(np.int32), limits.astype(np.int64)
