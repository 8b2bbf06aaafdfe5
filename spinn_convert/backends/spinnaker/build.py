"""A plan -> sPyNNaker populations and projections, and the input of an image.

`sim` is sPyNNaker's PyNN module, set up by the caller with a time step of 1 ms. Synapses are lists,
which the host writes, or kernels (`kernels.layers`). A parameter that is the same for all neurons
of a core is sent once, and filled in on the chip.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinn_convert.backends.board.drive import Drive
from spinn_convert.backends.board.plan import BoardPlan
from spinn_convert.backends.board.planned import AnyPlan, PlannedPopulation, Value
from spinn_convert.backends.pynn import Built, Part, build
from spinn_convert.backends.spinnaker.kernels import layers as spinnaker_convolution
from spinn_convert.backends.spinnaker.kernels.channels import Channels
from spinn_convert.linear.maps import LinearMap, Synapses, synapses
from spinn_convert.linear.ops import Scale
from spinn_convert.network.records import Network, Projection

NEURONS_PER_CORE = 256
"""Neurons on each core with lists of synapses."""
COLOUR_BITS = 4
"""Bits of a spike's multicast key (sPyNNaker: its colour) that hold the sender's time step modulo
16, by which the receiving core recognises a late packet."""
SILENT_TICKS = 1 << COLOUR_BITS
"""Time steps of a run without spikes, in which all input on its way arrives: no kernel has a longer
delay."""
SILENCE = -30000.0
"""i_offset, nA, with which no input makes a neuron fire."""
RECEPTORS = ((1, "excitatory"), (-1, "inhibitory"))
"""Sign of the weights, and sPyNNaker's receptor for them."""

Array = NDArray[np.float64]


def ticks(steps: int) -> int:
    """Return how many time steps the board runs for `steps` steps of the network.

    One more, since V is recorded before the update of a step. The number is rounded up to a
    multiple of 16, because a reset does not set the colour of the keys back (see COLOUR_BITS).
    """
    cycle = 1 << COLOUR_BITS
    return -(-(steps + 1) // cycle) * cycle


def build_plan(sim: Any, plan: AnyPlan, split: Collection[str] = ()) -> Built:
    """Return sPyNNaker's populations and projections; only the input of an image is not yet set.

    split: names of the layers to build with kernels, and so with a population per channel, of
    `kernels.layers.chosen`. The projections onto these are not among those returned.
    """
    cell = getattr(sim, plan.cell)
    sim.set_number_of_neurons_per_core(cell, NEURONS_PER_CORE)
    network = with_self_projections(plan)
    listed_only = tuple(p for p in network.projections if p.target not in split)
    built = build(
        _pynn(sim, plan, split),
        replace(network, projections=listed_only),
        lambda population: cell(**_common(plan.by_name[population.name].parameters)),
        lambda projection: _parts(projection, plan.by_name[projection.target].weight_lsb),
    )
    populations = built.populations
    if isinstance(plan, BoardPlan):
        spinnaker_convolution.connect(sim, plan, populations, partial(_project, sim))
    for board in plan.populations:
        population = populations[board.name]
        population.initialize(**_common(board.initial))
        _assign(population, board, _per_neuron(board.parameters), _per_neuron(board.initial))
    set_constant_drives(populations, plan)
    return built


def record_all(populations: Mapping[str, Any], plan: AnyPlan) -> None:
    """Record the spikes of all spiking populations, and the potentials of the readouts."""
    for board in plan.populations:
        populations[board.name].record("v" if board.kind == "readout" else "spikes")


def set_constant_drives(populations: Mapping[str, Any], plan: AnyPlan) -> None:
    """Set the constant currents that do not depend on the image."""
    for board in plan.populations:
        if board.drive is not None:
            set_drive(populations[board.name], board, board.drive)


def silence(populations: Mapping[str, Any]) -> None:
    """Set all constant currents so low that no neuron fires, whatever input still arrives."""
    for population in populations.values():
        population.set(i_offset=SILENCE)
        population.initialize(isyn_exc=0.0)


def set_drives(populations: Mapping[str, Any], plan: AnyPlan, drives: Mapping[str, Drive]) -> None:
    """Set the input of an image, as `Plan.image_drives` gives it for one image."""
    for name, drive in drives.items():
        set_drive(populations[name], plan.by_name[name], drive)


def set_drive(population: Any, board: PlannedPopulation, drive: Drive) -> None:
    """Set i_offset and the initial isyn_exc."""
    _assign(population, board, {"i_offset": drive.i_offset_na}, {"isyn_exc": drive.isyn_exc_na})


def _assign(
    population: Any,
    board: PlannedPopulation,
    parameters: Mapping[str, Array],
    initial: Mapping[str, Array],
) -> None:
    """Set arrays that broadcast to the shape; neighbours with equal values by one call."""
    of_cell, of_state = (
        {name: np.broadcast_to(array, board.shape).ravel() for name, array in some.items()}
        for some in (parameters, initial)
    )
    every = [*of_cell.values(), *of_state.values()]
    if not every:
        return
    changes = np.flatnonzero(np.any([np.diff(array) != 0 for array in every], axis=0)) + 1
    if len(changes) > len(every[0]) // 8:
        population.set(**of_cell)
        population.initialize(**of_state)
        return
    for begin, end in pairwise([0, *changes.tolist(), len(every[0])]):
        view = population[begin:end]
        view.set(**{name: float(array[begin]) for name, array in of_cell.items()})
        view.initialize(**{name: float(array[begin]) for name, array in of_state.items()})


def _common(values: Mapping[str, Value]) -> dict[str, float]:
    return {name: value for name, value in values.items() if not isinstance(value, np.ndarray)}


def _per_neuron(values: Mapping[str, Value]) -> dict[str, Array]:
    return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}


