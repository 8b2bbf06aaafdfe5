"""A sPyNNaker script that knows nothing of this project; prints what it recorded as JSON."""

import json
import sys

import pyNN.spiNNaker as sim

STEPS = 50
SOURCES = [[5, 20, 35], [10, 12, 14]]

sim.setup(timestep=1.0)
source = sim.Population(2, sim.SpikeSourceArray(spike_times=SOURCES), label="source")
cells = sim.Population(10, sim.IF_curr_exp(), label="cells")
driven = sim.Population(10, sim.IF_curr_exp(i_offset=[0.2 * i for i in range(10)]), label="driven")
synapses = [(i % 2, i, 1.0 + i, 1.0) for i in range(10)]
sim.Projection(source, cells, sim.FromListConnector(synapses))
for population in (cells, driven):
    population.record(["spikes", "v"])
sim.run(STEPS)
found = {}
for population in (cells, driven):
    segment = population.get_data().segments[0]
    spikes = [[float(time) for time in train] for train in segment.spiketrains]
    found[population.label] = spikes, segment.analogsignals[0].magnitude.tolist()
sim.end()
sys.stdout.write(f"FOUND {json.dumps(found)}\n")
