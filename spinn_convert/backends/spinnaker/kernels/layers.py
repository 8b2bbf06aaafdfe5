"""Layers built with kernels instead of lists of synapses: find those where it pays, and build them.

sPyNNaker's ConvolutionConnector stores a kernel once per core, where a list has a word per synapse.
It needs a population per channel, and a target cannot mix kernels with lists. So a layer qualifies
when all its projections are convolutions with stride 1 from layers that qualify, too; layers whose
only input is the image are the first to. The projection onto itself is a kernel of one weight.

Cores with kernels do not count inputs that saturate; the backend spinnaker-integers does.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import ceil, log2
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from spinn_convert.backends.board.plan import BoardPlan, BoardPopulation
from spinn_convert.backends.board.planned import AnyPlan, PlannedPopulation
from spinn_convert.backends.pynn import TIME_STEP_MS
from spinn_convert.backends.spinnaker.kernels.channels import Channels
from spinn_convert.backends.spinnaker.kernels.costs import Cost, ListCosts, kernel_bytes, of_kernels
from spinn_convert.backends.spinnaker.kernels.reading import Kernels, kernels, own_kernel
from spinn_convert.errors import BackendError, Problem

Connectors: TypeAlias = Literal["lists", "convolutions", "auto"]
"""Lists everywhere; kernels wherever they are possible; or kernels where they take less."""

NEURONS_PER_CORE = 512
"""Largest number of neurons on a core with kernels."""
DTCM, DTCM_PER_NEURON = 58_000, 72
"""Bytes of a core's data memory that are free for neurons and kernels, and bytes per neuron.
Measured, by the largest kernels with which IF_curr_exp_conv.aplx starts on 128, 256 and 512
neurons."""
BUFFER = 4 * 2048
"""Bytes of the buffer of waiting packets, with the incoming_spike_buffer_size of `boards/`."""
RING_BITS = 14
"""Largest number of bits that index a ring buffer, by neuron, receptor and delay: sPyNNaker's
MAX_RING_BUFFER_BITS."""


@dataclass(frozen=True, eq=False)
class Qualified:
    """A layer that can be built with kernels.

    incoming: its projections, as (source, kernels, delay in steps). rows: of a channel (H, W), on
    each core.
    """

    incoming: tuple[tuple[str, Kernels, int], ...]
    rows: int


@dataclass(frozen=True)
class Ways:
    """Costs of a layer with lists and with kernels, its sources being built as they are.

    kernels: None where they are impossible, for this `reason`. chosen: whether it has kernels.
    """

    lists: Cost
    kernels: Cost | None
    reason: str
    chosen: bool


def qualified(plan: BoardPlan) -> dict[str, Qualified | str]:
    """Return for each layer how it is built with kernels, or why that is impossible."""
    found: dict[str, Qualified | str] = {}
    for board in plan.populations:
        found[board.name] = _qualified(plan, board, found)
    return found


def chosen(plan: AnyPlan, connectors: Connectors, neurons: int, ticks: int) -> frozenset[str]:
    """Return the names of the layers to build with kernels.

    neurons: per core with lists. ticks: time steps of a run. With "auto", these are the layers that
    take less SDRAM on no more cores, and those that they need as sources; none, if all together do
    not take less. Raises BackendError where sPyNNaker has no kernels for the plan's cell type.
    """
    if connectors not in get_args(Connectors):
        what = f"{connectors!r} is none of {', '.join(get_args(Connectors))}"
        raise BackendError([Problem("connectors", what)])
    if connectors == "lists":
        return frozenset()
    if not isinstance(plan, BoardPlan):
        what = f"{connectors!r} is for reset by subtraction: {plan.cell} is built with lists alone"
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
    """Whether a reset leaves delayed input in the ring buffers of a core with kernels.

    Found by executing IF_curr_exp_conv.aplx on the emulated board: at a reset it discards input
    that is due in the next step, as it should, but adds input that is due later to the next run.
    """
    synaptic = plan.integers.synaptic()
    return any(projection.target in split and projection.delay > 1 for projection in synaptic)


def compared(plan: BoardPlan, split: frozenset[str], neurons: int, ticks: int) -> dict[str, Ways]:
    """Return the costs of each layer with lists and with kernels. split: of `chosen`."""
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
    """Return the cost of a layer with kernels."""
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
    """Create all projections onto layers that are `Channels`; then set their neurons per core.

    project(source, target, connector, synapse, label) makes a PyNN projection. Neurons per core
    are set last: before it has a kernel, sPyNNaker allows a population 256 at most.
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
        return f"a {board.kind} layer of shape {board.shape} is not spiking and (C, H, W)"
    incoming = []
    for projection in plan.integers.synaptic():
        if projection.target != board.name:
            continue
        if not isinstance(before[projection.source], Qualified):
            return "it receives spikes from a layer that is built with lists"
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
    """Return how many rows of a channel fit on a core, a divisor of the height; 0 for none.

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
    """Whether `new` takes less SDRAM than `old`, on no more cores."""
    cores = sum(cost.cores for cost in new) <= sum(cost.cores for cost in old)
    return cores and sum(cost.sdram for cost in new) < sum(cost.sdram for cost in old)
