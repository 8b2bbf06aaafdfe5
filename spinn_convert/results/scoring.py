"""Accuracy over time of a recording made anywhere: by the command, on a board, or by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinn_convert.errors import DataError, Problem
from spinn_convert.files.data import load_labels
from spinn_convert.model import classes
from spinn_convert.network import readout, store
from spinn_convert.results import neo_file as neo_recording
from spinn_convert.results import report


def score_recording(
    path: Path,
    block: Any,
    labels: Path,
    network: Path | None,
    signal: str | None,
    read_out: str | None,
) -> dict[str, Any]:
    """Return accuracy and agreement over time steps of the output potentials in a Neo file.

    path, block: the file, and what `neo_file.read` returns of it. labels: .npz with the array
    `labels`, or .npy, in the order of the recording's images; there may be more. network:
    network.npz, to check that the recording is of this network, and for the step from which its
    output integrates. signal: name of the output's signal in the file; None if that is clear.
    read_out: "all" or "late"; None for what the recording says, "all" if it says nothing.
    Raises DataError when they do not fit each other.
    """
    potentials, release = neo_recording.potentials(path, block, signal)
    images, steps, outputs = potentials.shape
    truth = _fitting(labels, load_labels(labels), path, images, outputs)
    if network is not None:
        release = _release(network, path, block, outputs)
    read_out = read_out or str(block.annotations.get("read_out", "all"))
    starts = readout.starts(read_out, release, steps)
    found = classes.predictions(readout.activations(potentials, starts, release))
    ann = neo_recording.ann_predictions(block)
    if ann is not None and len(ann) != images:
        what = f"{len(ann)} epochs for {images} images"
        raise DataError([Problem(str(path), what, "record the images again")])
    scores = report.compare(found, ann, truth)
    return {
        "recording": str(path),
        "backend": str(block.annotations.get("backend", "unknown")),
        "images": images,
        "steps": steps,
        **({} if ann is None else {"ann": {"accuracy": scores.ann}}),
        "snn": report.snn_json(scores),
    }


def _fitting(
    labels: Path, values: NDArray[np.int64], path: Path, images: int, outputs: int
) -> NDArray[np.int64]:
    """Return the labels of the recorded images (B,); raises DataError if they do not fit."""
    if len(values) < images:
        what = f"{len(values)} labels for the {images} images of {path}"
        raise DataError([Problem(str(labels), what, "give the labels of the images presented")])
    used = values[:images]
    if used.max(initial=0) >= classes.number(outputs) or used.min(initial=0) < 0:
        shown = "1 output, for the classes 0 and 1" if outputs == 1 else f"{outputs} outputs"
        what = f"labels from {used.min()} to {used.max()}, but {path} has {shown}"
        raise DataError([Problem(str(labels), what, "the recording is of another network")])
    return used


def _release(network: Path, path: Path, block: Any, outputs: int) -> int:
    """Return the output's release; raises DataError if the recording is not of this network."""
    loaded = store.load(network)
    neo_recording.check_model(path, block, network, loaded)
    sizes = [p.size for p in loaded.readouts]
    if outputs not in sizes:
        what = f"has {outputs} outputs, the readouts of {network} have {sizes}"
        raise DataError([Problem(str(path), what, "name the output's signal with --readout")])
    return loaded.readouts[sizes.index(outputs)].release
