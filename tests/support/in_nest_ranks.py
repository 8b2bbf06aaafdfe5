"""A user's PyNN script on NEST under mpirun, which holds a converted network.

    in_nest_ranks.py FOLDER

Every rank has some of the neurons; PyNN gathers their spikes on rank 0.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pyNN.nest as sim

import spinn_convert as sc
from support.in_nest import SETUP, STEPS, rows
from support.networks import small_network

network = small_network()
values = np.random.default_rng(3).standard_normal((3, 2, 6, 6)).astype(np.float32)
names = [population.name for population in network.spiking]
sim.setup(**SETUP)
built = network.to_pynn(sim)
for name in names:
    built.populations[name].record("spikes")
windows = [built.present(value, STEPS) for value in values]
trains = {name: built.populations[name].get_data("spikes", gather=True) for name in names}
here = {name: len(list(built.populations[name])) for name in names}
sim.end()
expected = sc.run(network, values, steps=STEPS, record=names, threads=1)
rank = int(os.environ["OMPI_COMM_WORLD_RANK"])
same = {
    name: bool(np.array_equal(rows(windows, data.segments[0].spiketrains), expected.spikes[name]))
    for name, data in trains.items()
    if rank == 0
}
found = {"here": here, "sizes": {p.name: p.size for p in network.spiking}, "same": same}
(Path(sys.argv[1]) / f"{rank}.json").write_text(json.dumps(found))
