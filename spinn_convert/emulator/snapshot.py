"""Take a BoardImage out of a live sPyNNaker simulation on a virtual board.

Import it only with sPyNNaker installed. `snapshot` reads sPyNNaker's own database of data regions.
Regions that sPyNNaker writes again at a reset (parameters, state, what to record) are taken from
its method for that, by which the host writes them in full: so no on-chip generator is needed, and
`after_reset` returns exactly what a board would be sent. On a virtual board the host also writes
all synapses.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pacman.model.placements import Placement
from spinn_front_end_common.interface.ds import DataSpecificationBase, DsSqlliteDatabase
from spinnman.model.enums import ExecutableType
from spynnaker.pyNN.data import SpynnakerDataView
from spynnaker.pyNN.models.neuron import (
    population_machine_local_only_combined_vertex as local,
)
from spynnaker.pyNN.models.neuron import population_machine_vertex as combined
from spynnaker.pyNN.models.neuron.population_machine_neurons import NeuronProvenance
from spynnaker.pyNN.models.neuron.population_machine_synapses_provenance import SynapseProvenance

from spinn_convert.emulator.image import (
    POTENTIAL,
    SPIKES,
    BoardImage,
    Channel,
    Chip,
    CoreImage,
    Region,
    RegionImage,
    RoutingTable,
)
from spinn_convert.emulator.recording import row_words
from spinn_convert.errors import BackendError, Problem

_SYSTEM_COUNTERS = (
    "transmission_overflows",
    "callback_overloads",
    "dma_overloads",
    "user_overloads",
    "timer_overruns",
    "max_timer_overruns",
)
"""The first words of the provenance region, as in parse_system_provenance_items."""
_SAME_COUNTERS = {
    "n_spikes_dropped": "n_late_packets",
    "n_spikes_lost_from_input": "n_buffer_overflows",
}
"""Names of counters on cores with kernels, and on cores with lists of synapses."""


def snapshot(steps: int) -> BoardImage:
    """Return what a board would hold for a run of `steps` steps. Call it after `sim.run`.

    Raises BackendError when the mapping has cores or recordings that the emulated board cannot run.
    """
    if not SpynnakerDataView.is_ran_last():
        raise BackendError([Problem("sPyNNaker", "nothing is mapped", "take a snapshot after run")])
    placements = [p for p in SpynnakerDataView.iterate_placemements() if not _is_system(p)]
    problems = dict.fromkeys(problem for p in placements for problem in _unsupported(p))
    if problems:
        raise BackendError(list(problems))
    with DsSqlliteDatabase() as database:
        cores = tuple(_core(p, database, steps) for p in placements)
    vertices = {p.vertex.app_vertex for p in placements}
    return BoardImage(
        steps=steps,
        populations={str(vertex.label): int(vertex.n_atoms) for vertex in vertices},
        cores=cores,
        tables=dict(_tables()),
        links=dict(_links()),
    )


def after_reset(image: BoardImage) -> BoardImage:
    """Return the image with the current parameters. Call it after `sim.reset` and `set`.

    Raises BackendError when more has changed, so that sPyNNaker would map the network again.
    """
    view = SpynnakerDataView
    if not view.is_soft_reset():
        raise BackendError([Problem("sPyNNaker", "was not reset", "call reset, set and then this")])
    if view.get_requires_mapping() or view.get_requires_data_generation():
        what = "more than parameters has changed since the last snapshot"
        raise BackendError([Problem("sPyNNaker", what, "run, and take a snapshot")])
    placements = {(p.x, p.y, p.p): p for p in SpynnakerDataView.iterate_placemements()}
    with DsSqlliteDatabase() as database:
        cores = tuple(_rewritten(core, placements[core.where], database) for core in image.cores)
    return replace(image, cores=cores)


def _rewritten(core: CoreImage, placement: Placement, database: DsSqlliteDatabase) -> CoreImage:
    contents = _rewrite(placement, database)
    regions = {
        number: RegionImage(region.size, contents[number]) if number in contents else region
        for number, region in core.regions.items()
    }
    return replace(core, regions=regions)


def _is_system(placement: Placement) -> bool:
    """Return if a core runs sPyNNaker's own tools, such as monitors and data gatherers."""
    return bool(placement.vertex.get_binary_start_type() == ExecutableType.SYSTEM)


def _unsupported(placement: Placement) -> Iterator[Problem]:
    vertex = placement.vertex
    if not _is_local_only(vertex) and type(vertex) is not combined.PopulationMachineVertex:
        what = f"the emulated board does not run cores of kind {type(vertex).__name__}"
        fix = "use populations of neurons, without delay extensions, on combined cores"
        yield Problem(str(vertex.label), what, fix)
        return
    label = str(vertex.app_vertex.label)
    step_ms = SpynnakerDataView.get_simulation_time_step_ms()
    for recorder in (vertex.app_vertex.neuron_recorder, vertex.app_vertex.synapse_recorder):
        for variable in recorder.recording_variables:
            if variable not in (SPIKES, POTENTIAL):
                yield Problem(label, f"{variable} is recorded", "record spikes and v only")
            elif recorder.get_sampling_interval_ms(variable) != step_ms:
                yield Problem(label, f"{variable} is sampled", "record every step")


