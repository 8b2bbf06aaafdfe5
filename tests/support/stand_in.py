"""A folder like the root of a checkout, with small networks, for the commands of the pages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from support.detectors import anchors_file, coco_folder, heads_file
from support.places import BOARDS, ROOT

MODELS = ("examples/resnet18.onnx", "examples/resnet34.onnx", "model.onnx")
ARCHIVES = ("examples/resnet18.npz", "images.npz")
IMAGES, CALIBRATION = 1000, 500


def furnish(folder: Path) -> None:
    """Write the models, their images and links to the machines into a folder."""
    (folder / "examples").mkdir()
    (folder / "boards").symlink_to(BOARDS)
    model, images = _model(), _clear_images(_model())
    labels = _logits(model, images).argmax(1)
    arrays = {"images": images[:IMAGES], "labels": labels[:IMAGES]}
    for name in MODELS:
        onnx.save(model, folder / name)
    for name in ARCHIVES:
        np.savez(folder / name, **arrays, calibration_images=images[IMAGES:])
    for split, count in (("val", 3), ("train", 10)):
        _photographs(folder / "photos" / split, count)
    detector = heads_file(folder / "examples" / "retinanet.onnx")
    anchors_file(detector)
    coco_folder(detector.with_suffix(""), sizes=((16, 16),) * 5)
    programs = folder / "bin"
    programs.mkdir()
    for name, words in (("spinn-convert", "-m spinn_convert"), ("python", "")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {words} "$@"\n')
        program.chmod(0o755)


def _photographs(folder: Path, count: int) -> None:
    """Write pictures of ten classes, so many of each."""
    rng = np.random.default_rng(3)
    for label in range(10):
        (folder / f"class{label}").mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(0, 256, (7, 7), np.uint8).repeat(4, 0).repeat(4, 1)
            Image.fromarray(pixels).save(folder / f"class{label}" / f"{number}.png")


def in_folder(
    folder: Path, words: list[str], seconds: int = 600, home: Path | None = None
) -> subprocess.CompletedProcess:
    """Run a program in a furnished folder, with this checkout's spinn-convert."""
    homes = {} if home is None else {"HOME": str(home), "XDG_CONFIG_HOME": str(home / "config")}
    paths = {
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "MPLBACKEND": "agg",
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    }
    return subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, **paths, **homes},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def _model() -> onnx.ModelProto:
    """Return a residual network of 1,200 neurons, named as the example; biases keep it alive."""
    rng = np.random.default_rng(1)
    weights = {
        "w1": rng.normal(0, 0.4, (8, 1, 3, 3)),
        "b1": np.full(8, 0.3),
        "w2": rng.normal(0, 0.15, (8, 8, 3, 3)),
        "b2": np.full(8, 0.3),
        "w3": rng.normal(0, 0.05, (10, 8 * 49)),
    }
    nodes = [
        helper.make_node("Conv", ["image", "w1", "b1"], ["a"], pads=[1] * 4, strides=[4, 4]),
        helper.make_node("Relu", ["a"], ["relu"]),
        helper.make_node("Conv", ["relu", "w2", "b2"], ["b"], pads=[1] * 4),
        helper.make_node("Add", ["b", "relu"], ["c"]),
        helper.make_node("Relu", ["c"], ["relu_1"]),
        helper.make_node("Flatten", ["relu_1"], ["d"]),
        helper.make_node("Gemm", ["d", "w3"], ["logits"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 28, 28])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(w.astype(np.float32), name) for name, w in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _clear_images(model: onnx.ModelProto) -> np.ndarray:
    """Return images whose class is beyond doubt, so that an SNN agrees on all of them."""
    rng = np.random.default_rng(2)
    patches = rng.standard_normal((40 * (IMAGES + CALIBRATION), 1, 7, 7)).astype(np.float32)
    images = patches.repeat(4, 2).repeat(4, 3)
    ranked = np.sort(_logits(model, images), axis=1)
    clear = np.argsort(ranked[:, -2] - ranked[:, -1])[: IMAGES + CALIBRATION]
    return images[rng.permutation(clear)]


def _logits(model: onnx.ModelProto, images: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (logits,) = session.run(None, {"image": images})
    return np.asarray(logits)
