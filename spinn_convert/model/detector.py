"""Which files are detectors, and how the boxes that they find come out of them.

A whole file, as torchvision exports it, suppresses overlapping boxes itself and returns boxes,
scores and labels of one image. A file of heads only returns a score per anchor and class, and four
numbers per anchor; anchors and limits are then in a JSON file beside it, see `Heads`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import cattrs
import numpy as np
import onnx
from numpy.typing import NDArray

from spinn_convert.errors import DataError, Problem
from spinn_convert.linear.ops import Floats
from spinn_convert.model.load import Model

Kind = Literal["classifier", "whole detector", "heads of a detector"]
SUFFIX = ".anchors.json"
LARGEST_GROWTH = float(np.log(1000 / 16))
"""Of a box's side beside its anchor's, as a logarithm: torchvision/models/detection/_utils.py."""


@dataclass(frozen=True, eq=False)
class Detections:
    """What was found on one image, best first.

    boxes: (n, 4) float32, left, top, right, bottom in pixels of the model's input. scores: (n,)
    float32 from 0 to 1. labels: (n,) int64.
    """

    boxes: Floats
    scores: Floats
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Level:
    """Anchors of one feature map of `size` (rows, columns), `stride` pixels apart.

    A place has an anchor of every ratio (height / width) and side, in pixels: all sides of the
    first ratio come first.
    """

    size: tuple[int, int]
    stride: tuple[int, int]
    sides: tuple[float, ...]
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0)

    @cached_property
    def anchors(self) -> Floats:
        """The anchors as boxes (rows * columns * ratios * sides, 4), as torchvision makes them."""
        tall = np.sqrt(np.array(self.ratios))
        sides = np.array(self.sides)
        half = np.stack([np.outer(1 / tall, sides).ravel(), np.outer(tall, sides).ravel()], 1) / 2
        at = np.rint(np.concatenate([-half, half], 1))
        y, x = np.mgrid[: self.size[0], : self.size[1]]
        shift = np.stack([x * self.stride[1], y * self.stride[0]], -1).reshape(-1, 1, 2)
        return np.asarray((np.tile(shift, 2) + at).reshape(-1, 4), np.float32)


@dataclass(frozen=True)
class Heads:
    """The file MODEL.anchors.json: from the outputs of the heads to boxes.

    levels: of the feature pyramid, in the order of the anchors. Of every level, at most
    `candidates` with a score above `least_score` are looked at; boxes of one class that overlap a
    better one by more than `most_overlap` (intersection over union) are dropped; `most_boxes`
    remain in an image.
    """

    levels: tuple[Level, ...]
    least_score: float = 0.05
    most_overlap: float = 0.5
    candidates: int = 1000
    most_boxes: int = 300

    def detections(self, logits: Floats, deltas: Floats, size: Sequence[int]) -> Detections:
        """Return the boxes of one image.

        logits: (anchors, classes), before the sigmoid. deltas: (anchors, 4), shift of the centre in
        sides of the anchor, and logarithm of the growth (R. Girshick et al. 2014, "Rich feature
        hierarchies", appendix C). size: of the image, (rows, columns).
        """
        chosen, begin = [], 0
        limit = np.log(self.least_score / (1 - self.least_score))
        for level in self.levels:
            end = begin + len(level.anchors)
            flat = logits[begin:end].ravel()
            above = np.flatnonzero(flat > limit)
            best = above[np.argsort(-flat[above], kind="stable")[: self.candidates]]
            chosen.append(best + begin * logits.shape[1])
            begin = end
        picked = np.concatenate(chosen)
        which, labels = picked // logits.shape[1], picked % logits.shape[1]
        anchors = np.concatenate([level.anchors for level in self.levels])[which]
        boxes = _moved(anchors, deltas[which], size)
        scores = 1 / (1 + np.exp(-logits[which, labels]))
        order = np.argsort(-scores, kind="stable")
        kept = order[_separate(boxes[order], labels[order], self.most_overlap)][: self.most_boxes]
        return Detections(boxes[kept], scores[kept].astype(np.float32), labels[kept])


def _moved(anchors: Floats, deltas: Floats, size: Sequence[int]) -> Floats:
    """Return anchors (n, 4) shifted and stretched, cut at the image's borders."""
    sides = anchors[:, 2:] - anchors[:, :2]
    centres = anchors[:, :2] + sides / 2 + deltas[:, :2] * sides
    half = sides * np.exp(np.minimum(deltas[:, 2:], LARGEST_GROWTH)) / 2
    found = np.concatenate([centres - half, centres + half], 1)
    rows, columns = size
    return np.asarray(np.clip(found, 0, [columns, rows, columns, rows]), np.float32)


def overlaps(one: Floats, other: Floats) -> Floats:
    """Return intersection over union of boxes (n, 4) and (m, 4), as (n, m)."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    common = np.clip(high - low, 0, None).prod(-1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(-1) for boxes in (one, other)]
    return np.asarray(common / np.maximum(areas[0][:, None] + areas[1] - common, 1e-9), np.float32)


def _separate(boxes: Floats, labels: NDArray[np.int64], most: float) -> NDArray[np.int64]:
    """Return which boxes stay, best first: none overlaps a better one of its class by more."""
    hidden = (overlaps(boxes, boxes) > most) & (labels[:, None] == labels)
    kept = np.ones(len(boxes), bool)
    for number in range(len(boxes)):
        if kept[number]:
            kept[number + 1 :] &= ~hidden[number, number + 1 :]
    return np.flatnonzero(kept)


def kind_of(model: Model) -> Kind:
    """Return what the file's outputs are."""
    kinds = [_declared(value) for value in model.source.proto.graph.output]
    if sorted(kinds) == [("f", 1), ("f", 2), ("i", 1)]:
        return "whole detector"
    shapes = [shape for _, shape in model.outputs]
    two = len(shapes) == 2 and all(shape is not None and len(shape) == 2 for shape in shapes)
    if (
        two
        and any(shape[1] == 4 for shape in shapes if shape)
        and len({s[0] for s in shapes if s}) == 1
    ):
        return "heads of a detector"
    return "classifier"


def _declared(value: onnx.ValueInfoProto) -> tuple[str, int]:
    """Return the kind of numbers, "f" or "i", and how many axes an output has."""
    tensor = value.type.tensor_type
    return onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).kind, len(tensor.shape.dim)


