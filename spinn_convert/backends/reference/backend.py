"""The reference simulator: exact integers, event-driven, one thread per image.

Where torch finds a CUDA device, the dense form of the same network runs there instead.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spinn_convert.backends.reference.limits import check_range
from spinn_convert.backends.reference.ordered import in_order
from spinn_convert.backends.reference.outcome import (
    ImageOutcome,
    fill_readouts,
    first_of,
    room_for_readouts,
    sorted_spikes,
    spike_rows,
)
from spinn_convert.backends.reference.program import (
    Program,
    channels_last,
    compile_program,
    to_integers,
)
from spinn_convert.backends.reference.split import over_ranks
from spinn_convert.errors import Problem
from spinn_convert.linear.ops import Floats
from spinn_convert.network import readout as reading
from spinn_convert.network import stopping
from spinn_convert.network.rate import CHUNK, columns, input_currents
from spinn_convert.network.recording import Progress, Recording, Settings, Stimulus, silent
from spinn_convert.network.records import Network, out_degrees
from spinn_convert.network.timing import needed_steps

if TYPE_CHECKING:
    import torch

    from spinn_convert.backends.reference.sure import Sure

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
    """Simulate all images; spikes, potentials and events are exact. Ranks share the images.

    Raises BackendError where the input of a neuron in one step may exceed the kernel's integers.
    """
    started = time.perf_counter()
    program = compile_program(network)
    check_range(program)
    built = time.perf_counter()
    given = (network, program, settings)
    found = over_ranks(_outcomes, *given, values=stimulus.values, progress=progress)
    results, readouts = [], room_for_readouts(network, len(stimulus.values), settings)
    events = np.zeros((len(program.names), settings.steps))
    for number, result in enumerate(found):
        fill_readouts(readouts, network, number, result)
        events += 0 if result.events_by_step is None else result.events_by_step
        results.append(replace(result, readout=NO_READOUT, events_by_step=None))
    spiking = [program.names.index(p.name) for p in network.spiking]
    within = _events_within(network, program, settings, events / max(len(results), 1))
    totals = np.array([result.counts for result in results], np.int64)
    return Recording(
        NAME,
        settings,
        {program.names[p]: totals[:, p] for p in spiking},
        np.array([result.events for result in results], np.int64),
        readouts,
        {name: sorted_spikes(name, results) for name in settings.record},
        {"build": built - started, "simulate": time.perf_counter() - built},
        steps_taken=np.array([result.taken for result in results], np.int64),
        events_within=within,
    )


def _events_within(
    network: Network, program: Program, settings: Settings, events: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Return the events of runs of 1 ... T steps from those by population and step (P, T).

    None where images end after different numbers of steps.
    """
    if settings.stop:
        return None
    needed, total = needed_steps(network, settings.steps), np.zeros(settings.steps)
    for name, within in zip(program.names, np.cumsum(events, 1)):
        ended = settings.steps - needed[name]
        total[ended:] += within[: settings.steps - ended]
    return total


def _outcomes(
    network: Network, program: Program, settings: Settings, values: Floats
) -> Iterator[ImageOutcome]:
    """Yield the results of images (B, *input shape) in their order."""
    device, stimulus = _cuda(), Stimulus(values)
    if device is None:
        return _on_cores(network, program, stimulus, settings)
    return _on_device(network, program, stimulus, settings, device)


def _cuda() -> torch.device | None:
    import torch

    return torch.device("cuda") if torch.cuda.is_available() else None


def room_for_spikes() -> NDArray[np.int32]:
    """Return this thread's array of spikes, of whatever size it has by now."""
    known: NDArray[np.int32] | None = getattr(ROOM, "spikes", None)
    return np.empty(1 << 16, np.int32) if known is None else known


