"""Checks of a network read from a file: shapes fit, names exist, numbers are in range."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, prod

import numpy as np

from spinn_convert.linear.ops import Conv, Dense, Gather, LinearOp, Shape, linear_shape
from spinn_convert.network.records import Network, Population, Projection

KINDS = ("input", "spiking", "readout")
MOST_BITS = 30
"""Weights are multiples of 2^-bits, computed as 32-bit integers."""


def check_network(network: Network) -> None:
    """Raise ValueError with the first check that fails."""
    for problem in (*_population_problems(network), *_projection_problems(network)):
        raise ValueError(problem)


def _population_problems(network: Network) -> Iterator[str]:
    names = [population.name for population in network.populations]
    if len(set(names)) < len(names):
        yield "two populations have the same name"
    if [p.kind for p in network.populations].count("input") != 1:
        yield "it does not have exactly one input population"
    if not 0 <= network.bits <= MOST_BITS:
        yield f"weights have {network.bits} fractional bits, not 0 to {MOST_BITS}"
    if network.steps is not None and network.steps < 1:
        yield f"{network.steps} time steps"
    yield from _stop_problems(network)
    for population in network.populations:
        yield from _values_problems(population)


def _stop_problems(network: Network) -> Iterator[str]:
    stop = network.stop
    if stop is None:
        return
    if [p.size > 1 for p in network.readouts] != [True]:
        yield "images end early, but it has no single output of several classes"
    if not 0 < stop.bound < inf or stop.first < 1:
        yield f"images end at a lead of {stop.bound} after {stop.first} steps or more"


def _values_problems(p: Population) -> Iterator[str]:
    per_neuron = [a for a in (p.bias, p.v_init, p.v_reset) if a is not None]
    if p.kind not in KINDS or min(p.depth + 1, p.release) < 0:
        yield f"population {p.name} is of kind {p.kind}, depth {p.depth}, release {p.release}"
    if not p.shape or min(p.shape) < 1:
        yield f"population {p.name} has the shape {p.shape}"
    elif not all(_broadcasts(a.shape, p.shape) for a in per_neuron):
        yield f"bias or potential of population {p.name} does not fit its shape {p.shape}"
    elif p.scale.shape != p.shape[:1]:
        yield f"population {p.name} of shape {p.shape} has scales of shape {p.scale.shape}"
    elif not all(np.isfinite(a).all() for a in (*per_neuron, p.scale)):
        yield f"population {p.name} has values that are NaN or infinite"


def _projection_problems(network: Network) -> Iterator[str]:
    populations = {population.name: population for population in network.populations}
    for projection in network.projections:
        ends = populations.get(projection.source), populations.get(projection.target)
        if ends[0] is None or ends[1] is None:
            yield f"there is no population {projection.source} or {projection.target}"
        else:
            yield from _map_problems(projection, ends[0], ends[1])


def _map_problems(projection: Projection, source: Population, target: Population) -> Iterator[str]:
    where = f"the projection from {source.name} to {target.name}"
    shape = projection.map.in_shape
    if shape != source.shape or projection.delay < 0:
        yield f"{where} does not fit its source"
        return
    for op in projection.map.ops:
        if not _is_sound(op):
            yield f"{where} has an operator {type(op).__name__} with values out of range"
            return
        shape = linear_shape(op, shape)
    if shape != target.shape:
        yield f"{where} makes the shape {shape}; its target has {target.shape}"


def _is_sound(op: LinearOp) -> bool:
    if isinstance(op, Conv):
        steps = min(*op.stride, *op.dilation, op.groups) >= 1 and min(op.pads) >= 0
        weight = op.weight.ndim == 4 and op.weight.size > 0 and np.isfinite(op.weight).all()
        return bool(steps and weight and len(op.weight) % op.groups == 0)
    if isinstance(op, Dense):
        return op.weight.ndim == 2 and op.weight.size > 0 and bool(np.isfinite(op.weight).all())
    if isinstance(op, Gather):
        positive = bool(op.shape) and min(op.shape) > 0
        return positive and op.index.shape == (prod(op.shape),) and bool(op.index.min() >= -1)
    return bool(np.isfinite(op.factor).all())


def _broadcasts(shape: Shape, wanted: Shape) -> bool:
    fits = len(shape) <= len(wanted)
    return fits and all(a in (1, b) for a, b in zip(shape[::-1], wanted[::-1]))
