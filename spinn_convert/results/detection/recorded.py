"""A detector's potentials <-> a Neo block, with what it takes to score them on another day.

Neo's NIX files take 16 ms and 8 kB for every channel of a signal, and a detector has thousands of
outputs. So a readout is one analog signal of a single channel that holds all potentials in the
order (image, step, neuron), of the steps in the block's annotation `sampled` only; the times that
Neo counts for its values mean nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spinn_convert.errors import DataError, Problem
from spinn_convert.network.recording import Recording, Settings
from spinn_convert.network.records import Network
from spinn_convert.results import neo_file

SAID = {"images", "steps", "sampled", "scored", "read_out"}
"""Annotations by which a detector's recording is known."""
BYTES = 4
"""Of a potential, float32."""


def size_of(network: Network, images: int, sampled: Sequence[int]) -> int:
    """Return how many bytes the potentials of so many images take after the steps `sampled`."""
    return images * len(sampled) * sum(output.size for output in network.readouts) * BYTES


def output_block(
    recording: Recording, network: Network, scored: Sequence[int], read_out: str
) -> Any:
    """Return the potentials that were kept as a Neo block, in units of the ANN's output.

    Stored with them: after which steps they are kept, after which of these the run was scored, and
    read_out, "all" or "late".
    """
    import neo
    import quantities as pq

    block, segment = neo_file.new_block(recording, network)
    settings = recording.settings
    block.annotate(
        method=network.made_from.get("method", ""),
        read_out=read_out,
        sampled=list(settings.sampled or range(1, settings.steps + 1)),
        scored=list(scored),
    )
    for output in network.readouts:
        segment.analogsignals.append(
            neo.AnalogSignal(
                recording.readout[output.name].reshape(-1, 1),
                units=pq.dimensionless,
                sampling_period=neo_file.STEP_MS * pq.ms,
                name=output.name,
                description="one value after another: image, step of `sampled`, neuron",
                release=output.release,
            )
        )
    return block


def is_of_detector(block: Any) -> bool:
    """Return if a block is one of `output_block`."""
    return set(block.annotations) >= SAID


def scored_steps(block: Any) -> tuple[int, ...]:
    """Return after which steps the run was scored."""
    return _numbers(block.annotations["scored"])


def recording_of(path: Path, block: Any, file: Path, network: Network) -> Recording:
    """Return the potentials of a block; the counts of spikes and events, not stored, are left out.

    path, file: of recording and network, for errors. Raises DataError if the recording is of
    another model or another conversion of it, or if the block is damaged.
    """
    neo_file.check_model(path, block, file, network)
    if block.annotations.get("method", "") != network.made_from.get("method", ""):
        what = f"was recorded from another conversion of the model than {file}"
        raise DataError([Problem(str(path), what, "give the network.npz of that run")])
    images, steps = (int(block.annotations[name]) for name in ("images", "steps"))
    kept, scored = _numbers(block.annotations["sampled"]), scored_steps(block)
    signals = {s.name: s for segment in block.segments for s in segment.analogsignals}
    shapes = {p.name: (images, len(kept), *p.shape) for p in network.readouts}
    sizes = {name: int(np.prod(shape)) for name, shape in shapes.items()}
    found = {name: signal.size for name, signal in signals.items()}
    releases = {name: signal.annotations.get("release") for name, signal in signals.items()}
    if (
        found != sizes
        or releases != {p.name: p.release for p in network.readouts}
        or not set(scored) <= set(kept) <= set(range(1, steps + 1))
    ):
        what = f"does not hold the potentials of the readouts of {file} after the steps scored"
        raise DataError([Problem(str(path), what, "record the scenes again")])
    potentials = {
        name: np.asarray(signals[name].magnitude, np.float32).reshape(shape)
        for name, shape in shapes.items()
    }
    settings = Settings(steps, sampled=kept)
    uncounted = np.zeros(images, np.int64)
    return Recording(str(block.annotations["backend"]), settings, {}, uncounted, potentials)


def _numbers(annotation: Any) -> tuple[int, ...]:
    """Return a list of numbers; Neo returns one of a single number as that number."""
    return tuple(int(number) for number in np.atleast_1d(annotation))
