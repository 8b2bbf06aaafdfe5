"""Pictures of detection: precision over time, and scenes with the boxes that were found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spinn_convert.files.scenes import Scenes
from spinn_convert.linear.ops import Floats
from spinn_convert.model.detector import Detections
from spinn_convert.results.detection.scores import SURE, DetectorScores

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SCENES = 6
"""Rows of the picture of scenes."""


def draw_scores(scores: DetectorScores, title: str, path: Path) -> None:
    """Draw mAP and agreement over time steps, beside the ANN and ReLU1, into a PNG."""
    from matplotlib.figure import Figure  # without pyplot, whose state is the caller's

    figure = Figure(figsize=(7, 4), dpi=130, layout="constrained")
    axes = figure.subplots()
    found = [100 * precision.map for precision in scores.snn_by_step]
    ann, relu1 = 100 * scores.ann.map, 100 * scores.relu1.map
    axes.axhline(ann, color="black", linewidth=1, label=f"ANN {ann:.2f} mAP")
    axes.axhline(relu1, color="grey", linestyle=":", label=f"ReLU1 {relu1:.2f} mAP")
    axes.plot(scores.steps, found, marker=".", label=f"SNN {found[-1]:.2f} mAP")
    alike = 100 * np.array(scores.agreement_by_step)
    label = f"agreement with the ANN's boxes {alike[-1]:.1f} %"
    axes.plot(scores.steps, alike, linestyle="--", label=label)
    axes.set(xlabel="time step", ylabel="mAP, and % of the boxes", ylim=(0, 102), title=title)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(path)


def draw_scenes(
    scenes: Scenes, columns: Sequence[tuple[str, Sequence[Detections]]], path: Path
) -> None:
    """Draw the first scenes with their true boxes, and those of each column, into a PNG."""
    from matplotlib.figure import Figure

    rows = min(SCENES, len(columns[0][1]))
    images = scenes.images[:rows]
    figure = Figure(figsize=(2.2 * (1 + len(columns)), 2.2 * rows), dpi=100, layout="constrained")
    grid = figure.subplots(rows, 1 + len(columns), squeeze=False)
    for number, (line, truth) in enumerate(zip(grid, scenes.truth)):
        names = [scenes.names.get(label, str(label)) for label in truth.labels.tolist()]
        _scene(line[0], images[number], truth.boxes * truth.scale, names)
        for axes, (_, found) in zip(line[1:], columns):
            some = found[number]
            sure = some.scores >= SURE
            pairs = zip(some.labels[sure].tolist(), some.scores[sure].tolist())
            words = [f"{scenes.names.get(label, str(label))} {score:.0%}" for label, score in pairs]
            _scene(axes, images[number], some.boxes[sure], words)
    for axes, name in zip(grid[0], ("truth", *(name for name, _ in columns))):
        axes.set_title(name, fontsize=9)
    figure.savefig(path)


def _scene(axes: Axes, image: Floats, boxes: Floats, words: Sequence[str]) -> None:
    from matplotlib.patches import Rectangle

    low, high = float(image.min()), float(image.max())
    pixels = np.clip((image - low) / max(high - low, 1e-6), 0, 1).transpose(1, 2, 0)
    axes.imshow(pixels if pixels.shape[2] == 3 else pixels[..., 0], cmap="gray")
    axes.set_axis_off()
    for (left, top, right, bottom), word in zip(boxes.tolist(), words):
        frame = Rectangle(
            (left, top), right - left, bottom - top, fill=False, color="yellow", linewidth=1
        )
        axes.add_patch(frame)
        label = {"boxstyle": "square,pad=0.1", "color": "yellow"}
        axes.text(left, top, word, fontsize=5, color="black", bbox=label)
