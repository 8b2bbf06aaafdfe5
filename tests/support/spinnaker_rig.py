"""A small network for sPyNNaker, and what it must do, from the equations alone."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from spinn_convert.backends.spinnaker.home import spinnaker_home

ONE = 32768  # s16.15
DECAY = 0xFFFDEB83  # of the synaptic currents, as the binary computes it from tau_syn = 31507.4
INPUT_SCALE = (round(31507.4 * ONE) * (0xFFFFFFFF - DECAY)) >> 15
CELL = {
    "v_rest": 0.0,
    "v_reset": 0.0,
    "tau_refrac": 0.0,
    "tau_m": 0.05,
    "cm": 0.05,
    "tau_syn_E": 31507.4,
    "tau_syn_I": 31507.4,
}
PEAK_WEIGHTS = [3.9, 3.9]
RING = 32  # steps; delays are shorter
SHIFT = 2  # of the ring buffers, which follows: a weight's unit is 2^(SHIFT - 15)


def snapshot(steps):
    """Return the emulator's snapshot; sPyNNaker takes seconds to import, and only here."""
    from spinn_convert.emulator.snapshot import snapshot

    return snapshot(steps)


def after_reset(image):
    """Return the image after a reset; sPyNNaker is imported by then."""
    from spinn_convert.emulator.snapshot import after_reset

    return after_reset(image)


@dataclass
class Net:
    """Populations of synaptic integrators; all numbers are s16.15 integers, delays are steps.

    links: (source, target, pre, post, weight in units of the ring buffer, sign, delay).
    """

    current: list[np.ndarray]
    excitation: list[np.ndarray]
    hold: list[int]
    threshold: int
    links: list[tuple] = field(default_factory=list)

    def connect(self, source, target, pre, post, weight, delay):
        """Split by sign, as the receptors do."""
        for sign in (1, -1):
            chosen = sign * weight > 0
            if chosen.any():
                parts = pre[chosen], post[chosen], np.abs(weight[chosen])
                self.links.append((source, target, *parts, sign, delay))


def integrate(net, steps):
    """Return per population spikes (n, 2) and potentials before each update (steps, N).

    FACTS: currents decay and gain the input; V = excitation - inhibition + current while not held;
    a spike resets V alone. What was sent at t with delay d arrives before the update of t + d.
    """
    sizes = [len(current) for current in net.current]
    ring = np.zeros((RING, 2, sum(sizes)), np.int64)
    start = np.cumsum([0, *sizes])
    excitation = np.concatenate(net.excitation).astype(np.int64)
    inhibition, v = np.zeros_like(excitation), np.zeros_like(excitation)
    current = np.concatenate(net.current).astype(np.int64)
    hold = np.repeat(net.hold, sizes)
    spikes, potentials = [], []
    for step in range(steps):
        arriving = np.minimum(ring[step % RING], 65535) << SHIFT
        ring[step % RING] = 0
        excitation += (arriving[0] * INPUT_SCALE) >> 32
        inhibition += (arriving[1] * INPUT_SCALE) >> 32
        potentials.append(v.copy())
        v = np.where(step >= hold, excitation - inhibition + current, v)
        fired = v >= net.threshold
        v[fired] = 0
        excitation, inhibition = (excitation * DECAY) >> 32, (inhibition * DECAY) >> 32
        spikes.append(fired)
        for source, target, pre, post, weight, sign, delay in net.links:
            active = fired[start[source] + pre]
            where = start[target] + post[active]
            np.add.at(ring[(step + delay) % RING, int(sign < 0)], where, weight[active])
    fired, potentials = np.array(spikes), np.array(potentials) / ONE
    parts = [slice(a, b) for a, b in pairwise(start)]
    return [np.argwhere(fired[:, part]) for part in parts], [potentials[:, p] for p in parts]


def random_net(rng, sizes, threshold=0.5, far=2):
    """Every population feeds itself (the subtraction), the next, and after `far` steps one more."""
    net = Net([], [], list(range(len(sizes))), round(threshold * ONE))
    unit = 2 ** (SHIFT - 15)
    for size in sizes:
        net.current.append(rng.integers(0, round(0.6 * ONE), size))
        net.excitation.append(rng.integers(-ONE // 8, ONE // 8, size))
    for i, size in enumerate(sizes):
        every = np.arange(size)
        net.connect(i, i, every, every, np.full(size, -round(threshold / unit)), 1)
        for j, delay in ((i + 1, 1), (i + 2, far)):
            if j < len(sizes):
                pre, post = np.nonzero(rng.random((size, sizes[j])) < 0.15)
                weight = np.rint(rng.normal(0.01, 0.05, len(pre)) / unit).astype(int)
                net.connect(i, j, pre, post, weight, delay)
    return net


def names(net):
    """Return the labels of the populations."""
    return [f"p{i}" for i in range(len(net.current))]


def set_image(populations, currents, excitations):
    """Give populations their input currents and initial synaptic currents."""
    for population, current, excitation in zip(populations, currents, excitations):
        population.set(i_offset=current / ONE)
        population.initialize(isyn_exc=excitation / ONE)


@contextmanager
def mapped(directory, net, steps, per_core=256, colour_bits=None):
    """Build the network on a virtual board and map it; yield the simulator and its populations."""
    with spinnaker_home(directory):
        import pyNN.spiNNaker as sim

        sim.setup(timestep=1.0)
        try:
            sim.set_number_of_neurons_per_core(sim.IF_curr_exp, per_core)
            extra = {} if colour_bits is None else {"n_colour_bits": colour_bits}
            populations = [
                sim.Population(
                    len(current),
                    sim.IF_curr_exp(v_thresh=net.threshold / ONE, **CELL),
                    label=name,
                    max_expected_summed_weight=PEAK_WEIGHTS,
                    **extra,
                )
                for name, current in zip(names(net), net.current)
            ]
            for population, hold in zip(populations, net.hold):
                population.initialize(v=0.0, isyn_inh=0.0, refract_timer=hold)
                population.record(["spikes", "v"])
            set_image(populations, net.current, net.excitation)
            for source, target, pre, post, weight, sign, delay in net.links:
                rows = np.stack([pre, post, weight * 2.0 ** (SHIFT - 15)], axis=1)
                sim.Projection(
                    populations[source],
                    populations[target],
                    sim.FromListConnector(rows, column_names=["weight"]),
                    sim.StaticSynapse(delay=float(delay)),
                    receptor_type="excitatory" if sign > 0 else "inhibitory",
                )
            sim.run(steps)
            yield sim, populations
        finally:
            sim.end()