def _core(placement: Placement, database: DsSqlliteDatabase, steps: int) -> CoreImage:
    x, y, p, vertex = placement.x, placement.y, placement.p, placement.vertex
    written = {number: bytes(c) for number, _, c in database.get_regions_content(x, y, p)}
    written.update(_rewrite(placement, database))
    channels = tuple(_channels(vertex))
    local_only = _is_local_only(vertex)
    image = CoreImage(
        where=(x, y, p),
        population=str(vertex.app_vertex.label),
        neurons=int(vertex.vertex_slice.n_atoms),
        binary=_binary(vertex.get_binary_file_name()),
        regions={
            number: RegionImage(size, written.get(number, b""))
            for number, size in database.get_region_sizes(x, y, p).items()
        },
        channels=channels,
        counters=_counters(local_only),
        local_only=local_only,
    )
    number = image.number(Region.RECORDING)
    header = _recording_header(written[number], channels, steps)
    recording = {number: replace(image.regions[number], content=header)}
    return replace(image, regions={**image.regions, **recording})


def _is_local_only(vertex: Any) -> bool:
    """Return if a core holds kernels instead of lists of synapses."""
    return type(vertex) is local.PopulationMachineLocalOnlyCombinedVertex


def _rewrite(placement: Placement, database: DsSqlliteDatabase) -> dict[int, bytes]:
    """Return what sPyNNaker writes to this core at a reset, by number of region."""
    rewriting = _Rewriting(placement.x, placement.y, placement.p, database)
    placement.vertex.set_do_neuron_regeneration()
    placement.vertex.regenerate_data_specification(rewriting, placement)
    return rewriting.contents


class _Rewriting(DataSpecificationBase):
    """Collects what sPyNNaker writes to a board when parameters have changed."""

    def __init__(self, x: int, y: int, p: int, database: DsSqlliteDatabase) -> None:
        super().__init__(x, y, p, database)
        self.contents: dict[int, bytes] = {}

    def reserve_memory_region(
        self, region: int, size: int, label: str | None = None, reference: int | None = None
    ) -> None:
        """Do nothing: all regions exist."""

    def reference_memory_region(self, region: int, ref: int, label: str | None = None) -> None:
        """Refuse, as sPyNNaker does."""
        raise NotImplementedError("a reference to a region while parameters are rewritten")

    def _end_block(self) -> None:
        self.contents[self._region_num] = bytes(self._content)


def _channels(vertex: Any) -> Iterator[Channel]:
    recorder = vertex.app_vertex.neuron_recorder
    for variable in (SPIKES, POTENTIAL):
        neurons = np.array(recorder.neurons_recording(variable, vertex.vertex_slice), np.int64)
        if len(neurons):
            yield Channel(variable, recorder.get_region(variable), neurons)


def _recording_header(header: bytes, channels: tuple[Channel, ...], steps: int) -> bytes:
    """Return the header with room for `steps` rows; the host gives recordings all free SDRAM."""
    words = np.frombuffer(header, "<u4").copy()
    words[1:] = 0
    for channel in channels:
        words[1 + 3 * channel.index] = 4 * (1 + row_words(channel)) * steps
    return words.tobytes()


def _binary(name: str) -> Path:
    try:
        return Path(SpynnakerDataView.get_executable_path(name))
    except KeyError as error:
        raise BackendError([Problem(name, "sPyNNaker has no such binary")]) from error


def _tables() -> Iterator[tuple[Chip, RoutingTable]]:
    for table in SpynnakerDataView.get_uncompressed().routing_tables:
        entries = list(table.multicast_routing_entries)
        yield (
            (table.x, table.y),
            RoutingTable(
                np.array([entry.key for entry in entries], np.uint32),
                np.array([entry.mask for entry in entries], np.uint32),
                tuple(tuple(sorted(entry.processor_ids)) for entry in entries),
                tuple(tuple(sorted(entry.link_ids)) for entry in entries),
            ),
        )


def _links() -> Iterator[tuple[Chip, dict[int, Chip]]]:
    for chip in SpynnakerDataView.get_machine().chips:
        yield (
            (chip.x, chip.y),
            {
                link.source_link_id: (link.destination_x, link.destination_y)
                for link in chip.router.links
            },
        )


def _counters(local_only: bool) -> tuple[str, ...]:
    """Return the names of the words of the provenance region, in order."""
    parts: tuple[type[ctypes.Structure], ...] = (
        NeuronProvenance,
        SynapseProvenance,
        combined.SpikeProcessingProvenance,
        combined.MainProvenance,
    )
    if local_only:
        parts = NeuronProvenance, local.LocalOnlyProvenance, local.MainProvenance
    names = [field[0] for part in parts for field in part._fields_]
    return _SYSTEM_COUNTERS + tuple(_SAME_COUNTERS.get(name, name) for name in names)
