"""Write a converted network as a PyNN script and its data, which need no spinn_convert."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from spinn_convert.backends.board.drive import Drive
from spinn_convert.backends.board.plan import BoardPlan, BoardPopulation
from spinn_convert.backends.spinnaker import fastlist
from spinn_convert.backends.spinnaker.build import ticks, with_self_projections
from spinn_convert.errors import ConversionError, Problem
from spinn_convert.linear.blocks import blocks, entries
from spinn_convert.linear.maps import on_grid
from spinn_convert.linear.ops import Floats
from spinn_convert.network import readout
from spinn_convert.network.rate import columns, input_currents
from spinn_convert.network.records import Network, Population, Projection

SCRIPTS = Path(__file__).parents[1] / "scripts"
FASTLIST = Path(fastlist.__file__)
DATA, HOST = "data.npz", "host.onnx"
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Behind:
    """What is behind the readouts of a detector: `file` finds its boxes, as `model.boxes` says.

    feeds: the file's input for each readout of the network, in order.
    """

    file: onnx.ModelProto
    feeds: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Shown:
    """What a script presents: inputs of the network, and how to score the result.

    values: of `Model.core_input`, (B, *input shape). known: arrays that the result is compared
    with; of a classifier `labels` and `ann`, classes (B,), true and as the ANN predicts, of a
    detector those that scripts/detections.py names. steps: time steps per image. read_out: "all" or
    "late". behind: None for a classifier.
    """

    values: Floats
    known: Arrays
    steps: int
    read_out: str
    behind: Behind | None = None


def write_nest(network: Network, shown: Shown, folder: Path) -> None:
    """Write run.py, for NEST, and data.npz into a folder; host.onnx, too, if boxes are found by it.

    Raises ConversionError when a classifier has several outputs.
    """
    arrays: Arrays = {}
    header = _header(network, shown)
    currents = input_currents(network, shown.values)
    read = _read(network, shown, arrays)
    header["longest_delay"] = max((p.delay for p in network.synaptic()), default=1)
    header["populations"] = [
        _population(p, network.bits, currents.get(p.name), arrays) | read.get(p.name, {})
        for p in network.populations
        if p.kind != "input"
    ]
    header["projections"] = [_projection(p, network.bits, arrays) for p in network.synaptic()]
    _write(header, shown, arrays, {"run.py": SCRIPTS / "run_nest.py"}, folder)


def write_spinnaker(plan: BoardPlan, shown: Shown, folder: Path) -> None:
    """Write run.py and fastlist.py, for sPyNNaker, and the same data as for NEST into a folder.

    Raises ConversionError when a classifier has several outputs, BackendError when an input exceeds
    the board's range.
    """
    arrays: Arrays = {}
    header = _header(plan.network, shown)
    header["ticks"] = ticks(shown.steps)
    drives = plan.image_drives(input_currents(plan.network, shown.values))
    read = _read(plan.network, shown, arrays, {p.name: p.theta for p in plan.populations})
    header["populations"] = [
        _board_population(p, drives.get(p.name), arrays) | read.get(p.name, {})
        for p in plan.populations
    ]
    header["projections"] = [
        _projection(p, 0, arrays) | {"lsb": plan.by_name[p.target].weight_lsb}
        for p in with_self_projections(plan).synaptic()
    ]
    files = {"run.py": SCRIPTS / "run_spinnaker.py", "fastlist.py": FASTLIST}
    _write(header, shown, arrays, files, folder)


def _header(network: Network, shown: Shown) -> dict[str, Any]:
    if shown.behind is None and len(network.readouts) != 1:
        what = f"has {len(network.readouts)} outputs"
        fix = "scripts are written for detectors, and for classifiers with one vector of logits"
        raise ConversionError([Problem("export", what, fix)])
    return {
        "made_from": dict(network.made_from),
        "steps": shown.steps,
        "images": len(shown.values),
        "detector": shown.behind is not None,
    }


def _read(
    network: Network, shown: Shown, arrays: Arrays, theta: Mapping[str, float] | None = None
) -> dict[str, dict[str, Any]]:
    """Return for each readout what the header says about reading it.

    since: step from which its potential is read. Of a detector also feed: input of host.onnx,
    shape: of that, without batch, and activation: array of what each unit of potential stands for.
    theta: such units in a threshold; None for one.
    """
    entries: dict[str, dict[str, Any]] = {}
    for number, output in enumerate(network.readouts):
        since = int(readout.starts(shown.read_out, output.release, shown.steps)[-1])
        entries[output.name] = {"since": since}
        if shown.behind is not None:
            counted = max(shown.steps - max(since, output.release), 1)
            unit = counted * (theta[output.name] if theta else 1.0)
            activation = np.broadcast_to(columns(output) / unit, output.shape).astype(float).ravel()
            entries[output.name] |= {
                "feed": shown.behind.feeds[number],
                "shape": output.shape,
                "activation": _store(arrays, activation),
            }
    return entries


def _write(
    header: dict[str, Any],
    shown: Shown,
    arrays: Arrays,
    files: Mapping[str, Path],
    folder: Path,
) -> None:
    if shown.behind is not None:
        files = {**files, "detections.py": SCRIPTS / "detections.py"}
        (folder / HOST).write_bytes(shown.behind.file.SerializeToString())
    text = np.frombuffer(json.dumps(header).encode(), np.uint8)
    for name, source in files.items():
        shutil.copyfile(source, folder / name)
    np.savez_compressed(folder / DATA, allow_pickle=False, header=text, **shown.known, **arrays)


def _board_population(
    population: BoardPopulation, drive: Drive | None, arrays: Arrays
) -> dict[str, Any]:
    """Return the entry of the header; values per neuron go into `arrays`.

    drive: constant currents of all images; None if they do not depend on the image.
    """
    found = drive or population.drive
    size = prod(population.shape)
    values = () if found is None else (found.i_offset_na, found.isyn_exc_na)
    leading = () if drive is None else (len(drive.i_offset),)
    i_offset, isyn_exc = (
        _store(arrays, np.broadcast_to(v, (*leading, *population.shape)).reshape(*leading, size))
        for v in values
    )
    return {
        "name": population.name,
        "kind": population.kind,
        "size": size,
        "release": population.refract_timer,
        "v_thresh": population.v_thresh,
        "max_expected_summed_weight": population.max_expected_summed_weight,
        "per_image": drive is not None,
        "i_offset": i_offset,
        "isyn_exc": isyn_exc,
    }


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
