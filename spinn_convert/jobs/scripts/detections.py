"""From the potentials of a detector's outputs to boxes, compared with the ANN's.

host.onnx is the part of the model behind the outputs, down to boxes (n, 4) as left, top, right,
bottom in pixels of the input, scores (n,) and labels (n,) of one image; onnxruntime runs it.
data.npz has what the ANN found, `ann_boxes`, `ann_scores`, `ann_labels`, `ann_boxes_per_image`, and
what is on the images, `true_boxes` and so on, in pixels of the pictures, `scale` times as wide.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

FOLDER = Path(__file__).parent
SURE, SAME_PLACE = 0.3, 0.9
"""Boxes are compared from this score on; the same class with this overlap is the same."""


def report(
    header: dict[str, Any], data: Any, images: int, gained: Iterable[dict[str, Any]]
) -> None:
    """Print how many of the ANN's boxes are found, scene by scene, and write detections.npz.

    gained: by output, what its potential has gained with each image.
    """
    session = onnxruntime.InferenceSession(
        str(FOLDER / "host.onnx"), providers=["CPUExecutionProvider"]
    )
    ann = split(data, "ann", ("boxes", "scores", "labels"))
    snn, counts = [], np.zeros(3, int)
    for image, outputs in enumerate(gained):
        snn.append(found(session, header, data, outputs))
        common, own, all_of_ann = alike(snn[-1], ann[image])
        counts += common, own, all_of_ann
        print(f"scene {image + 1} of {images}: the SNN has {common} of", end=" ")
        print(f"the ANN's {all_of_ann} boxes, and {own - common} others", flush=True)
    save(snn, FOLDER / "detections.npz")
    common, total = counts[0], counts[1:].sum()
    print(f"agreement {2 * common / total if total else 1.0:.2%}", end=" ")
    print(f"(2 x {common} boxes alike, of {total} in both)")
    try:
        scores = [mean_precision(some, data) for some in (ann[:images], snn)]
        print(f"ANN mAP {scores[0]:.2%}, SNN mAP {scores[1]:.2%}")
    except ImportError:
        print("for the mAP: pip install pycocotools, and run again")
    print(f"wrote {FOLDER / 'detections.npz'}")


def found(session: Any, header: dict[str, Any], data: Any, outputs: dict[str, Any]) -> Any:
    """Return (boxes, scores, labels) of one image, best first."""
    types = {"tensor(float16)": np.float16, "tensor(double)": np.float64}
    kinds = {given.name: types.get(given.type, np.float32) for given in session.get_inputs()}
    feeds = {}
    for entry in header["populations"]:
        if entry["kind"] == "readout":
            values = outputs[entry["name"]] * data[entry["activation"]]
            feeds[entry["feed"]] = values.reshape(1, *entry["shape"]).astype(kinds[entry["feed"]])
    boxes, scores, labels = session.run(None, feeds)
    order = np.argsort(-scores, kind="stable")
    return boxes[order], scores[order], labels[order]


def split(data: Any, name: str, parts: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """Return for each image some of what data.npz says of its boxes, one entry for each part."""
    ends = np.cumsum(data[f"{name}_boxes_per_image"])[:-1]
    return list(zip(*(np.split(data[f"{name}_{part}"], ends) for part in parts)))


def save(scenes: list[Any], path: Path) -> None:
    """Write the boxes of all images one after another, and how many each has."""
    boxes, scores, labels = (np.concatenate(values) for values in zip(*scenes))
    each = [len(scene[0]) for scene in scenes]
    np.savez(path, boxes_per_image=each, boxes=boxes, scores=scores, labels=labels)


def overlaps(one: Any, other: Any) -> Any:
    """Return intersection over union of boxes (n, 4) and (m, 4), as (n, m)."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    common = np.clip(high - low, 0, None).prod(-1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(-1) for boxes in (one, other)]
    return common / np.maximum(areas[0][:, None] + areas[1] - common, 1e-9)


def alike(one: Any, other: Any) -> tuple[int, int, int]:
    """Return how many sure boxes two images have in common, and each; best overlaps pair first."""
    (boxes, labels), (other_boxes, other_labels) = (
        (boxes[scores >= SURE], labels[scores >= SURE]) for boxes, scores, labels in (one, other)
    )
    places = overlaps(boxes, other_boxes) * (labels[:, None] == other_labels)
    common = 0
    while places.size and places.max() >= SAME_PLACE:
        row, column = np.unravel_index(places.argmax(), places.shape)
        places[row], places[:, column] = 0, 0
        common += 1
    return common, len(boxes), len(other_boxes)


def mean_precision(scenes: list[Any], data: Any) -> float:
    """Return COCO's mean average precision of the first images, 0 if there are no boxes.

    Raises ImportError without pycocotools.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth = split(data, "true", ("boxes", "crowd", "labels"))[: len(scenes)]
    rows: list[dict[str, Any]] = []
    for number, (boxes, scores, labels) in enumerate(scenes, 1):
        for box, score, label in zip(boxes / data["scale"][number - 1], scores, labels):
            row = {"image_id": number, "category_id": int(label), "bbox": as_coco(box)}
            rows.append(row | {"score": float(score)})
    notes: list[dict[str, Any]] = []
    for number, known in enumerate(truth, 1):
        for box, crowd, label in zip(*known):
            row = {"image_id": number, "category_id": int(label), "bbox": as_coco(box)}
            area = float((box[2:] - box[:2]).prod())
            notes.append(row | {"id": len(notes) + 1, "area": area, "iscrowd": int(crowd)})
    if not rows:
        return 0.0
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "images": [{"id": number} for number in range(1, len(scenes) + 1)],
            "annotations": notes,
            "categories": [{"id": label} for label in sorted({n["category_id"] for n in notes})],
        }
        coco.createIndex()
        run = COCOeval(coco, coco.loadRes(rows), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return max(0.0, float(run.stats[0]))  # -1 stands for no boxes on the images at all


def as_coco(box: Any) -> list[float]:
    """Return left, top, width, height."""
    left, top, right, bottom = map(float, box)
    return [left, top, right - left, bottom - top]
