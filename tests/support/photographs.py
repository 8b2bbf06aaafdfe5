"""Small pictures in the layouts that people have, and models that take them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

CLASSES = ("ant", "bee", "cow")
NORMAL = "mean=0.1,0.2,0.3,std=0.5,0.6,0.7"
MEAN, STD = (np.array(v, np.float32)[:, None, None] for v in ((0.1, 0.2, 0.3), (0.5, 0.6, 0.7)))


def photo_folder(folder: Path, counts=(4, 4, 4), size=(6, 5), seed=0, channels=1) -> np.ndarray:
    """Write pictures, one folder per class; return their pixels (N, rows, columns[, 3])."""
    rng = np.random.default_rng(seed)
    found = []
    for name, count in zip(CLASSES, counts):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            shape = size if channels == 1 else (*size, 3)
            pixels = rng.integers(0, 256, shape, np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number:03}.png")
            found.append(pixels)
    return np.stack(found)


def classifier_of(
    path: Path, shape=(1, 6, 5), before=(), dtype=TensorProto.FLOAT, weights=None, metadata=None
) -> Path:
    """Write a convolution with ReLU and a dense layer of three classes behind other nodes.

    before: nodes from `x` to `image`; weights: their constants.
    """
    rng = np.random.default_rng(0)
    channels = min(shape[0], shape[-1]) if len(shape) == 3 else shape[0]
    given = {
        "conv_w": rng.normal(0, 1, (4, channels, 3, 3)),
        "conv_b": np.full(4, 0.2),
        "dense": rng.normal(0, 1, (4, 3)),
        **(weights or {}),
    }
    start = "image" if before else "x"
    nodes = [
        *before,
        helper.make_node("Conv", [start, "conv_w", "conv_b"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["first"]),
        helper.make_node("GlobalAveragePool", ["first"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Gemm", ["flat", "dense"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", dtype, ["batch", *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(np.asarray(w, np.float32), name) for name, w in given.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, metadata or {})
    onnx.save(model, path)
    return path


def npy(path, pixels, labels):
    np.save(path.with_name("test_images.npy"), pixels)
    np.save(path.with_name("test_labels.npy"), labels)
    return path.with_name("test_images.npy")


class OfPictures(torch.utils.data.Dataset):
    def __init__(self, pixels, labels):
        self.pixels, self.labels = pixels, labels

    def __len__(self):
        return len(self.pixels)

    def __getitem__(self, number):
        return Image.fromarray(self.pixels[number]), torch.tensor(self.labels[number])


class OfTensors(OfPictures):
    """Items as ToTensor and Normalize make them."""

    def __getitem__(self, number):
        image = torch.from_numpy(self.pixels[number]).permute(2, 0, 1).float().div(255)
        return image.sub_(torch.from_numpy(MEAN)).div_(torch.from_numpy(STD)), self.labels[number]


def expected(pixels):
    """Return what torchvision's ToTensor and Normalize make of pixels (N, H, W, C)."""
    return ((pixels.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)) - MEAN) / STD
