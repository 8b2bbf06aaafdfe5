"""Map a plan onto sPyNNaker's virtual board and compare what its host code writes.

A script, not a test module: sPyNNaker reads its settings from the home folder, so it gets a process
of its own.
"""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import numpy as np

CONFIG = """[Machine]
version = 5
virtual_board = True
[Mapping]
[Reports]
default_report_file_path = .
[Logging]
default = warning
"""
NEURON = 9
BEFORE_SYNAPSE = {"IF_curr_exp": 10, "IF_curr_delta": 11}
"""Words per neuron, of the structs in the region neuron_params: of the first, and of all before
that of the synapse type."""
SYNAPSE = {"IF_curr_exp": (5, 1, 3), "IF_curr_delta": (2, 0, 1)}
"""Words of that, and where isyn_exc and isyn_inh are in it."""


def mapped(plan, drives):
    """Map the spiking populations of a plan with projections as lists; return them by name."""
    import pyNN.spiNNaker as sim

    from spinn_convert.backends.board.plan import CELL_PARAMETERS

    sim.setup(timestep=1.0)
    populations = {}
    for board in plan.populations:
        cell = sim.IF_curr_exp(v_thresh=board.v_thresh, **CELL_PARAMETERS)
        size = int(np.prod(board.shape))
        weights = board.max_expected_summed_weight
        made = sim.Population(size, cell, label=board.name, max_expected_summed_weight=weights)
        drive = drives.get(board.name, board.drive)
        offset, isyn = (
            np.broadcast_to(values, board.shape).ravel()
            for values in (drive.i_offset_na, drive.isyn_exc_na)
        )
        made.set(i_offset=offset)
        # an array in one state variable makes sPyNNaker generate the data on the host
        made.initialize(v=np.zeros(size) + 1e-9, isyn_exc=isyn, isyn_inh=0.0)
        made.initialize(refract_timer=board.refract_timer)
        populations[board.name] = made
    for source, target, delay, (pre, post, weight) in listed(plan):
        lsb = plan.by_name[target].weight_lsb
        for sign, receptor in ((1, "excitatory"), (-1, "inhibitory")):
            chosen = sign * weight > 0
            if chosen.any():
                rows = np.stack([pre[chosen], post[chosen], np.abs(weight[chosen]) * lsb], 1)
                sim.Projection(
                    populations[source],
                    populations[target],
                    sim.FromListConnector(rows, column_names=["weight"]),
                    sim.StaticSynapse(delay=float(delay)),
                    receptor_type=receptor,
                )
    sim.run(16)
    return populations


def written():
    """Return {population: {region label: int32 words}} of populations that fill one core each."""
    from spynnaker.pyNN.data import SpynnakerDataView as View

    database = sqlite3.connect(View.get_ds_database_path())
    query = "select region_label, content from region where x=? and y=? and p=?"
    cores = {}
    for place in View.iterate_placemements():
        if type(place.vertex).__name__.startswith("Population"):
            rows = database.execute(query, (place.x, place.y, place.p))
            cores[place.vertex.app_vertex.label] = {
                label: np.frombuffer(content, "<i4") for label, content in rows if content
            }
    return cores


def listed(plan):
    """Yield (source, target, delay, synapses in LSBs) of all projections, those to itself first."""
    from spinn_convert.linear.maps import synapses

    for board in plan.populations:
        if board.self_weight:
            every = np.arange(np.prod(board.shape))
            yield board.name, board.name, 1, (every, every, np.full(every.size, -board.self_weight))
    for projection in plan.integers.synaptic():
        parts = zip(*synapses(projection.map, 0))
        pre, post, weight = (np.concatenate(part) for part in parts)
        yield projection.source, projection.target, projection.delay, (pre, post, weight)


def expected_words(plan, board, id_bits):
    """Return the synapses onto a population as sPyNNaker packs them."""
    words = [
        (np.abs(weight).astype(np.int64) << 16)
        | (delay << (id_bits + 1))
        | ((weight < 0).astype(np.int64) << id_bits)
        | post
        for _, target, delay, (_, post, weight) in listed(plan)
        if target == board.name
    ]
    return np.sort(np.concatenate([np.zeros(0, np.int64), *words]))


def compare(plan, drives, populations, cores):
    """Raise AssertionError where the host code wrote something else than the plan says."""
    from spynnaker.pyNN.utilities.utility_calls import get_n_bits

    synapse_words, isyn_exc, isyn_inh = SYNAPSE[plan.cell]
    for board in plan.populations:
        vertex, size = populations[board.name]._vertex, int(np.prod(board.shape))
        assert vertex.get_ring_buffer_shifts() == [board.shift] * 2, board.name
        assert vertex.get_weight_scales([board.shift])[0] == 1 / board.weight_lsb, board.name
        words = cores[board.name]["neuron_params"][1:]
        drive = drives.get(board.name, board.drive)
        neuron = words[: NEURON * size].reshape(size, NEURON)
        synapse = words[BEFORE_SYNAPSE[plan.cell] * size :].reshape(size, synapse_words)
        for found, raw in ((neuron[:, 4], drive.i_offset), (synapse[:, isyn_exc], drive.isyn_exc)):
            assert np.array_equal(found, np.broadcast_to(raw, board.shape).ravel()), board.name
        assert (synapse[:, isyn_inh] == 0).all()
        rows = cores[board.name]["SynBlocks"].view(np.uint32).astype(np.int64)
        id_bits = get_n_bits(min(vertex.get_max_atoms_per_core(), size))
        found = np.sort(rows[rows >> 16 != 0])
        assert np.array_equal(found, expected_words(plan, board, id_bits)), board.name


def main():
    """Map a small network and compare."""
    from spinn_convert.backends.board.plan import make_plan
    from spinn_convert.network.rate import input_currents
    from support.board_oracle import residual_network

    Path("~/.spynnaker.cfg").expanduser().write_text(CONFIG)
    rng = np.random.default_rng(1)
    plan = make_plan(residual_network(rng))
    currents = input_currents(plan.network, rng.normal(size=(1, 2, 6, 5)).astype(np.float32))
    drives = {name: d.of_image(0) for name, d in plan.image_drives(currents).items()}
    populations = mapped(plan, drives)
    compare(plan, drives, populations, written())
    sys.stdout.write("identical\n")


if __name__ == "__main__":
    main()
