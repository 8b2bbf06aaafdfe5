"""A user's PyNN script on NEST that holds converted networks and populations of its own.

A script, not a test module: it is the user who sets the simulation up and runs it, so it gets a
process of its own. It prints what it found as JSON.
"""

from __future__ import annotations

import json
import sys
import warnings
from dataclasses import replace

import numpy as np

import spinn_convert as sc
from spinn_convert.linear.maps import matrix, on_grid
from support.networks import small_network

STEPS = 30
SETUP = {"timestep": 1.0, "min_delay": 1.0, "max_delay": 4.0, "spike_precision": "on_grid"}


def networks():
    """Return networks by what is special about them."""
    constant = small_network()
    reset = np.full(1, 0.125 + 2.0**-15, np.float32)
    populations = (
        replace(p, v_reset=reset if p.kind == "spiking" else None) for p in constant.populations
    )
    return {
        "plain": small_network(),
        "clamped": small_network(1),
        "constant reset": replace(constant, populations=tuple(populations)),
    }


def rows(windows, trains):
    """Return spikes (n, 3), rows (image, step, neuron), of PyNN's trains in ms."""
    found = []
    for image, window in enumerate(windows):
        for neuron, train in enumerate(trains):
            steps = np.rint(np.asarray(train.magnitude) - window.start - window.first).astype(int)
            kept = steps[(steps >= 0) & (steps < window.steps)]
            found += [(image, step, neuron) for step in kept]
    return np.array(sorted(found), np.int32).reshape(-1, 3)


def presented(sim, network, values, threads):
    """Run a network among the user's own; return spikes by population, and all about the rest."""
    sim.setup(**SETUP, threads=threads)
    source = sim.Population(5, sim.SpikeSourcePoisson(rate=200.0), label="source")
    own = sim.Population(5, sim.IF_curr_exp(tau_m=20.0), label="own")
    built = network.to_pynn(sim)
    synapse = sim.StaticSynapse(weight=0.5, delay=1.0)
    sim.Projection(source, own, sim.OneToOneConnector(), synapse)
    sim.Projection(built.populations["second"], own, sim.AllToAllConnector(), synapse)
    names = [p.name for p in network.spiking]
    for name in names:
        built.populations[name].record("spikes")
    for population in (source, own):
        population.record("spikes")
    windows = [built.present(value, STEPS) for value in values]
    trains = {name: built.populations[name].get_data("spikes") for name in names}
    found = {name: rows(windows, data.segments[0].spiketrains) for name, data in trains.items()}
    others = [sum(map(len, p.get_data("spikes").segments[0].spiketrains)) for p in (source, own)]
    listed = all(matches(network, p, built.projections) for p in network.synaptic())
    sim.end()
    return found, others, listed


def matches(network, projection, projections):
    """Return if PyNN lists the synapses of a projection with their weights and delay."""
    name = f"{projection.source} -> {projection.target}"
    listed = np.array(projections[name].get(["weight", "delay"], format="list"))
    wanted = on_grid(matrix(projection.map).toarray(), network.bits)
    found = np.zeros(wanted.shape)
    found[listed[:, 1].astype(int), listed[:, 0].astype(int)] = listed[:, 2] * 1000
    return bool(np.allclose(found, wanted, atol=1e-9) and (listed[:, 3] == projection.delay).all())


def refusals(sim):
    """Return what is said to simulations that are set up otherwise."""
    said = []
    for changes in (
        {"timestep": 0.5},
        {"min_delay": 2.0},
        {"max_delay": 1.0},
        {"spike_precision": "off_grid"},
    ):
        sim.setup(**{**SETUP, **changes})
        try:
            small_network().to_pynn(sim)
        except sc.BackendError as error:
            said.append([str(p) for p in error.problems])
        sim.end()
    return said


def main():
    """Compare every network with the backend, one also on two threads; then the refusals."""
    import pyNN.nest as sim

    warnings.simplefilter("ignore")
    values = np.random.default_rng(3).standard_normal((3, 2, 6, 6)).astype(np.float32)
    content = {}
    for name, network in networks().items():
        names = [p.name for p in network.spiking]
        expected = sc.run(network, values, "nest", steps=STEPS, record=names, threads=1)
        for threads in (1, 2) if name == "plain" else (1,):
            found, others, listed = presented(sim, network, values, threads)
            content[f"{name}, {threads} threads"] = {
                "same": {n: bool(np.array_equal(found[n], expected.spikes[n])) for n in names},
                "spikes": {n: len(found[n]) for n in names},
                "source, own": others,
                "listed": listed,
            }
    content["refused"] = refusals(sim)
    sys.stdout.write(json.dumps(content) + "\n")


if __name__ == "__main__":
    main()
