"""Layers built of kernels instead of lists of synapses: which can be, which pay, and the build.

sPyNNaker's ConvolutionConnector keeps a kernel once per core, where a list has a word per synapse.
It needs a population per channel, and a target takes kernels alone. So a layer qualifies when all
that it receives is convolutions with stride 1 from layers that are built in this way, too; a layer
driven by the image alone begins a chain. The projection onto itself is a kernel of one weight.

Cores that hold kernels do not count inputs that saturate; the board's arithmetic does.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import ceil, log2
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from spinn_convert.backends.board.cells import AnyPlan, PlannedPopulation
from spinn_convert.backends.board.plan import BoardPlan, BoardPopulation
from spinn_convert.backends.pynn import TIME_STEP_MS
from spinn_convert.backends.spinnaker.kernels.channels import Channels
from spinn_convert.backends.spinnaker.kernels.costs import Cost, ListCosts, kernel_bytes, of_kernels
from spinn_convert.backends.spinnaker.kernels.reading import Kernels, kernels, own_kernel
from spinn_convert.errors import BackendError, Problem

Connectors: TypeAlias = Literal["lists", "convolutions", "auto"]
"""Lists everywhere; kernels wherever they are possible; or where they take less."""

NEURONS_PER_CORE = 512
DTCM, DTCM_PER_NEURON = 58_000, 72
"""Bytes of data memory beside stack and program, and what a neuron takes of them: measured, by the
largest kernels with which IF_curr_exp_conv.aplx starts on 128, 256 and 512 neurons."""
BUFFER = 4 * 2048
"""Bytes of packets that wait, for the incoming_spike_buffer_size of `boards/`."""
RING_BITS = 14
"""Of neuron, receptor and delay together: MAX_RING_BUFFER_BITS."""


@dataclass(frozen=True, eq=False)
class Qualified:
    """A layer that kernels can make: what it receives, by source, and rows of a map per core."""

    incoming: tuple[tuple[str, Kernels, int], ...]
    rows: int


@dataclass(frozen=True)
class Ways:
    """What a layer takes, by its neighbours as they are built.

    kernels: None where they are impossible, for this `reason`. chosen: whether kernels are built.
    """

    lists: Cost
    kernels: Cost | None
    reason: str
    chosen: bool


def qualified(plan: BoardPlan) -> dict[str, Qualified | str]:
    """Return for each layer how kernels make it, or why they cannot."""
    found: dict[str, Qualified | str] = {}
    for board in plan.populations:
        found[board.name] = _qualified(plan, board, found)
    return found


def chosen(plan: AnyPlan, connectors: Connectors, neurons: int, ticks: int) -> frozenset[str]:
    """Return the layers to build of kernels.

    neurons: per core of a list. ticks: of a run. Of "auto", those that take less SDRAM and no more
    cores, and those that they need as sources, when all together do so. Raises BackendError where
    the plan's cell has no kernels.
    """
    if connectors not in get_args(Connectors):
        what = f"{connectors!r} is none of {', '.join(get_args(Connectors))}"
        raise BackendError([Problem("connectors", what)])
    if connectors == "lists":
        return frozenset()
    if not isinstance(plan, BoardPlan):
        what = f"{connectors!r} is for reset by subtraction: {plan.cell} is built of lists alone"
        raise BackendError([Problem("connectors", what, "use 'lists'")])
    able = {name: q for name, q in qualified(plan).items() if isinstance(q, Qualified)}
    if connectors == "convolutions":
        return frozenset(able)
    listed = ListCosts(plan, neurons, ticks)
    kept: set[str] = set()
    for name in reversed(able):
        needed = any(source == name for k in kept for source, _, _ in able[k].incoming)
        if needed or _saves([cost_of_kernels(plan, name, able[name], ticks)], [_old(listed, name)]):
            kept.add(name)
    split = {name: _per_core(plan, name, able[name]) for name in kept}
    new = [
        cost_of_kernels(plan, board.name, able[board.name], ticks)
        if board.name in kept
        else listed.of(board, split)
        for board in plan.populations
    ]
    old = [listed.of(board) for board in plan.populations]
    return frozenset(kept) if _saves(new, old) else frozenset()


def holds_late_input(plan: AnyPlan, split: Collection[str]) -> bool:
    """Whether a reset leaves input of the last steps in the ring buffers of a core of kernels.

    As executed on the emulated board: IF_curr_exp_conv.aplx loses what is due in the step after
    the last, as it should, but adds to the next run what is due later.
    """
    synaptic = plan.integers.synaptic()
    return any(projection.target in split and projection.delay > 1 for projection in synaptic)


def compared(plan: BoardPlan, split: frozenset[str], neurons: int, ticks: int) -> dict[str, Ways]:
    """Return what each layer takes in both ways; `split` are those of `chosen`."""
    listed, ways = ListCosts(plan, neurons, ticks), qualified(plan)
    per_core = {
        name: _per_core(plan, name, how)
        for name, how in ways.items()
        if name in split and isinstance(how, Qualified)
    }
    found = {}
    for name, how in ways.items():
        able = isinstance(how, Qualified)
        found[name] = Ways(
            listed.of(plan.by_name[name], per_core),
            cost_of_kernels(plan, name, how, ticks) if isinstance(how, Qualified) else None,
            "" if able else str(how),
            name in split,
        )
    return found


def cost_of_kernels(plan: BoardPlan, name: str, how: Qualified, ticks: int) -> Cost:
    """Return what a layer of kernels takes."""
    board = plan.by_name[name]
    return of_kernels(board, _kernel_bytes(board, how.incoming), how.rows, ticks)


def population(sim: Any, board: PlannedPopulation, make: Any) -> Channels:
    """Return the population of each channel; make(size, label, structure) makes one."""
    channels, height, width = board.shape
    size = height * width
    grid = sim.Grid2D(aspect_ratio=width / height)
    parts = [make(size, f"{board.name}/{channel}", grid) for channel in range(channels)]
    return Channels(parts, size)


def connect(sim: Any, plan: BoardPlan, populations: Mapping[str, Any], project: Any) -> None:
    """Project onto all layers that are `Channels`, and onto themselves; then set their cores.

    project(source, target, connector, synapse, label) makes a PyNN projection. A core's size comes
    last: before the first kernel, sPyNNaker allows lists' 256 neurons only.
    """
    ways = qualified(plan)
    for board in plan.populations:
        layer, how = populations[board.name], ways[board.name]
        if not isinstance(layer, Channels) or not isinstance(how, Qualified):
            continue
        lsb = board.weight_lsb
        weight, count = own_kernel(board.self_weight)
        own = sim.ConvolutionConnector(np.array([[weight * lsb]]))
        for part in layer.parts * count:
            project(part, part, own, sim.Convolution(delay=TIME_STEP_MS), f"{part.label} itself")
        for name, maps, delay in how.incoming:
            sources = populations[name].parts
            padding = maps.padding, maps.padding
            for source, target, kernel in maps.pairs():
                # sPyNNaker convolves; networks correlate
                weights = kernel[::-1, ::-1] * lsb
                connector = sim.ConvolutionConnector(weights, padding=padding)
                synapse = sim.Convolution(delay=delay * TIME_STEP_MS)
                ends = sources[source], layer.parts[target]
                project(*ends, connector, synapse, f"{name}/{source} -> {board.name}/{target}")
        for part in layer.parts:
            part.set_max_atoms_per_core((board.shape[2], how.rows))


def _qualified(
    plan: BoardPlan, board: BoardPopulation, before: Mapping[str, Qualified | str]
) -> Qualified | str:
    if board.kind != "spiking" or len(board.shape) != 3:
        return f"a {board.kind} layer of shape {board.shape} is not a spiking map"
    incoming = []
    for projection in plan.integers.synaptic():
        if projection.target != board.name:
            continue
        if not isinstance(before[projection.source], Qualified):
            return "it receives spikes from a layer that is not made of kernels"
        found = kernels(projection.map)
        if isinstance(found, str):
            return f"the projection from {projection.source} {found}"
        incoming.append((projection.source, found, projection.delay))
    rows = _rows(board, tuple(incoming))
    if not rows:
        return "its kernels and neurons do not fit into a core's memory"
    return Qualified(tuple(incoming), rows)


def _kernel_bytes(board: BoardPopulation, incoming: tuple[tuple[str, Kernels, int], ...]) -> Any:
    return kernel_bytes(board, [(name, maps) for name, maps, _ in incoming])


def _rows(board: BoardPopulation, incoming: tuple[tuple[str, Kernels, int], ...]) -> int:
    """Return the most rows of a map that fit on a core; they divide the map. 0 if not even one.

    Cores hold whole rows, so that neurons keep the order of (C, H, W).
    """
    _, height, width = board.shape
    most = int(_kernel_bytes(board, incoming).max())
    delay_bits = max(1, *(ceil(log2(delay)) for _, _, delay in incoming), 1)
    for rows in range(height, 0, -1):
        neurons = rows * width
        bits = max(1, ceil(log2(neurons))) + 1 + delay_bits
        memory = DTCM_PER_NEURON * neurons + most + BUFFER + 2 * 2**bits
        fits = neurons <= NEURONS_PER_CORE and bits <= RING_BITS and memory <= DTCM
        if height % rows == 0 and fits:
            return rows
    return 0


def _per_core(plan: BoardPlan, name: str, how: Qualified) -> int:
    return how.rows * plan.by_name[name].shape[2]


def _old(listed: ListCosts, name: str) -> Cost:
    return listed.of(listed.plan.by_name[name])


def _saves(new: list[Cost], old: list[Cost]) -> bool:
    """Whether the new way takes less SDRAM, on no more cores."""
    cores = sum(cost.cores for cost in new) <= sum(cost.cores for cost in old)
    return cores and sum(cost.sdram for cost in new) < sum(cost.sdram for cost in old)
