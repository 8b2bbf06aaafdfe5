"""Count what a run lost (saturated inputs, late or lost packets), from sPyNNaker's provenance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from spinn_convert.backends.board.planned import AnyPlan
from spinn_convert.backends.spinnaker.kernels.channels import Where
from spinn_convert.errors import BackendError, Problem

if TYPE_CHECKING:
    from spinn_convert.emulator.image import BoardImage
    from spinn_convert.emulator.recording import BoardResult

Losses = dict[str, dict[str, int]]
"""Counts by population, or ROUTER, and by name of the counter."""

SATURATED = "saturated inputs"
ROUTER = "router"
_CALIBRATE = "measure the largest inputs on more calibration images"
_SLOWER = "raise time_scale_factor in the configuration file"
_BUFFER = f"raise incoming_spike_buffer_size of [Simulation], or {_SLOWER}"
_REPORT = "this is a defect of spinn_convert or sPyNNaker: please report it"

CORE_COUNTERS: Mapping[str, tuple[str, str, str]] = {
    "Times_synaptic_weights_have_saturated": (SATURATED, "n_saturations", _CALIBRATE),
    "Skipped synapses": ("skipped synapses", "n_skipped_synapses", _SLOWER),
    "Late spikes": ("late spikes", "n_late_spikes", _SLOWER),
    "Number_of_late_spikes": ("late packets", "n_late_packets", _SLOWER),
    "Times_the_input_buffer_lost_packets": ("packets lost", "n_buffer_overflows", _BUFFER),
    "Invalid Master Pop hits": ("unknown keys", "n_invalid_pop_table_hits", _REPORT),
    "Times_the_background_queue_overloaded": (
        "background overloads",
        "n_background_overloads",
        _SLOWER,
    ),
    "Times_the_transmission_of_spikes_overran": (
        "transmission overruns",
        "transmission_overflows",
        _SLOWER,
    ),
    "Times_the_callback_queue_was_overloaded": (
        "callback overloads",
        "callback_overloads",
        _SLOWER,
    ),
    "Times_the_dma_queue_was_overloaded": ("DMA overloads", "dma_overloads", _SLOWER),
    "Times_the_user_queue_was_overloaded": ("user overloads", "user_overloads", _SLOWER),
    "Times_the_timer_tic_over_ran": ("timer overruns", "timer_overruns", _SLOWER),
}
"""Counters of a core. By sPyNNaker's name: the name in messages, the name on the emulated board,
and what to do if it is not 0."""
ROUTER_COUNTERS: Mapping[str, tuple[str, str]] = {
    "RunMissed_For_Reinjection": ("dropped packets that were missed", _SLOWER),
    "RunReinjection_Overflows": ("dropped packets beyond the buffer", _SLOWER),
    "RunDumped_from_a_Link": ("packets dumped from a link", _SLOWER),
    "RunDumped_from_a_processor": ("packets dumped from a core", _SLOWER),
    "RunDropped_Multicast_Packets_via_local_transmission": ("packets without a route", _REPORT),
}
"""Counters of routers for packets that never arrived. By sPyNNaker's name: the name in messages,
and what to do if it is not 0."""
DROPPED, REINJECTION = "RunDropped_Multicast_Packets", "RunReceived_For_Reinjection"
"""Dropped packets count as lost only where no packets are sent again (reinjected)."""

_REMEDIES = {name: fix for name, _, fix in CORE_COUNTERS.values()} | dict(ROUTER_COUNTERS.values())


def of_emulated(image: BoardImage, result: BoardResult, places: Mapping[str, Where]) -> Losses:
    """Return the counters of an emulated board since it booted.

    places: layer of each sPyNNaker population, of `kernels.channels.places`.
    """
    population = {core.where: places[core.population][0] for core in image.cores}
    totals: Losses = {}
    for where, counters in result.counters.items():
        for name, emulated, _ in CORE_COUNTERS.values():
            _add(totals, population[where], name, counters.get(emulated, 0))
    return totals


def read(plan: AnyPlan, places: Mapping[str, Where]) -> Losses:
    """Return the counters that sPyNNaker read after the last run of a real board.

    places: as for `of_emulated`. Raises BackendError when there are none of some population: its
    losses would go unnoticed.
    """
    from spinn_front_end_common.interface.provenance import ProvenanceReader
    from spynnaker.pyNN.data import SpynnakerDataView

    population = {
        (place.x, place.y, place.p): places[str(place.vertex.app_vertex.label)][0]
        for place in SpynnakerDataView.iterate_placemements()
        if place.vertex.app_vertex is not None and str(place.vertex.app_vertex.label) in places
    }
    with ProvenanceReader() as reader:
        cores = reader.run_query(
            "SELECT x, y, p, description, MAX(the_value) FROM core_provenance_view "
            "GROUP BY x, y, p, description"
        )
        routers = reader.run_query(
            "SELECT description, SUM(the_value) FROM router_provenance GROUP BY description"
        )
    return from_rows(plan, population, cores, dict(routers))


def from_rows(
    plan: AnyPlan,
    population: Mapping[tuple[int, int, int], str],
    cores: list[Any],
    routers: Mapping[str, int],
) -> Losses:
    """Return the counters of rows of sPyNNaker's provenance.

    population: by core (x, y, p). cores: rows (x, y, p, sPyNNaker's name of the counter, count).
    routers: counts of all routers by sPyNNaker's name. Raises BackendError as `read` does.
    """
    totals: Losses = {}
    for x, y, p, description, count in cores:
        if description in CORE_COUNTERS and (x, y, p) in population:
            _add(totals, population[x, y, p], CORE_COUNTERS[description][0], int(count))
    silent = [board.name for board in plan.populations if board.name not in totals]
    if silent:
        what = f"no provenance was read of {', '.join(silent)}: losses would go unnoticed"
        fix = "let read_placements_provenance_data of [Reports] be True"
        raise BackendError([Problem("sPyNNaker", what, fix)])
    for description, (name, _) in ROUTER_COUNTERS.items():
        _add(totals, ROUTER, name, int(routers.get(description, 0)))
    if REINJECTION not in routers:
        _add(totals, ROUTER, "dropped packets", int(routers.get(DROPPED, 0)))
    return totals


def since(totals: Losses, before: Losses) -> Losses:
    """Return the increase of all counters since `before`, without zeros."""
    lost: Losses = {}
    for population, counters in totals.items():
        for name, count in counters.items():
            added = count - before.get(population, {}).get(name, 0)
            if added:
                _add(lost, population, name, added)
    return lost


def problems(losses: Losses, image: int) -> list[Problem]:
    """Return a problem for each population that lost something; `image` counts from 0."""
    return [
        Problem(
            population,
            f"image {image}: " + ", ".join(f"{count:,} {name}" for name, count in lost.items()),
            "; ".join(dict.fromkeys(_REMEDIES.get(name, _SLOWER) for name in lost)),
        )
        for population, lost in losses.items()
    ]


def _add(losses: Losses, population: str, name: str, count: int) -> None:
    counters = losses.setdefault(population, {})
    counters[name] = counters.get(name, 0) + count
