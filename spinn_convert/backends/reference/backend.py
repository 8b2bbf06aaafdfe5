"""The reference simulator: exact integers, event-driven, one thread per image.

Where torch finds a CUDA device, the dense form of the same network runs there instead.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spinn_convert.backends.reference.limits import check_range
from spinn_convert.backends.reference.ordered import in_order
from spinn_convert.backends.reference.program import (
    Program,
    channels_last,
    compile_program,
    to_integers,
)
from spinn_convert.errors import Problem
from spinn_convert.network.rate import CHUNK, columns, input_currents
from spinn_convert.network.recording import Progress, Recording, Settings, Stimulus, silent
from spinn_convert.network.records import Network, out_degrees

if TYPE_CHECKING:
    import torch

NAME = "reference"
DEFAULT_IMAGES = None
NO_READOUT = np.zeros((0, 0), np.float32)
ROOM = threading.local()
"""Each thread's array of spikes, used again for every image: new memory costs a seventh more."""


def check(network: Network, settings: Settings) -> list[Problem]:
    """Return what keeps this network from being simulated."""
    return []


def run(
    network: Network, stimulus: Stimulus, settings: Settings, progress: Progress = silent
) -> Recording:
    """Simulate all images; spikes, potentials and events are exact.

    Raises BackendError where the input of a neuron in one step may exceed the kernel's integers.
    """
    started = time.perf_counter()
    program = compile_program(network)
    check_range(program)
    built = time.perf_counter()
    device = _cuda()
    found = (
        _on_cores(network, program, stimulus, settings)
        if device is None
        else _on_device(network, program, stimulus, settings, device)
    )
    results, readouts = [], room_for_readouts(network, len(stimulus.values), settings)
    for number, result in enumerate(found):
        fill_readouts(readouts, network, number, result)
        results.append(replace(result, readout=NO_READOUT))
        progress(number + 1, len(stimulus.values))
    spiking = [program.names.index(p.name) for p in network.spiking]
    totals = np.array([result.counts for result in results], np.int64)
    return Recording(
        NAME,
        settings,
        {program.names[p]: totals[:, p] for p in spiking},
        np.array([result.events for result in results], np.int64),
        readouts,
        {name: sorted_spikes(name, results) for name in settings.record},
        {"build": built - started, "simulate": time.perf_counter() - built},
    )


def _cuda() -> torch.device | None:
    import torch

    return torch.device("cuda") if torch.cuda.is_available() else None


@dataclass(frozen=True, eq=False)
class ImageOutcome:
    """Result of one image, neurons in (C, H, W) order.

    counts: spikes per population (P,). events: synaptic events. readout: potentials after each
    step that is kept, in thresholds, (T, neurons of all readouts). spikes: rows (step, neuron) by
    recorded population.
    """

    counts: NDArray[np.int64]
    events: int
    readout: NDArray[np.float32]
    spikes: dict[str, NDArray[np.int32]]


def room_for_spikes() -> NDArray[np.int32]:
    """Return this thread's array of spikes, of whatever size it has by now."""
    known: NDArray[np.int32] | None = getattr(ROOM, "spikes", None)
    return np.empty(1 << 16, np.int32) if known is None else known


def _simulate(
    network: Network, program: Program, bias: NDArray[np.int32], settings: Settings
) -> ImageOutcome:
    """Simulate one image. bias: current into every neuron, image included, (neurons,)."""
    from spinn_convert.backends.reference.kernel import simulate

    spikes, begins, ends, events, readout = simulate(
        program.wiring,
        bias,
        program.v_init,
        program.v_reset,
        program.out_degree,
        program.one,
        settings.rows,
        room_for_spikes(),
    )
    ROOM.spikes = spikes
    order = np.concatenate([channels_last(p.shape) for p in network.readouts])
    sizes = [p.size for p in network.readouts]
    shifts = np.repeat(_begins(sizes), sizes)
    ordered = np.empty(readout.shape, np.float32)
    ordered[:, order + shifts] = readout / program.one
    rows = {}
    for name in settings.record:
        p = program.names.index(name)
        rows[name] = spike_rows(program, name, spikes, begins[p], ends[p])
    return ImageOutcome((ends - begins).sum(1), int(events.sum()), ordered, rows)


