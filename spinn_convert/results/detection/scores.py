"""How right detections are (COCO's mean average precision), and how alike two sets of them."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from spinn_convert.files.scenes import Truth
from spinn_convert.linear.ops import Floats
from spinn_convert.model.detector import Detections, overlaps

SURE, SAME_PLACE = 0.3, 0.9
"""Detections are compared from this score on; the same class with this overlap is the same."""
MOST_SCORED = 100
"""Detections of an image that COCO's evaluation takes, the best ones."""


@dataclass(frozen=True)
class Precision:
    """COCO's mean average precision, by pycocotools, as fractions of 1.

    map: mean over overlaps of 0.5 to 0.95 from which a box counts as found; map50, map75: at 0.5
    and 0.75 (T.-Y. Lin et al. 2014, "Microsoft COCO").
    """

    map: float
    map50: float
    map75: float


@dataclass(frozen=True, eq=False)
class DetectorScores:
    """Scores of ANN, ReLU1 and SNN on B scenes.

    steps: numbers of steps after which the SNN was scored (S,). snn_by_step: its precision then.
    agreement_by_step: F1 of its detections and the ANN's (S,); relu1_agreement: of ReLU1's.
    """

    ann: Precision
    relu1: Precision
    relu1_agreement: float
    steps: tuple[int, ...]
    snn_by_step: tuple[Precision, ...]
    agreement_by_step: tuple[float, ...]

    def steps_within(self, loss: float) -> int | None:
        """Return the sampled number of steps after which the SNN's mAP stays near the ANN's.

        loss: largest share of the ANN's mAP that may be missing. None if it is, at the end.
        """
        found = [precision.map for precision in self.snn_by_step]
        return lasting(self.steps, found, (1 - loss) * self.ann.map)


def lasting(steps: Sequence[int], values: Sequence[float], wanted: float) -> int | None:
    """Return the first of some steps from which the value after each stays at `wanted` or above.

    None if the last value is below.
    """
    short = [i for i, value in enumerate(values) if value < wanted]
    after = short[-1] + 1 if short else 0
    return steps[after] if after < len(steps) else None


def compare(
    ann: Sequence[Detections],
    relu1: Sequence[Detections],
    snn: Sequence[Sequence[Detections]],
    steps: tuple[int, ...],
    truth: Sequence[Truth],
) -> DetectorScores:
    """Return the scores of what was found on B scenes; snn: after each of the steps (S, B)."""
    return DetectorScores(
        precision(ann, truth),
        precision(relu1, truth),
        agreement(relu1, ann),
        steps,
        tuple(precision(found, truth) for found in snn),
        tuple(agreement(found, ann) for found in snn),
    )


def precision(found: Sequence[Detections], truth: Sequence[Truth]) -> Precision:
    """Return the precision of detections of the first len(found) scenes."""
    rows = [
        {"image_id": number, "category_id": label, "score": score, "bbox": _as_coco(box)}
        for number, (some, scene) in enumerate(zip(found, truth), 1)
        for box, score, label in zip(
            (some.boxes / scene.scale).tolist(), some.scores.tolist(), some.labels.tolist()
        )
    ]
    if not rows:
        return Precision(0.0, 0.0, 0.0)
    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO()
        known.dataset = _ground_truth(truth[: len(found)])
        known.createIndex()
        run = COCOeval(known, known.loadRes(rows), "bbox")
        run.params.maxDets = [MOST_SCORED]
        run.params.areaRng, run.params.areaRngLbl = run.params.areaRng[:1], ["all"]
        run.evaluate()
        run.accumulate()
    by_overlap = run.eval["precision"][..., 0, 0]  # (overlaps from 0.5 by 0.05, recalls, classes)
    return Precision(*(_mean(part) for part in (by_overlap, by_overlap[0], by_overlap[5])))


def _mean(precisions: NDArray[np.float64]) -> float:
    """Return the mean, as COCO's summary has it: -1 stands for a class without ground truth."""
    known = precisions[precisions > -1]
    return float(known.mean()) if known.size else 0.0


def _ground_truth(truth: Sequence[Truth]) -> dict[str, Any]:
    notes: list[dict[str, Any]] = []
    for number, scene in enumerate(truth, 1):
        for box, label, crowd in zip(scene.boxes.tolist(), scene.labels.tolist(), scene.crowd):
            row = _as_coco(box)
            notes.append(
                {
                    "id": len(notes) + 1,
                    "image_id": number,
                    "category_id": label,
                    "bbox": row,
                    "area": row[2] * row[3],
                    "iscrowd": int(crowd),
                }
            )
    labels = sorted({int(label) for scene in truth for label in scene.labels})
    return {
        "images": [{"id": number} for number in range(1, len(truth) + 1)],
        "annotations": notes,
        "categories": [{"id": label} for label in labels],
    }


def _as_coco(box: Sequence[float]) -> list[float]:
    """Return left, top, width, height."""
    left, top, right, bottom = box
    return [left, top, right - left, bottom - top]


def agreement(one: Sequence[Detections], other: Sequence[Detections]) -> float:
    """Return the F1 of two sets of detections: twice those in common, of all in both.

    Detections of at least SURE are paired, the best overlap first, if they have the same label and
    overlap by SAME_PLACE. 1 where neither has any.
    """
    common = total = 0
    for a, b in zip(one, other):
        first, second = a.scores >= SURE, b.scores >= SURE
        total += int(first.sum() + second.sum())
        alike = overlaps(a.boxes[first], b.boxes[second])
        alike = np.where(a.labels[first][:, None] == b.labels[second], alike, 0)
        common += _pairs(alike)
    return 2 * common / total if total else 1.0


def _pairs(alike: Floats) -> int:
    """Return how many rows and columns can be paired one to one, the best first."""
    count = 0
    while alike.size and alike.max() >= SAME_PLACE:
        row, column = np.unravel_index(alike.argmax(), alike.shape)
        alike[row], alike[:, column] = 0, 0
        count += 1
    return count


def as_json(scores: DetectorScores) -> Mapping[str, Any]:
    """Return the parts `ann`, `relu1` and `snn` of report.json."""
    last = scores.snn_by_step[-1]
    return {
        "ann": vars(scores.ann),
        "relu1": vars(scores.relu1) | {"agreement": scores.relu1_agreement},
        "snn": {
            **vars(last),
            "agreement": scores.agreement_by_step[-1],
            "steps_sampled": list(scores.steps),
            "map_by_step": [found.map for found in scores.snn_by_step],
            "agreement_by_step": list(scores.agreement_by_step),
            "steps_within_1_percent": scores.steps_within(0.01),
            "steps_within_0.4_percent": scores.steps_within(0.004),
        },
    }
