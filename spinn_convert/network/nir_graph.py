"""A network as a graph of NIR, the format in which neuromorphic simulators exchange networks.

J. E. Pedersen et al. 2024, "Neuromorphic intermediate representation", Nature Communications 15.

An edge of NIR takes no time, so all layers compute within one step. That is this network with every
layer shifted by its depth, since a spike takes as many steps as there are layers on its way. What
NIR has no word for is metadata: reset by subtraction, initial potentials, and until when a layer is
held. Several edges into a node add up.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import chain, count
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spinn_convert.errors import BackendError, Problem, install
from spinn_convert.linear.convolution import MOST_WEIGHTS, as_convolution
from spinn_convert.linear.maps import LinearMap, matrix, on_grid
from spinn_convert.linear.ops import Conv, Floats
from spinn_convert.network.readout import starts
from spinn_convert.network.records import Network, Population
from spinn_convert.network.timing import ReadOut, default_read_out, default_steps

if TYPE_CHECKING:
    import nir

MADE_BY = "spinn_convert"
INSTEAD = "export a PyNN script, or take the operator that makes it out of the model"


@dataclass(frozen=True, eq=False)
class Term:
    """One map, of the summed spikes of `sources`, onto every one of `targets` (names).

    bias: (C,) or (N,), which the targets share; zeros in all but one of their terms.
    """

    sources: tuple[str, ...]
    targets: tuple[Population, ...]
    map: LinearMap
    bias: Floats


def to_nir(network: Network, steps: int | None, read_out: ReadOut | None) -> nir.NIRGraph:
    """Return the graph; `Network.to_nir` says what is in it."""
    require_nir()
    problems = [*_problems(network)]
    nodes, edges, names = _neurons(network), [], _names(network)
    for term in () if problems else terms(network):
        made = _weights(network, term)
        if isinstance(made, Problem):
            problems.append(made)
            continue
        first = f"{names[term.targets[0].name]}_from_{names[term.sources[0]]}"
        named = {_unused(f"{first}{end}", nodes): node for end, node in made}
        nodes |= named
        edges += [(names[source], next(iter(named))) for source in term.sources]
        edges += [*zip(named, [*named][1:])]
        edges += [([*named][-1], names[target.name]) for target in term.targets]
    if problems:
        raise BackendError(problems)
    for readout in network.readouts:
        _summed_first(readout, names[readout.name], nodes, edges)
    return _graph(network, nodes, edges, steps, read_out)


def require_nir() -> None:
    """Raise BackendError if the package that writes NIR is not installed."""
    if find_spec("nir") is None:
        raise BackendError([Problem("NIR", "not installed: nir", install("nir"))])


def wrote(path: Path) -> bool:
    """Return whether a file is a graph of NIR that this package made."""
    import nir

    try:
        return str(nir.read(path, type_check=False).metadata["made_by"]) == MADE_BY
    except (OSError, KeyError, ValueError, AttributeError):
        return False


def terms(network: Network) -> Iterator[Term]:
    """Yield the maps of a network, one for all populations between which it is the same.

    So the copies of a layer (`network.copies`) have their weights once.
    """
    groups: dict[object, list[Population]] = {}
    found: dict[object, list[tuple[tuple[str, ...], LinearMap]]] = {}
    for population in network.populations:
        by_map: dict[object, list[str]] = {}
        maps: dict[object, LinearMap] = {}
        for projection in network.incoming(population):
            content = projection.source == network.input.name, *_content(projection.map)
            by_map.setdefault(content, []).append(projection.source)
            maps[content] = projection.map
        shared = tuple((content, tuple(sources)) for content, sources in by_map.items())
        key = population.kind, shared, population.bias.tobytes(), population.scale.tobytes()
        groups.setdefault(key, []).append(population)
        found[key] = [(sources, maps[content]) for content, sources in shared]
    for group, targets in groups.items():
        bias = np.broadcast_to(targets[0].bias, targets[0].shape).reshape(targets[0].shape[0], -1)
        for position, (sources, linear) in enumerate(found[group]):
            yield Term(sources, tuple(targets), linear, bias[:, 0] * (position == 0))


def _content(linear: LinearMap) -> Iterator[object]:
    """Yield what two maps have in common if they are the same."""
    yield linear.in_shape
    for op in linear.ops:
        for name, value in vars(op).items():
            yield type(op), name, value.tobytes() if isinstance(value, np.ndarray) else value


def _problems(network: Network) -> Iterator[Problem]:
    depths = {population.name: population.depth for population in network.populations}
    for projection in network.synaptic():
        apart = depths[projection.target] - depths[projection.source]
        if projection.delay != apart:
            what = f"spikes take {projection.delay} steps, not one for each of the {apart} layers"
            where = f"{projection.source} -> {projection.target}"
            yield Problem(where, what, "convert the model again")
    for population in network.populations:
        if population.kind != "input" and not network.incoming(population):
            yield Problem(population.name, "has no input, which a node of NIR needs", INSTEAD)
        bias = np.broadcast_to(population.bias, population.shape)
        if len(population.shape) == 3 and np.ptp(bias, axis=(1, 2)).any():
            what = "has a bias per neuron, a convolution of NIR only one per channel"
            fix = "pad before the batch normalisation, not after it, or export a PyNN script"
            yield Problem(population.name, what, fix)


def _weights(network: Network, term: Term) -> list[tuple[str, Any]] | Problem:
    """Return the nodes of a term, each with the end of its name, or why there are none.

    Weights are on the grid that all simulators round to, but those of the input, whose currents
    are rounded instead. Those of a readout are in units of the ANN's output.
    """
    import nir

    target, linear = term.targets[0], term.map
    analog = network.input.name in term.sources
    rows = target.scale if target.kind == "readout" else np.ones(1, np.float32)

    def scaled(values: Floats) -> Floats:
        rounded = values if analog else on_grid(values, network.bits)
        return np.asarray(rounded * rows.reshape(-1, *(1,) * (values.ndim - 1)), np.float32)

    if len(target.shape) == 1:
        shape = target.size, prod(linear.in_shape)
        if prod(shape) > MOST_WEIGHTS:
            return _refused(term, f"has {prod(shape):,} weights, more than {MOST_WEIGHTS:,}")
        affine = nir.Affine(scaled(matrix(linear).toarray()), scaled(term.bias))
        flat = nir.Flatten({"input": np.array(linear.in_shape)}, 0)
        return [*([("_flat", flat)] if len(linear.in_shape) > 1 else []), ("", affine)]
    kernel = as_convolution(linear)
    if not isinstance(kernel, Conv):
        return _refused(term, f"{kernel}; NIR has convolutions and matrices only")
    weight, bias, size = scaled(kernel.weight), scaled(term.bias), linear.in_shape[1:]
    return [("", nir.Conv2d(size, weight, kernel.stride, kernel.pads[:2], (1, 1), 1, bias))]


def _refused(term: Term, what: str) -> Problem:
    return Problem(f"{term.sources[0]} -> {term.targets[0].name}", what, INSTEAD)


def _summed_first(
    readout: Population, name: str, nodes: dict[str, Any], edges: list[tuple[str, str]]
) -> None:
    """Lead all edges into an output through one node: nirtorch would not add them up there."""
    import nir

    into = [edge for edge in edges if edge[1] == name]
    if len(into) == 1:
        return
    one, none = np.eye(readout.shape[0], dtype=np.float32), np.zeros(readout.shape[0], np.float32)
    whole = nir.Affine(one, none)
    if len(readout.shape) == 3:
        kernel = one[:, :, None, None]
        whole = nir.Conv2d(readout.shape[1:], kernel, (1, 1), (0, 0), (1, 1), 1, none)
    total = _unused(f"{name}_sum", nodes)
    nodes[total] = whole
    edges[:] = [(a, total if b == name else b) for a, b in edges] + [(total, name)]


def _neurons(network: Network) -> dict[str, Any]:
    """Return the nodes of all populations, by name."""
    import nir

    nodes, names = {}, _names(network)
    for p in network.populations:
        shape = np.array(p.shape)
        meta: dict[str, Any] = {"population": p.name}
        if p.kind == "input":
            node = nir.Input({"input": shape}, metadata=meta)
        elif p.kind == "readout":
            node = nir.Output({"output": shape}, metadata=meta)
        else:
            reset = np.zeros(p.shape) if p.v_reset is None else np.broadcast_to(p.v_reset, p.shape)
            meta |= {"reset": "subtract" if p.v_reset is None else "constant"}
            meta |= {"v_init": p.v_init, "held_steps": p.release - p.depth, "scale": p.scale}
            ones = np.ones(p.shape, np.float32)
            node = nir.IF(ones, ones.copy(), np.asarray(reset, np.float32), metadata=meta)
        nodes[names[p.name]] = node
    return nodes


def _graph(
    network: Network,
    nodes: dict[str, Any],
    edges: Sequence[tuple[str, str]],
    steps: int | None,
    read_out: ReadOut | None,
) -> nir.NIRGraph:
    import nir

    total = steps or default_steps(network)
    if total <= network.depth:
        fix = f"give {network.depth + 1} or more"
        raise BackendError([Problem(f"{total} steps", f"spikes take {network.depth}", fix)])
    how = read_out or default_read_out(network)
    names = _names(network)
    for p in network.readouts:
        last = total - network.depth + p.depth
        first = max(int(starts(how, p.release, last)[-1]), p.release) - p.depth
        nodes[names[p.name]].metadata["mean_from_step"] = first
    meta: dict[str, Any] = {"made_by": MADE_BY}
    meta |= {"steps": total - network.depth, "read_out": how, "dt": 1.0}
    meta |= {"clamp_delay": network.clamp_delay, "bits": network.bits}
    made = network.made_from
    meta |= {"model": Path(made["path"]).name, "sha256": made["sha256"]} if "path" in made else {}
    return nir.NIRGraph(nodes, edges, meta)


def _names(network: Network) -> dict[str, str]:
    """Return the names of nodes by those of populations: letters, digits and underscores.

    A slash would divide a name in the file, and PyTorch takes no point.
    """
    found: dict[str, str] = {}
    only = len(network.readouts) == 1
    for p in network.populations:
        usual = "input" if p.kind == "input" else "output" if only and p.kind == "readout" else ""
        plain = re.sub(r"\W", "_", p.name, flags=re.ASCII)
        found[p.name] = _unused(
            usual or (plain if plain[:1].isalpha() else f"n_{plain}"), found.values()
        )
    return found


def _unused(name: str, taken: Collection[str]) -> str:
    numbered = (f"{name}_{number}" for number in count(2))
    return next(candidate for candidate in chain([name], numbered) if candidate not in taken)
