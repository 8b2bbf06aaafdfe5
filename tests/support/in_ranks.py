"""A user's script under mpirun: every rank calls the same, and writes what it got.

in_ranks.py FOLDER MODEL.onnx BACKEND...
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

import spinn_convert as sc
from spinn_convert.backends import BOARDS


def measured(path, backends):
    """Return arrays by backend and name: spikes, potentials, counts, and a refusal."""
    model = sc.load(path)
    data = sc.load_dataset(path.with_suffix(".npz"), model)
    network = sc.convert(model, data.calibration, threads=1)
    names = [population.name for population in network.spiking]
    values = model.core_input(data.images[:5])
    found = {}
    for backend in backends:
        recording = sc.run(network, values, backend, steps=40, record=names, threads=1)
        found |= arrays(backend, recording)
        try:
            sc.run(network, values, backend, record=["nothing"])
        except sc.DataError as error:
            found[f"{backend}: refused"] = np.array(str(error))
        if backend not in BOARDS:
            with_stop = sc.with_stop(model, network, data.calibration, agreement=0.9, threads=1)
            ended = sc.run(with_stop, values, backend, threads=1, stop_when_sure=True)
            found |= arrays(f"{backend}, sure", ended)
    return found


def arrays(name, recording):
    """Return the arrays of a recording by name."""
    parts = {
        "readout": recording.readout,
        "spikes": recording.spikes,
        "counts": recording.spike_counts,
    }
    found = {
        f"{name}: {part} {p}": a for part, by_name in parts.items() for p, a in by_name.items()
    }
    return {
        **found,
        f"{name}: events": recording.synaptic_events,
        f"{name}: taken": recording.taken,
    }


if __name__ == "__main__":
    rank = os.environ["OMPI_COMM_WORLD_RANK"]
    np.savez(Path(sys.argv[1]) / f"{rank}.npz", **measured(Path(sys.argv[2]), sys.argv[3:]))
