"""Map a plan to a virtual machine, and read from sPyNNaker what it takes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spinn_convert.backends.board.plan import BoardPlan, make_plan
from spinn_convert.backends.board.planned import AnyPlan, PlannedPopulation
from spinn_convert.backends.spinnaker import build as spinnaker_build
from spinn_convert.backends.spinnaker.build import ticks, with_self_projections
from spinn_convert.backends.spinnaker.check import dry_run_machine
from spinn_convert.backends.spinnaker.dry_run.costs import Chip, DryRun, Layer
from spinn_convert.backends.spinnaker.kernels.layers import Connectors, Ways, compared
from spinn_convert.backends.spinnaker.machine import read_machine
from spinn_convert.backends.spinnaker.session import Session, opened
from spinn_convert.network.records import Network, synapse_counts

DEFAULT_STEPS = 63
"""Time steps per image, for which a board runs 64."""


def dry_run(
    network: Network,
    plan: AnyPlan | None = None,
    board: Path | None = None,
    steps: int = DEFAULT_STEPS,
    connectors: Connectors = "lists",
) -> DryRun:
    """Return what the network takes on this kind of machine; needs no hardware.

    plan: of `make_plan` or `make_delta_plan`; None for the first, made without images, which
    changes weights, but not the mapping. board: a configuration file; None for ~/.spynnaker.cfg.
    The real machine that it names is not used; without a virtual one of given size, as many virtual
    boards are taken as are needed. steps: per image. connectors: as for `spinnaker.backend.run`, of
    `make_plan` only.
    Raises BackendError when the network does not fit into the board's numbers or the machine, or
    when sPyNNaker fails.
    """
    plan = make_plan(network) if plan is None else plan
    machine = dry_run_machine(plan, board)
    started = time.perf_counter()
    with (
        tempfile.TemporaryDirectory(prefix="spinn_convert_") as directory,
        opened(plan, machine, steps, Path(directory), connectors) as session,
    ):
        session.go()
        view, database = _simulator()
        with database() as written:
            layers, sdram, loaded = _placed(plan, view, written, session)
        chips = {
            (chip.x, chip.y): (chip.nearest_ethernet_x, chip.nearest_ethernet_y)
            for chip in view.get_machine().chips
        }
        tables = {
            (table.x, table.y): int(table.number_of_entries)
            for table in view.get_uncompressed().routing_tables
        }
    return DryRun(
        layers,
        chips,
        sdram,
        tables,
        loaded,
        ticks(steps),
        read_machine(board).time_scale_factor,
        time.perf_counter() - started,
    )


def _simulator() -> tuple[Any, Any]:
    from spinn_front_end_common.interface.ds import DsSqlliteDatabase
    from spynnaker.pyNN.data import SpynnakerDataView

    return SpynnakerDataView, DsSqlliteDatabase


def _placed(
    plan: AnyPlan, view: Any, written: Any, session: Session
) -> tuple[tuple[Layer, ...], dict[Chip, int], int]:
    """Return the layers, bytes of SDRAM by chip, and bytes that the host writes."""
    cores: dict[str, list[Any]] = {p.name: [] for p in plan.populations}
    sdram: dict[Chip, int] = {}
    loaded = 0
    for place in view.iterate_placemements():
        chip = place.x, place.y
        used = int(place.vertex.sdram_required.get_total_sdram(session.ticks))
        sdram[chip] = sdram.get(chip, 0) + used
        where = session.places.get(str(getattr(place.vertex.app_vertex, "label", None)))
        if where is not None:
            cores[where[0]].append(place)
            loaded += int(written.get_memory_to_write(place.x, place.y, place.p))
    used_chips = {(place.x, place.y) for places in cores.values() for place in places}
    synapses = synapse_counts(with_self_projections(plan))
    ways: Mapping[str, Ways] = {}
    if isinstance(plan, BoardPlan):
        ways = compared(plan, session.split, spinnaker_build.NEURONS_PER_CORE, session.ticks)
    layers = tuple(
        _layer(plan.by_name[name], places, synapses[name], view, ways.get(name), session.ticks)
        for name, places in cores.items()
    )
    return layers, {chip: sdram[chip] for chip in sorted(used_chips)}, loaded


def _layer(
    board: PlannedPopulation,
    places: list[Any],
    synapses: int,
    view: Any,
    ways: Ways | None,
    steps: int,
) -> Layer:
    boards = set()
    for place in places:
        chip = view.get_chip_at(place.x, place.y)
        boards.add((chip.nearest_ethernet_x, chip.nearest_ethernet_y))
    return Layer(
        board.name,
        board.size,
        synapses,
        tuple(sorted((place.x, place.y, place.p) for place in places)),
        len(boards),
        sum(int(place.vertex.sdram_required.get_total_sdram(steps)) for place in places),
        max(map(_senders, {place.vertex.app_vertex for place in places})),
        ways,
    )


def _senders(vertex: Any) -> int:
    """Return the most neurons whose spikes reach any one core of a population."""
    from pacman.model.graphs.machine import MachineVertex
    from spynnaker.pyNN.utilities.constants import SPIKE_PARTITION_ID

    neurons: dict[Any, int] = {}
    sources = {projection._projection_edge.pre_vertex for projection in vertex.incoming_projections}
    for source in sources:
        hit = vertex.splitter.get_source_specific_in_coming_vertices(source, SPIKE_PARTITION_ID)
        for core, senders in hit:
            sizes = (
                sender.vertex_slice.n_atoms if isinstance(sender, MachineVertex) else sender.n_atoms
                for sender in senders
            )
            neurons[core] = neurons.get(core, 0) + int(sum(sizes))
    return max(neurons.values(), default=0)
