"""A population whose synapses have cores of their own, which hand over their sums by timer 2."""

import pyNN.spiNNaker as sim
from spynnaker.pyNN.extra_algorithms.splitter_components import (
    SplitterPopulationVertexNeuronsSynapses as Split,
)

sim.setup(timestep=1.0)
source = sim.Population(2, sim.SpikeSourceArray(spike_times=[[5], [6]]), label="source")
extra = {"splitter": Split(), "n_synapse_cores": 1}
cells = sim.Population(2, sim.IF_curr_exp(), label="cells", additional_parameters=extra)
sim.Projection(source, cells, sim.OneToOneConnector(), sim.StaticSynapse(weight=12.0))
cells.record("spikes")
sim.run(30)
