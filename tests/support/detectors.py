"""A detector of two layers and its scenes, which converts in milliseconds."""

from __future__ import annotations

import json

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save
from PIL import Image

SIDE, CLASSES, ANCHORS = 16, 3, 2
CELLS = (SIDE // 2) ** 2
LEVEL = {"size": [8, 8], "stride": [2, 2], "sides": [4, 8], "ratios": [1.0]}


def heads_file(path, seed=2):
    """Write heads only: one convolution with ReLU, then scores and shifts for every anchor."""
    rng = np.random.default_rng(seed)
    weights = {
        "w": rng.standard_normal((6, 3, 3, 3)) / 3,
        "scores": rng.standard_normal((ANCHORS * CLASSES, 6, 3, 3)) / 2,
        "moves": rng.standard_normal((ANCHORS * 4, 6, 3, 3)) / 30,
    }
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], pads=[1] * 4, strides=[2, 2]),
        helper.make_node("Relu", ["a"], ["r"]),
    ]
    for name, width in (("scores", CLASSES), ("moves", 4)):
        weights[f"{name} split"] = np.array([0, ANCHORS, width, 8, 8])
        weights[f"{name} flat"] = np.array([0, CELLS * ANCHORS, width])
        nodes += [
            helper.make_node("Conv", ["r", name], [f"{name} map"], pads=[1] * 4),
            helper.make_node("Reshape", [f"{name} map", f"{name} split"], [f"{name} 5d"]),
            helper.make_node("Transpose", [f"{name} 5d"], [f"{name} t"], perm=[0, 3, 4, 1, 2]),
            helper.make_node("Reshape", [f"{name} t", f"{name} flat"], [f"{name} out"]),
        ]
    made = {
        key: value.astype(np.int64 if value.dtype.kind == "i" else np.float32)
        for key, value in weights.items()
    }
    shapes = {"scores out": CLASSES, "moves out": 4}
    graph = helper.make_graph(
        nodes,
        "heads",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])],
        [
            helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", CELLS * ANCHORS, width])
            for n, width in shapes.items()
        ],
        [numpy_helper.from_array(value, key) for key, value in made.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


def anchors_file(model, **changed):
    """Write MODEL.anchors.json."""
    path = model.with_name(f"{model.stem}.anchors.json")
    path.write_text(json.dumps({"levels": [LEVEL], "most_boxes": 20, **changed}))
    return path


def scenes_npz(path, count=6, **changed):
    """Write scenes with one box each, beside a model; `changed` arrays replace its own."""
    rng = np.random.default_rng(3)
    images = rng.random((count, 3, SIDE, SIDE), np.float32)
    corner = rng.integers(0, 8, (count, 2))
    arrays = {
        "images": images,
        "boxes": np.concatenate([corner, corner + 6], 1).astype(np.float32),
        "labels": rng.integers(0, CLASSES, count),
        "boxes_per_image": np.ones(count, int),
        "calibration_images": rng.random((30, 3, SIDE, SIDE), np.float32),
    }
    kept = {key: value for key, value in (arrays | changed).items() if value is not None}
    np.savez(path, **kept)
    return path


def coco_folder(folder, sizes=((16, 16), (32, 16)), mode="RGB", **changed):
    """Write pictures of these sizes (rows, columns) with a box each; `changed` replaces keys."""
    rng = np.random.default_rng(4)
    (folder / "calibration").mkdir(parents=True)
    for number in range(4):
        pixels = rng.integers(0, 256, (16, 16, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "calibration" / f"{number}.png")
    suffix = "jpg" if mode == "CMYK" else "png"
    images, notes = [], []
    for number, (rows, columns) in enumerate(sizes, 1):
        pixels = rng.integers(0, 256, (rows, columns, 3), np.uint8)
        Image.fromarray(pixels).convert(mode).save(folder / f"{number}.{suffix}")
        images.append({"id": 7 * number, "file_name": f"{number}.{suffix}"})
        notes.append({"id": number, "image_id": 7 * number, "category_id": 5, "bbox": [2, 3, 6, 8]})
    categories = [{"id": 2, "name": "two"}, {"id": 5, "name": "five"}]
    content = {"images": images, "annotations": notes, "categories": categories} | changed
    (folder / "instances.json").write_text(json.dumps(content))
    return folder