def _simulate(
    network: Network,
    program: Program,
    bias: NDArray[np.int32],
    settings: Settings,
    needed: NDArray[np.int64],
    sure: Sure,
) -> ImageOutcome:
    """Simulate one image. bias: current into every neuron, image included, (neurons,)."""
    from spinn_convert.backends.reference.kernel import simulate

    spikes, begins, ends, events, readout, taken = simulate(
        program.wiring,
        bias,
        program.v_init,
        program.v_reset,
        program.out_degree,
        program.one,
        settings.rows,
        needed,
        sure,
        room_for_spikes(),
    )
    ROOM.spikes = spikes
    order = np.concatenate([channels_last(p.shape) for p in network.readouts])
    sizes = [p.size for p in network.readouts]
    shifts = np.repeat(first_of(sizes), sizes)
    ordered = np.empty(readout.shape, np.float32)
    ordered[:, order + shifts] = readout / program.one
    if settings.stop:
        ordered[taken:] = ordered[taken - 1]
    rows = {}
    for name in settings.record:
        p = program.names.index(name)
        rows[name] = spike_rows(program, name, spikes, begins[p], ends[p])
    total = int(events.sum())
    return ImageOutcome((ends - begins).sum(1), total, ordered, rows, taken, events)


def _needed(network: Network, program: Program, settings: Settings) -> NDArray[np.int64]:
    """Return for how many steps each population runs (P,): all, where spikes are recorded."""
    if settings.record or settings.stop:
        return np.full(len(program.names), settings.steps)
    needed = needed_steps(network, settings.steps)
    return np.array([needed[name] for name in program.names], np.int64)


def _sure(network: Network, settings: Settings) -> Sure:
    """Return when an image ends; the network has one output where it ends early."""
    from spinn_convert.backends.reference.sure import NEVER_SURE, Sure

    stop, output = settings.stop, network.readouts[0]
    if stop is None:
        return NEVER_SURE
    order = channels_last(output.shape)
    scale = np.broadcast_to(columns(output), output.shape).ravel()[order]
    starts = reading.starts(stop.read_out, output.release, settings.steps)
    return Sure(stop.bound, stop.first, output.release, starts, scale.astype(np.float32))


def _on_cores(
    network: Network, program: Program, stimulus: Stimulus, settings: Settings
) -> Iterator[ImageOutcome]:
    """Yield results in the order of the images, computing `threads` of them at a time."""
    chunks = _biases(network, program, stimulus)
    needed, sure = _needed(network, program, settings), _sure(network, settings)
    return in_order(
        chunks,
        settings.threads,
        lambda bias: _simulate(network, program, bias, settings, needed, sure),
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

    degrees, needed = out_degrees(network), _needed(network, program, settings)
    for start in range(0, len(stimulus.values), CHUNK):
        currents = input_currents(network, stimulus.values[start : start + CHUNK])
        dense = simulate(network, program, currents, settings.steps, device)
        for image in range(len(stimulus.values[start : start + CHUNK])):
            fired = {
                name: spikes[:, image].flatten(1).cpu().numpy()
                for name, spikes in dense.spikes.items()
            }
            potentials = np.concatenate(
                [
                    dense.potentials[p.name][:, image].flatten(1).cpu().numpy()
                    for p in network.readouts
                ],
                axis=1,
            )
            taken = _taken(network, settings, potentials)
            if settings.stop:
                potentials[taken:] = potentials[taken - 1]
            for p, name in enumerate(program.names):
                if name in fired:
                    fired[name][min(taken, needed[p]) :] = 0
            events = np.zeros((len(program.names), settings.steps), np.int64)
            counts = np.zeros(len(program.names), np.int64)
            for name, spikes in fired.items():
                p = program.names.index(name)
                counts[p], events[p] = spikes.sum(), spikes @ degrees[name].ravel()
            yield ImageOutcome(
                counts,
                int(events.sum()),
                settings.kept(potentials),
                {name: np.argwhere(fired[name]).astype(np.int32) for name in settings.record},
                taken,
                events,
            )


def _taken(network: Network, settings: Settings, potentials: NDArray[np.float32]) -> int:
    """Return after how many steps an image ends, from potentials (T, N) in thresholds."""
    if settings.stop is None:
        return settings.steps
    output = network.readouts[0]
    scaled = potentials * np.broadcast_to(columns(output), output.shape).ravel()
    found = stopping.leads(scaled[None], settings.stop.read_out, output.release)
    return int(stopping.steps_taken(found, settings.stop)[0])