def whole_detections(model: Model, found: Sequence[NDArray[Any]]) -> Detections:
    """Return the boxes of one image from the three outputs of a whole file, best first."""
    boxes, scores, labels = (np.asarray(found[number]) for number in order_of_outputs(model))
    order = np.argsort(-scores, kind="stable")
    return Detections(
        boxes[order].astype(np.float32).reshape(-1, 4),
        scores[order].astype(np.float32),
        labels[order].astype(np.int64),
    )


def order_of_outputs(model: Model) -> list[int]:
    """Return which outputs of a whole file are boxes, scores and labels."""
    kinds = [_declared(value) for value in model.source.proto.graph.output]
    return [kinds.index(kind) for kind in (("f", 2), ("f", 1), ("i", 1))]


def read_heads(model: Model, path: Path | None = None) -> Heads:
    """Read the anchors of a file of heads only, MODEL.anchors.json if no path is given.

    Raises DataError if the file is missing, is not what `Heads` describes, or does not fit.
    """
    path = path or model.path.with_name(model.path.stem + SUFFIX)
    (anchors, _), *_ = (shape for _, shape in model.outputs if shape is not None)
    fix = (
        'write {"levels": [{"size": [12, 12], "stride": [8, 8], "sides": [14, 18, 22]}, ...]},'
        " a level for each feature map: see docs/detection.md"
    )
    try:
        found = cattrs.Converter(forbid_extra_keys=True).structure(
            json.loads(path.read_text()), Heads
        )
    except FileNotFoundError:
        what = f"{model.path.name} has heads only: without anchors, it finds no boxes"
        raise DataError([Problem(str(path), what, fix)]) from None
    except (OSError, ValueError, cattrs.BaseValidationError) as error:
        reasons = (
            cattrs.transform_error(error)
            if isinstance(error, cattrs.BaseValidationError)
            else [str(error)]
        )
        raise DataError([Problem(str(path), reason, fix) for reason in reasons]) from error
    problems = []
    total = sum(len(level.anchors) for level in found.levels)
    if total != anchors:
        what = f"has {total} anchors; {model.path.name} has {anchors}"
        problems.append(Problem(str(path), what, fix))
    for name in ("least_score", "most_overlap"):
        if not 0 < getattr(found, name) < 1:
            what = f"{name} is {getattr(found, name)}"
            problems.append(Problem(str(path), what, "give a number between 0 and 1"))
    if problems:
        raise DataError(problems)
    return found


def heads_detections(model: Model, heads: Heads, found: Sequence[Floats]) -> list[Detections]:
    """Return the boxes of B images from the two outputs of the heads, (B, anchors, ...)."""
    deltas, size = deltas_of(model), model.image_shape[-2:]
    return [
        heads.detections(scores, moves, size)
        for scores, moves in zip(found[1 - deltas], found[deltas])
    ]


def deltas_of(model: Model) -> int:
    """Return which of the two outputs of the heads has four numbers per anchor."""
    shapes = [shape for _, shape in model.outputs]
    return max(i for i, shape in enumerate(shapes) if shape is not None and shape[1] == 4)
