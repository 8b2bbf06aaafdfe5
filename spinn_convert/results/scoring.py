"""Accuracy over time of a recording made anywhere: by the command, on a board, or by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinn_convert.errors import DataError, Problem
from spinn_convert.files.data import load_labels
from spinn_convert.network import readout, store
from spinn_convert.results import neo_file as neo_recording
from spinn_convert.results import report


def score_recording(
    path: Path, labels: Path, network: Path | None, signal: str | None, read_out: str | None
) -> dict[str, Any]:
    """Return accuracy and agreement over time steps of the output potentials in a Neo file.

    labels: .npz with the array `labels`, or .npy; the first of them belong to the images of the
    recording. network: network.npz, to make sure that the recording is its own, and for the release
    of its output. read_out: None for what the recording says, or "all" if it says nothing.
    Raises DataError when they do not fit each other.
    """
    block = neo_recording.read(path)
    potentials, release = neo_recording.potentials(path, block, signal)
    images, steps, classes = potentials.shape
    truth = _fitting(labels, load_labels(labels), path, images, classes)
    if network is not None:
        release = _release(network, path, block, classes)
    read_out = read_out or str(block.annotations.get("read_out", "all"))
    starts = readout.starts(read_out, release, steps)
    found = readout.activations(potentials, starts, release).argmax(2)
    ann = neo_recording.ann_predictions(block)
    if ann is not None and len(ann) != images:
        what = f"{len(ann)} epochs for {images} images"
        raise DataError([Problem(str(path), what, "record the images again")])
    accuracy = (found == truth[:, None]).mean(0)
    content = {
        "recording": str(path),
        "backend": str(block.annotations.get("backend", "unknown")),
        "images": images,
        "steps": steps,
        "snn": {"accuracy": float(accuracy[-1]), "accuracy_by_step": accuracy.tolist()},
    }
    if ann is not None:
        scores = report.Scores(
            float((ann == truth).mean()), np.nan, accuracy, (found == ann[:, None]).mean(0)
        )
        content["ann"] = {"accuracy": scores.ann}
        content["snn"] |= {
            "agreement": float(scores.agreement_by_step[-1]),
            "agreement_by_step": scores.agreement_by_step.tolist(),
            "first_step_within_half_percent": scores.first_step,
            "steps_to_99_percent_agreement": scores.steps_to_agreement(0.99),
        }
    return content


def _fitting(
    labels: Path, values: NDArray[np.int64], path: Path, images: int, classes: int
) -> NDArray[np.int64]:
    """Return the labels of the images."""
    if len(values) < images:
        what = f"{len(values)} labels for the {images} images of {path}"
        raise DataError([Problem(str(labels), what, "give the labels of the images presented")])
    used = values[:images]
    if used.max(initial=0) >= classes or used.min(initial=0) < 0:
        what = f"labels from {used.min()} to {used.max()}, but {path} has {classes} outputs"
        raise DataError([Problem(str(labels), what, "the recording is of another network")])
    return used


def _release(network: Path, path: Path, block: Any, classes: int) -> int:
    """Return the output's release; raises DataError if the recording is not of this network."""
    loaded = store.load(network)
    ours, theirs = loaded.made_from.get("sha256", ""), block.annotations.get("sha256")
    outputs = [p.size for p in loaded.readouts]
    if theirs not in (None, ours):
        what = f"was recorded from another model ({str(theirs)[:12]}..., not {ours[:12]}...)"
        raise DataError([Problem(str(path), what, f"record {network} again")])
    if classes not in outputs:
        what = f"has {classes} outputs, the readouts of {network} have {outputs}"
        raise DataError([Problem(str(path), what, "name the output's signal with --readout")])
    return loaded.readouts[outputs.index(classes)].release
