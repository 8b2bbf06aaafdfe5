"""Recording <-> Neo blocks in NIX files, PyNN's own exchange format.

A file of ours has one segment, one image of T steps after another: recording.nix an analog signal
per readout and epochs "image" that say where each begins, spikes.nix the spikes of the recorded
populations, as arrays. A file that PyNN wrote with `population.write_data` has one segment per
image, with the signal "v". `detection.recorded` has recording.nix of a detector.
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
"""Name of the epochs, one per image, that recording.nix has."""
STEP_MS = 1.0
"""Duration of a time step, ms."""


def require_neo() -> None:
    """Raise BackendError if Neo or its file format is not installed."""
    missing = [name for name in ("neo", "nixio") if find_spec(name) is None]
    if missing:
        fix = install("neo")
        raise BackendError([Problem("recordings", f"not installed: {', '.join(missing)}", fix)])


def output_block(
    recording: Recording, network: Network, predictions: NDArray[np.int64], read_out: str
) -> Any:
    """Return the output potentials of a recording as a Neo block.

    Stored with it: predictions, classes (B,) that the ANN predicts, and read_out, "all" or "late".
    """
    import neo
    import quantities as pq

    steps, images = recording.settings.steps, len(predictions)
    block, segment = new_block(recording, network)
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
    """Return the recorded populations' spikes as a Neo block: two arrays per population.

    A population is an irregularly sampled signal of its name: a sample at the time of every spike,
    whose value is the index of the neuron that fires. It takes 12 bytes per spike; a spike train
    per neuron would take NixIO 25 ms and 15 kB for each neuron. These are the times of neuron 7 of
    population "relu_3" in image 2, in ms since that image began:

        block = neo.io.NixIO("spikes.nix", mode="ro").read_block()
        signals, length = block.segments[0].irregularlysampledsignals, block.annotations["steps"]
        signal = next(signal for signal in signals if signal.name == "relu_3")
        times = signal.times.magnitude[signal.magnitude[:, 0] == 7] - 2 * length
        times = times[(times >= 0) & (times < length)]

    `spikes` reads all of them at once, `spike_trains` makes a neo.SpikeTrain of each neuron.
    """
    import neo
    import quantities as pq

    block, segment = new_block(recording, network)
    sizes = {population.name: population.size for population in network.spiking}
    for name, rows in recording.spikes.items():
        since_start = rows[:, 0].astype(np.int64) * recording.settings.steps + rows[:, 1]
        signal = neo.IrregularlySampledSignal(
            since_start * STEP_MS * pq.ms,
            rows[:, 2],
            units=pq.dimensionless,
            name=name,
            neurons=sizes[name],
        )
        segment.irregularlysampledsignals.append(signal)
    return block


def spikes(source: str | Path | Any) -> dict[str, NDArray[np.int32]]:
    """Return the spikes of each recorded population, int32 (n, 3) rows (image, step, neuron).

    source: the file spikes.nix, or the block of `spike_block`. Raises DataError for anything else.
    """
    block, signals = _recorded(source)
    steps, found = int(block.annotations["steps"]), {}
    for name, signal in signals.items():
        since_start = np.rint(_milliseconds(signal) / STEP_MS).astype(np.int64)
        rows = [since_start // steps, since_start % steps, signal.magnitude[:, 0]]
        found[name] = np.stack(rows, axis=1).astype(np.int32)
    return found


def spike_trains(source: str | Path | Any, population: str) -> list[Any]:
    """Return a neo.SpikeTrain of each neuron of a population, images one after another.

    source: as for `spikes`. Neo takes about 1 ms per neuron. Raises DataError if `population` was
    not recorded.
    """
    import neo

    block, signals = _recorded(source)
    if population not in signals:
        what, fix = f"holds no spikes of {population}", f"choose {', '.join(signals)}"
        raise DataError([Problem(_shown(source), what, fix)])
    signal = signals[population]
    neuron, times = signal.magnitude[:, 0], _milliseconds(signal)
    order = np.argsort(neuron, kind="stable")
    size = int(signal.annotations["neurons"])
    limits = np.searchsorted(neuron[order], np.arange(size + 1))
    stop = int(block.annotations["images"]) * int(block.annotations["steps"]) * STEP_MS
    return [
        neo.SpikeTrain(times[order[a:b]], units="ms", t_stop=stop, name=f"{population} {number}")
        for number, (a, b) in enumerate(pairwise(limits))
    ]


def _recorded(source: str | Path | Any) -> tuple[Any, dict[str, Any]]:
    """Return a block of spikes, and its signals by population; raises DataError if it has none."""
    block = read(Path(source)) if isinstance(source, str | Path) else source
    signals = {
        signal.name: signal
        for segment in block.segments
        for signal in segment.irregularlysampledsignals
        if "neurons" in signal.annotations
    }
    if not signals or not {"steps", "images"} <= set(block.annotations):
        what, fix = "holds no spikes as --record saves them", "give the file spikes.nix"
        raise DataError([Problem(_shown(source), what, fix)])
    return block, signals


def _shown(source: str | Path | Any) -> str:
    return str(source) if isinstance(source, str | Path) else "the recording"


def _milliseconds(signal: Any) -> NDArray[np.float64]:
    return np.asarray(signal.times.rescale("ms").magnitude, np.float64)


def new_block(recording: Recording, network: Network) -> tuple[Any, Any]:
    """Return a block that says what was recorded, and its only segment."""
    import neo

    block = neo.Block(
        name=network.made_from.get("path", ""),
        sha256=network.made_from.get("sha256", ""),
        backend=recording.backend,
        images=len(recording.synaptic_events),
        steps=recording.settings.steps,
        depth=network.depth,
    )
    segment = neo.Segment(name="all images")
    block.segments.append(segment)
    return block, segment


def save(block: Any, path: Path) -> None:
    """Write a block as NIX."""
    from neo.io import NixIO

    file = NixIO(str(path), mode="ow")
    file.write_block(block)
    file.close()


def read(path: Path) -> Any:
    """Return the first block of a file; raises DataError if Neo cannot read it."""
    require_neo()
    import neo

    if not path.is_file():
        raise DataError([Problem(str(path), "no such file", "check the path")])
    try:
        if path.suffix == ".nix":  # which get_io would open to write, too
            return neo.io.NixIO(str(path), mode="ro").read_block()
        return neo.get_io(str(path)).read_block()
    except Exception as error:  # each of Neo's formats raises types of its own
        reason = str(error).strip().splitlines() or [type(error).__name__]
        what = f"Neo cannot read this as a recording ({reason[0]})"
        fix = "give a file of --record, or one that PyNN's write_data wrote"
        raise DataError([Problem(str(path), what, fix)]) from error


def check_model(path: Path, block: Any, file: Path, network: Network) -> None:
    """Raise DataError if a recording says that it is of another model than a network.

    path, file: of the recording and of the network.
    """
    ours, theirs = network.made_from.get("sha256", ""), block.annotations.get("sha256")
    if theirs not in (None, ours):
        what = f"was recorded from another model ({str(theirs)[:12]}..., not {ours[:12]}...)"
        raise DataError([Problem(str(path), what, f"record {file} again")])


def potentials(path: Path, block: Any, readout: str | None) -> tuple[Floats, int]:
    """Return a readout's potentials (B, T, N), and the step from which it integrates (release).

    readout: name of the signal; None for the only one, or the one called "v". Raises DataError if
    there is no such signal, or if images have different numbers of steps.
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
    """Return the classes (B,) that the ANN predicts, None if the recording does not hold them."""
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
