"""The reference simulator: exact integers, event-driven, one thread per image."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from spinn_convert.backends.program import Program, channels_last, compile_program, to_integers
from spinn_convert.errors import BackendError, Problem
from spinn_convert.network import Network
from spinn_convert.rate import CHUNK, columns, input_currents
from spinn_convert.recording import Progress, Recording, Settings, Stimulus, silent

NAME = "reference"
DEFAULT_IMAGES = None
LARGEST_POTENTIAL = 1 << 30


def check(network: Network, settings: Settings) -> list[Problem]:
    """Return what keeps this network from being simulated."""
    return []


def run(
    network: Network, stimulus: Stimulus, settings: Settings, progress: Progress = silent
) -> Recording:
    """Simulate all images; spikes, potentials and events are exact.

    Raises BackendError when a membrane potential leaves the range of the integers.
    """
    started = time.perf_counter()
    program = compile_program(network)
    built = time.perf_counter()
    results = []
    for result in _all_images(network, program, stimulus, settings):
        results.append(result)
        progress(len(results), len(stimulus.values))
    spiking = [program.names.index(p.name) for p in network.spiking]
    totals = np.array([result.counts for result in results], np.int64)
    return Recording(
        NAME,
        settings,
        {program.names[p]: totals[:, p] for p in spiking},
        np.array([result.events for result in results], np.int64),
        _readouts(network, program, results),
        {name: _spikes(program, name, results) for name in settings.record},
        {"build": built - started, "simulate": time.perf_counter() - built},
    )


class _Result:
    """What one image left behind."""

    def __init__(self, program: Program, bias: NDArray[np.int32], settings: Settings) -> None:
        from spinn_convert.backends.kernel import simulate

        spikes, begins, events, self.readout, largest = simulate(
            program.populations,
            program.projections,
            bias,
            program.v_init,
            program.out_degree,
            program.weights,
            program.posts,
            program.runs,
            program.rows,
            program.one,
            settings.steps,
        )
        if largest >= LARGEST_POTENTIAL:
            what = f"a membrane potential reached {largest / program.one:.0f} thresholds"
            raise BackendError([Problem(NAME, what, "simulate fewer steps")])
        self.counts = begins[:, -1] - begins[:, 0]
        self.events = int(events.sum())
        self.spikes = {
            name: _rows(spikes, begins[program.names.index(name)]) for name in settings.record
        }


def _rows(spikes: NDArray[np.int32], begins: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return (step, neuron) rows of one population, neurons channels last."""
    step = np.repeat(np.arange(len(begins) - 1), np.diff(begins))
    return np.stack([step.astype(np.int32), spikes[begins[0] : begins[-1]]], axis=1)


def _all_images(
    network: Network, program: Program, stimulus: Stimulus, settings: Settings
) -> Iterator[_Result]:
    """Yield results in the order of the images, computing `threads` of them at a time."""
    offsets = dict(zip(program.names, program.populations[:, 0]))
    pool = ThreadPoolExecutor(settings.threads)
    try:
        for start in range(0, len(stimulus.values), CHUNK):
            currents = input_currents(network, stimulus.values[start : start + CHUNK])
            biases = np.repeat(program.bias[None], len(stimulus.values[start : start + CHUNK]), 0)
            for name, current in currents.items():
                values = to_integers(program, name, current)
                biases[:, offsets[name] : offsets[name] + values.shape[1]] = values
            yield from pool.map(lambda bias: _Result(program, bias, settings), biases)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _readouts(
    network: Network, program: Program, results: list[_Result]
) -> dict[str, NDArray[np.float32]]:
    """Return potentials (B, T, *shape) in the units of the outputs."""
    potentials = np.stack([result.readout for result in results]).astype(np.float32)
    readouts, start = {}, 0
    for population in network.readouts:
        values = np.empty((*potentials.shape[:2], population.size), np.float32)
        values[..., channels_last(population.shape)] = potentials[..., start : start + population.size]
        shaped = values.reshape(*values.shape[:2], *population.shape) / program.one
        readouts[population.name] = shaped * columns(population)
        start += population.size
    return readouts


def _spikes(program: Program, name: str, results: list[_Result]) -> NDArray[np.int32]:
    """Return rows (image, step, neuron), neurons in (C, H, W) order, sorted."""
    order = channels_last(program.shapes[program.names.index(name)]).astype(np.int32)
    rows = [
        np.stack([np.full(len(r.spikes[name]), image, np.int32), *r.spikes[name].T], axis=1)
        for image, r in enumerate(results)
    ]
    found = np.concatenate(rows)
    found[:, 2] = order[found[:, 2]]
    return found[np.lexsort(found.T[::-1])]
