"""Recording <-> Neo blocks in NIX files, PyNN's own exchange format; scores of any such file.

A file of ours has one segment, one image of T steps after another: recording.nix an analog signal
per readout and epochs "image" that say where each begins, spikes.nix the trains of the recorded
populations. A file that PyNN wrote with `population.write_data` has one segment per image, with the
signal "v".
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinn_convert.errors import BackendError, DataError, Problem, install
from spinn_convert.linear.ops import Floats
from spinn_convert.network.recording import Recording
from spinn_convert.network.records import Network

EPOCHS = "image"
STEP_MS = 1.0


def require_neo() -> None:
    """Raise BackendError if Neo or its file format is not installed."""
    missing = [name for name in ("neo", "nixio") if find_spec(name) is None]
    if missing:
        fix = install("neo")
        raise BackendError([Problem("recordings", f"not installed: {', '.join(missing)}", fix)])


def output_block(
    recording: Recording, network: Network, predictions: NDArray[np.int64], read_out: str
) -> Any:
    """Return the potentials as a Neo block, and how they are to be read.

    predictions: of the ANN, (B,), for the agreement. read_out: "all" or "late".
    """
    import neo
    import quantities as pq

    steps, images = recording.settings.steps, len(predictions)
    block, segment = _new_block(recording, network)
    block.annotate(read_out=read_out)
    for readout in network.readouts:
        potentials = recording.readout[readout.name].reshape(images * steps, -1)
        segment.analogsignals.append(
            neo.AnalogSignal(
                potentials,
                units=pq.dimensionless,
                sampling_period=STEP_MS * pq.ms,
                name=readout.name,
                release=readout.release,
            )
        )
    segment.epochs.append(
        neo.Epoch(
            np.arange(images) * steps * STEP_MS * pq.ms,
            np.full(images, steps * STEP_MS) * pq.ms,
            labels=np.array([str(p) for p in predictions]),
            name=EPOCHS,
            description="label: the class that the ANN predicts",
        )
    )
    return block


def spike_block(recording: Recording, network: Network) -> Any:
    """Return the recorded populations' spikes as a Neo block."""
    block, segment = _new_block(recording, network)
    images = len(recording.synaptic_events)
    for name, rows in recording.spikes.items():
        size = next(p.size for p in network.spiking if p.name == name)
        segment.spiketrains.extend(_trains(name, rows, size, recording.settings.steps, images))
    return block


def _new_block(recording: Recording, network: Network) -> tuple[Any, Any]:
    import neo

    block = neo.Block(
        name=network.made_from.get("path", ""),
        sha256=network.made_from.get("sha256", ""),
        backend=recording.backend,
        steps=recording.settings.steps,
        depth=network.depth,
    )
    segment = neo.Segment(name="all images")
    block.segments.append(segment)
    return block, segment


def _trains(name: str, rows: NDArray[np.int32], size: int, steps: int, images: int) -> list[Any]:
    """Return one spike train per neuron, images one after another."""
    import neo
    import quantities as pq

    order = np.lexsort((rows[:, 1], rows[:, 0], rows[:, 2]))
    times = (rows[order, 0].astype(float) * steps + rows[order, 1]) * STEP_MS
    limits = np.searchsorted(rows[order, 2], np.arange(size + 1))
    stop = images * steps * STEP_MS
    return [
        neo.SpikeTrain(times[a:b] * pq.ms, t_stop=stop * pq.ms, name=f"{name} {neuron}")
        for neuron, (a, b) in enumerate(pairwise(limits))
    ]


def save(block: Any, path: Path) -> None:
    """Write a block as NIX."""
    from neo.io import NixIO

    file = NixIO(str(path), mode="ow")
    file.write_block(block)
    file.close()


def read(path: Path) -> Any:
    """Return the first block of any file that Neo reads; raises DataError."""
    require_neo()
    import neo

    if not path.is_file():
        raise DataError([Problem(str(path), "no such file", "check the path")])
    try:
        return neo.get_io(str(path)).read_block()
    except Exception as error:  # each of Neo's formats raises types of its own
        reason = str(error).strip().splitlines() or [type(error).__name__]
        what = f"Neo cannot read this as a recording ({reason[0]})"
        fix = "give a file of --record, or one that PyNN's write_data wrote"
        raise DataError([Problem(str(path), what, fix)]) from error


def potentials(path: Path, block: Any, readout: str | None) -> tuple[Floats, int]:
    """Return a readout's potentials (B, T, N), and its release; raises DataError.

    readout: name of the signal; without, it is the only one, or the one called "v".
    """
    signals = [_signal(path, segment, readout) for segment in block.segments]
    if not signals:
        raise DataError([Problem(str(path), "holds no segment", "record an output")])
    values = [np.asarray(signal.magnitude, np.float32) for signal in signals]
    epochs = [e for e in block.segments[0].epochs if e.name == EPOCHS]
    if len(values) == 1 and epochs:
        values = np.split(values[0], len(epochs[0]))
    if len({value.shape for value in values}) > 1:
        what = f"images of different lengths: {sorted({len(value) for value in values})} steps"
        raise DataError([Problem(str(path), what, "run every image for as many steps")])
    return np.stack(values), int(signals[0].annotations.get("release", 0))


def ann_predictions(block: Any) -> NDArray[np.int64] | None:
    """Return what the ANN predicts for each image, if the recording says so."""
    epochs = [e for segment in block.segments for e in segment.epochs if e.name == EPOCHS]
    return np.array([int(label) for label in epochs[0].labels]) if epochs else None


def _signal(path: Path, segment: Any, readout: str | None) -> Any:
    names = [signal.name for signal in segment.analogsignals]
    wanted = readout or ("v" if names.count("v") == 1 else names[0] if len(names) == 1 else None)
    for signal in segment.analogsignals:
        if signal.name == wanted:
            return signal
    what = f"has the signals {_listed(names)}" + (f", not {readout}" if readout else "")
    raise DataError([Problem(str(path), what, "name the output's signal with --readout")])


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(str, names)) or "none"