def _begins(sizes: list[int]) -> NDArray[np.int64]:
    """Return where each of several arrays begins when they stand one after another."""
    return np.cumsum([0, *sizes[:-1]])


def spike_rows(
    program: Program,
    name: str,
    spikes: NDArray[np.int32],
    begins: NDArray[np.int64],
    ends: NDArray[np.int64],
) -> NDArray[np.int32]:
    """Return rows (step, neuron) of one population, neurons in (C, H, W) order."""
    order = channels_last(program.shapes[program.names.index(name)]).astype(np.int32)
    counts = ends - begins
    step = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    which = np.repeat(begins - np.cumsum(counts) + counts, counts) + np.arange(len(step))
    return np.stack([step, order[spikes[which]]], axis=1)


def _on_cores(
    network: Network, program: Program, stimulus: Stimulus, settings: Settings
) -> Iterator[ImageOutcome]:
    """Yield results in the order of the images, computing `threads` of them at a time."""
    chunks = _biases(network, program, stimulus)
    return in_order(
        chunks, settings.threads, lambda bias: _simulate(network, program, bias, settings)
    )


def _biases(network: Network, program: Program, stimulus: Stimulus) -> Iterator[NDArray[np.int32]]:
    """Yield the currents into all neurons, (images, neurons), for a few images at a time."""
    offsets = dict(zip(program.names, program.populations[:, 0]))
    for start in range(0, len(stimulus.values), CHUNK):
        currents = input_currents(network, stimulus.values[start : start + CHUNK])
        biases = np.repeat(program.bias[None], len(next(iter(currents.values()))), 0)
        for name, current in currents.items():
            values = to_integers(program, name, current)
            biases[:, offsets[name] : offsets[name] + values.shape[1]] = values
        yield biases


def _on_device(
    network: Network,
    program: Program,
    stimulus: Stimulus,
    settings: Settings,
    device: torch.device,
) -> Iterator[ImageOutcome]:
    """Yield results in the order of the images, computed as dense tensors on a torch device."""
    from spinn_convert.backends.reference.dense import simulate

    degrees = out_degrees(network)
    for start in range(0, len(stimulus.values), CHUNK):
        currents = input_currents(network, stimulus.values[start : start + CHUNK])
        dense = simulate(network, program, currents, settings.steps, device)
        for image in range(len(stimulus.values[start : start + CHUNK])):
            fired = {
                name: spikes[:, image].flatten(1).cpu().numpy()
                for name, spikes in dense.spikes.items()
            }
            sums = {name: spikes.sum(0) for name, spikes in fired.items()}
            counts = [sums[name].sum() if name in sums else 0 for name in program.names]
            potentials = [
                dense.potentials[p.name][:, image].flatten(1).cpu().numpy()
                for p in network.readouts
            ]
            yield ImageOutcome(
                np.array(counts, np.int64),
                sum(int(total @ degrees[name].ravel()) for name, total in sums.items()),
                settings.kept(np.concatenate(potentials, axis=1)),
                {name: np.argwhere(fired[name]).astype(np.int32) for name in settings.record},
            )


def room_for_readouts(
    network: Network, images: int, settings: Settings
) -> dict[str, NDArray[np.float32]]:
    """Return empty arrays (B, T, *shape) for the potentials of the readouts that are kept."""
    steps = settings.steps if settings.sampled is None else len(settings.sampled)
    return {p.name: np.empty((images, steps, *p.shape), np.float32) for p in network.readouts}


def fill_readouts(
    readouts: Mapping[str, NDArray[np.float32]],
    network: Network,
    image: int,
    result: ImageOutcome,
) -> None:
    """Write one image's potentials into the arrays, in the units of the outputs."""
    sizes = [p.size for p in network.readouts]
    for population, begin in zip(network.readouts, _begins(sizes)):
        values = result.readout[:, begin : begin + population.size]
        shaped = values.reshape(len(values), *population.shape)
        readouts[population.name][image] = shaped * columns(population)


def sorted_spikes(name: str, results: list[ImageOutcome]) -> NDArray[np.int32]:
    """Return rows (image, step, neuron), sorted."""
    found = np.concatenate(
        [np.insert(r.spikes[name], 0, image, axis=1) for image, r in enumerate(results)]
    )
    return found[np.lexsort(found.T[::-1])]
