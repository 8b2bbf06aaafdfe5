"""A converted network as a PyNN script and its data, which need no spinn_convert."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinn_convert import output, readout
from spinn_convert.blocks import blocks, entries
from spinn_convert.errors import ConversionError, Problem
from spinn_convert.linear import on_grid
from spinn_convert.network import Network, Population, Projection
from spinn_convert.ops import Floats
from spinn_convert.rate import input_currents

SCRIPTS = Path(__file__).parent / "scripts"
MARK = "data.npz"
Arrays = dict[str, NDArray[Any]]


def write(
    network: Network,
    values: Floats,
    labels: NDArray[np.int64],
    ann: NDArray[np.int64],
    steps: int,
    read_out: str,
    target: Path,
    overwrite: bool,
) -> None:
    """Write a folder with run.py (PyNN on NEST) and data.npz: network, images, expected classes.

    values: (B, *input shape) of the images to present; labels, ann: (B,) classes, true and the
    ANN's. Raises ConversionError when the network has several outputs.
    """
    if len(network.readouts) != 1:
        what = f"has {len(network.readouts)} outputs"
        fix = "scripts are written for classifiers with one vector of logits"
        raise ConversionError([Problem("--script", what, fix)])
    arrays: Arrays = {"labels": labels, "ann": ann}
    currents = input_currents(network, values)
    header = {
        "made_from": dict(network.made_from),
        "steps": steps,
        "since": int(readout.starts(read_out, network.depth, steps)[-1]),
        "longest_delay": max((p.delay for p in network.synaptic()), default=1),
        "populations": [
            _population(p, network.bits, currents.get(p.name), arrays)
            for p in network.populations
            if p.kind != "input"
        ],
        "projections": [_projection(p, network.bits, arrays) for p in network.synaptic()],
    }
    text = np.frombuffer(json.dumps(header).encode(), np.uint8)
    with output.new_folder(target, overwrite, MARK) as folder:
        shutil.copyfile(SCRIPTS / "run_nest.py", folder / "run.py")
        np.savez_compressed(folder / MARK, allow_pickle=False, header=text, **arrays)


def _store(arrays: Arrays, values: NDArray[Any]) -> str:
    name = f"array_{len(arrays)}"
    arrays[name] = values
    return name


def _population(
    population: Population, bits: int, currents: Floats | None, arrays: Arrays
) -> dict[str, Any]:
    """Return the entry of the header; values per neuron go into `arrays`."""

    def per_neuron(values: Floats) -> str:
        return _store(arrays, np.broadcast_to(values, population.shape).astype(float).ravel())

    return {
        "name": population.name,
        "kind": population.kind,
        "size": population.size,
        "release": population.release,
        "bias": per_neuron(on_grid(population.bias, bits)),
        "v_init": per_neuron(population.v_init),
        "v_reset": None if population.v_reset is None else per_neuron(population.v_reset),
        "currents": None
        if currents is None
        else _store(arrays, currents.reshape(len(currents), -1).astype(float)),
    }


def _projection(projection: Projection, bits: int, arrays: Arrays) -> dict[str, Any]:
    listed = []
    total = blocks(projection.map.ops, projection.map.in_shape)
    for channels, places in zip(total.channels, total.places):
        (target, source, weight), seen = entries(channels), places.tocoo()
        weight = on_grid(weight, bits)
        kept = np.flatnonzero(weight)
        parts = target[kept].astype(np.int32), source[kept].astype(np.int32), weight[kept]
        pairs = seen.row.astype(np.int32), seen.col.astype(np.int32), np.array(places.shape)
        if len(kept) and seen.nnz:
            listed.append([_store(arrays, values) for values in (*parts, *pairs)])
    return {
        "source": projection.source,
        "target": projection.target,
        "delay": float(projection.delay),
        "blocks": listed,
    }