def with_self_projections(plan: AnyPlan) -> Network:
    """Return the network in LSBs, with the inhibitory projection of each neuron onto itself."""
    to_itself = tuple(
        Projection(board.name, board.name, _one_to_one(board, -board.self_weight), delay=1)
        for board in plan.populations
        if board.self_weight
    )
    return replace(plan.integers, projections=plan.integers.projections + to_itself)


def listed(linear: LinearMap) -> Synapses:
    """Return all synapses of a map in LSBs, sorted by source, then by target.

    sPyNNaker needs this order to find the longest row: it splits the list where the source changes
    (`FromListConnector.get_n_connections_from_pre_vertex_maximum`).
    """
    pieces = list(synapses(linear, 0))
    if not pieces:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32)
    pre, post, weight = (np.concatenate(part) for part in zip(*pieces))
    order = np.lexsort((post, pre))
    return pre[order], post[order], weight[order]


def _one_to_one(board: PlannedPopulation, weight: int) -> LinearMap:
    ones = (1,) * len(board.shape)
    return LinearMap(board.shape, (Scale(np.full(ones, weight, np.float32)),))


def _pynn(sim: Any, plan: AnyPlan, split: Collection[str]) -> SimpleNamespace:
    """Return the object that `pynn.build` takes as `sim`, with parameters that only sPyNNaker has.

    Its connectors are arrays (n, 3) of rows (source, target, weight in nA).
    """

    def population(size: int, cell: Any, label: str) -> Any:
        board = plan.by_name[label]

        def make(size: int, label: str, structure: Any = None) -> Any:
            return sim.Population(
                size,
                cell,
                label=label,
                structure=structure,
                max_expected_summed_weight=board.max_expected_summed_weight,
                n_colour_bits=COLOUR_BITS,
            )

        if label in split:
            return spinnaker_convolution.population(sim, board, make)
        return make(size, label)

    def projection(
        source: Any, target: Any, connector: Any, synapse: Any, receptor_type: str, label: str
    ) -> Any:
        made = []
        for part, rows in _shares(source, connector):
            listed = sim.FromListConnector(rows, column_names=["weight"])
            made.append(
                _project(sim, part, target, listed, synapse, label, receptor_type=receptor_type)
            )
        return made[0] if len(made) == 1 else made

    return SimpleNamespace(
        Population=population, Projection=projection, StaticSynapse=sim.StaticSynapse
    )


def _project(
    sim: Any, source: Any, target: Any, connector: Any, synapse: Any, label: str, **options: Any
) -> Any:
    projection = sim.Projection(source, target, connector, synapse, label=label, **options)
    _keep_no_copy(projection)
    return projection


def _keep_no_copy(projection: Any) -> None:
    """Keep sPyNNaker from storing a second copy of all synapses, for reading weights back."""
    holders = projection._synapse_information.pre_run_connection_holders
    if isinstance(holders, list):
        holders.clear()


def _shares(source: Any, rows: Array) -> Iterator[tuple[Any, Array]]:
    """Yield each sPyNNaker population of a source with its rows; rows are sorted by source."""
    if isinstance(source, Channels):
        yield from source.shares(rows)
    else:
        yield source, rows


def _parts(projection: Projection, weight_lsb: float) -> Iterator[Part]:
    pre, post, weight = listed(projection.map)
    for sign, receptor in RECEPTORS:
        chosen = sign * weight > 0
        if chosen.any():
            size = np.abs(weight[chosen]).astype(np.float64) * weight_lsb
            rows = np.stack([pre[chosen], post[chosen], size], axis=1)
            yield Part(rows, receptor)
