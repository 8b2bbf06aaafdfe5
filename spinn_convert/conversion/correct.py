"""Lower initial potentials, and correct biases, where populations spike too often on average.

Layer by layer: with all earlier populations corrected, calibration images are simulated for T
steps. The spikes that a channel (or neuron) fires on average beyond T times its rate in the ReLU1
network (rates instead of spikes, clipped at 1) are taken from its initial potential:

    v(0) <- v(0) + T * (mean ReLU1 rate - mean spiking rate)

This removes the error that all images share, which is spikes fired before the inhibition arrives;
in the rate over more steps, what is left of it shrinks as 1/T. A bias may be corrected by the same
error per step, which fits T steps only (Li, Deng, Dong, Gong, Gu 2021, "A Free Lunch from ANN",
potential correction and bias correction).

Unlike there, a potential is only lowered. Where a channel fires too rarely, its active neurons
start too late, the later the deeper the layer. A higher potential would make up for them by spikes
of neurons that should be silent, and the next layer would start later still.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from spinn_convert.backends.reference.limits import check_range
from spinn_convert.backends.reference.program import (
    Int32,
    Int64,
    Program,
    channels_last,
    compile_program,
    per_population,
    to_integers,
)
from spinn_convert.linear.maps import on_grid
from spinn_convert.linear.ops import Floats
from spinn_convert.network.copies import groups, merged
from spinn_convert.network.rate import columns, input_currents, rates
from spinn_convert.network.recording import Progress, silent
from spinn_convert.network.records import Network, Population

ROUNDS = 3
"""How often one population is simulated and corrected: because of the threshold, its spike count
does not change in proportion to its initial potential, so the first correction is not exact."""


@dataclass
class _Image:
    """Spikes of one image, to which every population's simulation appends its own.

    begins, ends: where in `spikes`, indices of neurons, those of population p at step t begin and
    end, (populations, T). count: spikes of populations whose correction has ended. ahead: `count`
    and the spikes of the population that is being corrected.
    """

    begins: Int64
    ends: Int64
    spikes: Int32 = field(default_factory=lambda: np.empty(1 << 14, np.int32))
    count: int = 0
    ahead: int = 0


def correct(
    network: Network,
    values: Floats,
    steps: int,
    potentials: str,
    bias: bool = False,
    threads: int = 1,
    progress: Progress = silent,
) -> Network:
    """Return the network with corrected initial potentials, and biases if `bias`.

    values: inputs (B, *input shape) of the network for calibration images. steps: time steps
    after the output's release up to which mean spike counts are corrected to those of ReLU1.
    potentials: correct one value per "channel" or per "neuron", or none ("fixed"). Populations
    whose only input is the image are not corrected: their current is constant. The copies of a
    population are corrected by the same value, so that they go on firing in turn.
    """
    wanted, analog = _mean_rates(network, values), input_currents(network, values)
    program = compile_program(network)
    check_range(program)
    total = steps + max(readout.release for readout in network.readouts)
    none = np.zeros((len(program.names), total), np.int64)
    images = [_Image(none.copy(), none.copy()) for _ in values]
    spiking = [group for group in groups(network) if group[0].kind == "spiking"]
    known = {p.name: p for p in network.populations}
    with ThreadPoolExecutor(threads) as pool:
        for done, group in enumerate(spiking):
            name, end = group[0].name, total - network.depth + group[0].depth
            current = _current(program, name, analog.get(name))
            active = end - group[0].release
            inputs = {projection.source for projection in network.incoming(group[0])}
            for _ in range(ROUNDS if active > 0 and inputs != {network.input.name} else 0):
                error = active * wanted[name] - _run(program, group, current, end, images, pool)
                bits = network.bits
                better = tuple(
                    _corrected(p, known[p.name], error, active, potentials, bias, bits)
                    for p in group
                )
                if bias:
                    current = current + _more(program, group[0], better[0], bits)
                group = better
            _run(program, group, current, end, images, pool)
            for image in images:
                image.count = image.ahead
            known |= {population.name: population for population in group}
            progress(done + 1, len(spiking))
    return replace(network, populations=tuple(known.values()))


def _mean_rates(network: Network, values: Floats) -> dict[str, Floats]:
    """Return the mean rate of every neuron in the ReLU1 network, in spikes per step, (*shape).

    Of copies, those of the first.
    """
    totals: dict[str, NDArray[np.float64]] = {}
    plain = merged(network)
    for chunk in rates(plain, values, clip=True):
        for name, found in chunk.items():
            totals[name] = totals.get(name, 0) + found.sum(0, dtype=np.float64)
    return {
        p.name: np.asarray(totals[p.name] / len(values) / columns(p), np.float32)
        for p in plain.spiking
    }


def _current(program: Program, name: str, analog: Floats | None) -> Int32:
    """Return the constant current of every step, int32 (B or 1, N), channels last.

    analog: current from the image, bias included, (B, *shape); None where only the bias is
    constant, which is then the same for all images.
    """
    if analog is not None:
        return to_integers(program, name, analog)
    return np.asarray(per_population(program, program.names.index(name), program.bias)[None])


def _more(program: Program, before: Population, after: Population, bits: int) -> Int32:
    """Return by how much the bias has changed, as integers (1, N), channels last."""
    more = np.broadcast_to(on_grid(after.bias, bits) - on_grid(before.bias, bits), after.shape)
    return to_integers(program, after.name, np.asarray(more[None], np.float32))


def _run(
    program: Program,
    group: Sequence[Population],
    current: Int32,
    end: int,
    images: Sequence[_Image],
    pool: ThreadPoolExecutor,
) -> Floats:
    """Simulate a population and its copies up to step `end`.

    Returns spikes per neuron, averaged over images and copies, (*shape).
    """
    from spinn_convert.backends.reference.kernel import gets_large, integrate

    first = program.names.index(group[0].name)
    v_init = np.stack([_potentials(program, population) for population in group])
    v_reset, no_readout = np.zeros(0, np.int32), np.zeros((0, 0), np.float32)
    no_rows = np.full(end, -1, np.int64)
    target = program.populations[first]

    def run(number: int) -> None:
        image, bias = images[number], current[number % len(current)]
        large = gets_large(target, bias, program.one, end)
        image.spikes, image.ahead = integrate(
            first,
            v_init.copy(),
            np.tile(bias, len(group)),
            v_reset,
            program.wiring,
            program.one,
            0,
            end,
            image.spikes,
            image.begins,
            image.ends,
            image.count,
            np.zeros((len(group), group[0].size if large else 0), np.int64),
            no_readout,
            no_rows,
        )

    list(pool.map(run, range(len(images))))
    shape, counts = group[0].shape, np.zeros(group[0].size, np.int64)
    for image in images:
        counts += np.bincount(image.spikes[image.count : image.ahead], minlength=len(counts))
    ordered = np.empty(len(counts), np.float32)
    ordered[channels_last(shape)] = counts / len(images) / len(group)
    return ordered.reshape(shape)


def _potentials(program: Program, population: Population) -> Int32:
    v_init = np.broadcast_to(population.v_init, population.shape)[None]
    return np.asarray(to_integers(program, population.name, np.asarray(v_init, np.float32))[0])


def _corrected(
    population: Population,
    before: Population,
    error: Floats,
    steps: int,
    potentials: str,
    bias: bool,
    bits: int,
) -> Population:
    """Return the population with `error`, missing spikes (*shape) after `steps` steps, corrected.

    v_init stays at or below that of `before`, and halfway between two multiples of 2^-bits.
    """
    half = np.float32(2.0 ** -(bits + 1))
    by_channel = error.mean(tuple(range(1, error.ndim)), keepdims=True)
    if potentials != "fixed":
        more = by_channel if potentials == "channel" else error
        v_init = on_grid(population.v_init - half + more, bits) + half
        lowered = np.minimum(v_init, before.v_init).astype(np.float32)
        population = replace(population, v_init=lowered)
    if bias:
        more = np.asarray(population.bias + by_channel / steps, np.float32)
        population = replace(population, bias=more)
    return population
