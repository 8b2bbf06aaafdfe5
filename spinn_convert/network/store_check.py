"""What a network must fulfil that was read from a file: types, shapes, and names that exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from math import prod
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from spinn_convert.linear.ops import Conv, Dense, Gather, LinearOp, Shape, linear_shape
from spinn_convert.network.records import Network, Population, Projection

KINDS = ("input", "spiking", "readout")
MOST_BITS = 30


def check_record(record: Any) -> None:
    """Raise ValueError when a field of a record is not of its declared type."""
    hints = get_type_hints(type(record))
    for field in fields(record):
        if not _fits(getattr(record, field.name), hints[field.name]):
            raise ValueError(f"{type(record).__name__}.{field.name} is of another type")


def _fits(value: object, hint: Any) -> bool:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, argument) for argument in arguments)
    if origin is np.ndarray:
        (dtype,) = get_args(arguments[1])
        return isinstance(value, np.ndarray) and value.dtype == dtype
    if origin is tuple and arguments[-1] is Ellipsis:
        return isinstance(value, tuple) and all(_fits(item, arguments[0]) for item in value)
    if origin is tuple:
        same = isinstance(value, tuple) and len(value) == len(arguments)
        return same and all(map(_fits, value, arguments))  # type: ignore[call-overload]
    if origin is Mapping:
        return isinstance(value, dict) and all(isinstance(v, str) for v in value.values())
    if hint is float:
        return type(value) in (float, int)
    return type(value) is hint


def check_network(network: Network) -> None:
    """Raise ValueError with the first thing that does not fit together."""
    for problem in (*_population_problems(network), *_projection_problems(network)):
        raise ValueError(problem)


def _population_problems(network: Network) -> Iterator[str]:
    names = [population.name for population in network.populations]
    if len(set(names)) < len(names):
        yield "two populations have one name"
    if [p.kind for p in network.populations].count("input") != 1:
        yield "it needs one input population"
    if not 0 <= network.bits <= MOST_BITS:
        yield f"weights of {network.bits} bits"
    for p in network.populations:
        if p.kind not in KINDS or min(p.depth + 1, p.release) < 0:
            yield f"population {p.name} is of kind {p.kind}, depth {p.depth}, release {p.release}"
        if not p.shape or min(p.shape) < 1:
            yield f"population {p.name} has the shape {p.shape}"
        elif not all(_broadcasts(a.shape, p.shape) for a in (p.bias, p.v_init)):
            yield f"bias or potential of population {p.name} does not fit its shape {p.shape}"
        elif p.scale.shape != p.shape[:1]:
            yield f"population {p.name} needs one scale per channel"
        elif not all(np.isfinite(a).all() for a in (p.bias, p.v_init, p.scale)):
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
            yield f"{where} has an operator {type(op).__name__} that is none"
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
