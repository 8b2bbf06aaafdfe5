"""Board plan -> sPyNNaker populations and projections, and the input of an image.

`sim` is sPyNNaker's PyNN module, set up with a time step of 1 ms and handed in. Synapses are lists,
which the host writes; parameters that are constant over a core are filled in on the chip.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np

from spinn_convert.backends.board_drive import Drive
from spinn_convert.backends.board_plan import CELL_PARAMETERS, BoardPlan, BoardPopulation
from spinn_convert.backends.pynn import Part, build
from spinn_convert.linear import LinearMap, Synapses, synapses
from spinn_convert.network import Network, Projection
from spinn_convert.ops import Scale

NEURONS_PER_CORE = 256
COLOUR_BITS = 4
"""Of a spike's key; they count time steps, and let a core find out that a packet is late."""
RECEPTORS = ((1, "excitatory"), (-1, "inhibitory"))


def ticks(steps: int) -> int:
    """Return how many time steps the board runs for `steps` steps of the network.

    One more, since V is recorded before the update of a step, then up to a multiple of 16, because
    a core does not reset the colour of its keys.
    """
    cycle = 1 << COLOUR_BITS
    return -(-(steps + 1) // cycle) * cycle


def build_plan(sim: Any, plan: BoardPlan) -> dict[str, Any]:
    """Return sPyNNaker's populations by name, all but their drives set and recordings requested.

    Spikes of all spiking populations are recorded, and the potentials of the readouts.
    """
    sim.set_number_of_neurons_per_core(sim.IF_curr_exp, NEURONS_PER_CORE)
    populations = build(
        _pynn(sim, plan),
        with_self_projections(plan),
        lambda population: _cell(sim, plan.by_name[population.name]),
        lambda projection: _parts(sim, projection, plan.by_name[projection.target].weight_lsb),
    )
    for board in plan.populations:
        population = populations[board.name]
        population.initialize(v=0.0, isyn_inh=0.0, refract_timer=board.refract_timer)
        population.record("v" if board.kind == "readout" else "spikes")
        if board.drive is not None:
            set_drive(population, board, board.drive)
    return populations


def set_drives(
    populations: Mapping[str, Any], plan: BoardPlan, drives: Mapping[str, Drive]
) -> None:
    """Set the input of an image, as `board_plan.image_drives` gives it for one image."""
    for name, drive in drives.items():
        set_drive(populations[name], plan.by_name[name], drive)


def set_drive(population: Any, board: BoardPopulation, drive: Drive) -> None:
    """Set i_offset and the initial isyn_exc; equal neurons in a row through one view."""
    currents, initial = (
        np.broadcast_to(values, board.shape).ravel()
        for values in (drive.i_offset_na, drive.isyn_exc_na)
    )
    changes = np.flatnonzero((np.diff(currents) != 0) | (np.diff(initial) != 0)) + 1
    if len(changes) > len(currents) // 8:
        population.set(i_offset=currents)
        population.initialize(isyn_exc=initial)
        return
    for begin, end in pairwise([0, *changes.tolist(), len(currents)]):
        view = population[begin:end]
        view.set(i_offset=float(currents[begin]))
        view.initialize(isyn_exc=float(initial[begin]))


def with_self_projections(plan: BoardPlan) -> Network:
    """Return the plan's integers and, for each spiking population, the projection onto itself."""
    to_itself = tuple(
        Projection(board.name, board.name, _each_times(board, -board.self_weight), delay=1)
        for board in plan.populations
        if board.self_weight
    )
    return replace(plan.integers, projections=plan.integers.projections + to_itself)


def listed(linear: LinearMap) -> Synapses:
    """Return all synapses of a map in LSBs, by source, then by target.

    In this order sPyNNaker sees how long the rows are: it splits the list where the sources of the
    sorted list change (`FromListConnector.get_n_connections_from_pre_vertex_maximum`).
    """
    pieces = list(synapses(linear, 0))
    if not pieces:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32)
    pre, post, weight = (np.concatenate(part) for part in zip(*pieces))
    order = np.lexsort((post, pre))
    return pre[order], post[order], weight[order]


def _each_times(board: BoardPopulation, weight: int) -> LinearMap:
    ones = (1,) * len(board.shape)
    return LinearMap(board.shape, (Scale(np.full(ones, weight, np.float32)),))


def _pynn(sim: Any, plan: BoardPlan) -> SimpleNamespace:
    """Return what `pynn.build` needs, with the parameters that only sPyNNaker has."""

    def population(size: int, cell: Any, label: str) -> Any:
        return sim.Population(
            size,
            cell,
            label=label,
            max_expected_summed_weight=plan.by_name[label].max_expected_summed_weight,
            n_colour_bits=COLOUR_BITS,
        )

    def projection(
        source: Any, target: Any, connector: Any, synapse: Any, receptor_type: str, label: str
    ) -> Any:
        made = sim.Projection(
            source, target, connector, synapse, receptor_type=receptor_type, label=label
        )
        _keep_no_copy(made)
        return made

    return SimpleNamespace(
        Population=population, Projection=projection, StaticSynapse=sim.StaticSynapse
    )


def _keep_no_copy(projection: Any) -> None:
    """Keep sPyNNaker from collecting all synapses once more, in case someone reads them back."""
    holders = projection._synapse_information.pre_run_connection_holders
    if isinstance(holders, list):
        holders.clear()


def _cell(sim: Any, board: BoardPopulation) -> Any:
    return sim.IF_curr_exp(v_thresh=board.v_thresh, **CELL_PARAMETERS)


def _parts(sim: Any, projection: Projection, weight_lsb: float) -> Iterator[Part]:
    pre, post, weight = listed(projection.map)
    for sign, receptor in RECEPTORS:
        chosen = sign * weight > 0
        if chosen.any():
            size = np.abs(weight[chosen]).astype(np.float64) * weight_lsb
            rows = np.stack([pre[chosen], post[chosen], size], axis=1)
            yield Part(sim.FromListConnector(rows, column_names=["weight"]), receptor)
