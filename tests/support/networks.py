"""Small networks for tests that need one to exist, not to be good."""

from __future__ import annotations

import numpy as np
from onnx import helper
from onnxruntime import InferenceSession

from spinn_convert.conversion.convert import convert
from spinn_convert.conversion.fold import Layer
from spinn_convert.conversion.method import PAPER
from spinn_convert.linear.maps import LinearMap
from spinn_convert.linear.ops import Conv, Dense, Floats


def small_network(clamp_delay=0):
    """Two layers of convolutions, with a shortcut around the second, and a dense output."""
    rng = np.random.default_rng(0)

    def conv(source, target, gain):
        weight = (gain * rng.standard_normal((target, source, 3, 3))).astype(np.float32)
        return LinearMap((source, 6, 6), (Conv(weight, (1, 1), (1, 1), (1, 1, 1, 1), 1),))

    bias: Floats = rng.standard_normal((4, 1, 1)).astype(np.float32) / 8
    dense = (rng.standard_normal((3, 144)) / 8).astype(np.float32)
    flat = LinearMap((4, 6, 6), (Dense(dense),))
    layers = [
        Layer("x", "input", (2, 6, 6)),
        Layer("first", "spiking", (4, 6, 6), (("x", conv(2, 4, 0.2)),), bias),
        Layer("second", "spiking", (4, 6, 6), (("first", conv(4, 4, 0.2)),), bias),
        Layer("out", "readout", (3,), (("first", flat), ("second", flat))),
    ]
    method = PAPER.__class__(**{**PAPER.__dict__, "clamp_delay": clamp_delay})
    scales = {name: np.full(1, 2.5, np.float32) for name in ("first", "second")}
    return convert(layers, scales, method, {})


def pooled_model(write_model):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MaxPool", ["b"], ["c"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["c"], ["d"]),
        helper.make_node("Flatten", ["d"], ["e"]),
        helper.make_node("Gemm", ["e", "v"], ["y"]),
    ]
    rng = np.random.default_rng(0)
    shapes = {"w": (4, 1, 3, 3), "v": (4, 3)}
    weights = {name: rng.normal(0, 1, shape).astype(np.float32) for name, shape in shapes.items()}
    return write_model(nodes, weights)


def classifier(write_model):
    """Two convolutions with ReLU, and a dense layer of three classes, each of which is found."""
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["first"]),
        helper.make_node("Conv", ["first", "v"], ["c"], strides=[2, 2]),
        helper.make_node("Relu", ["c"], ["second"]),
        helper.make_node("Flatten", ["second"], ["e"]),
        helper.make_node("Gemm", ["e", "u"], ["y"]),
    ]
    rng = np.random.default_rng(0)
    shapes = {"w": (4, 1, 3, 3), "b": (4,), "v": (5, 4, 3, 3), "u": (20, 3)}
    weights = {name: rng.normal(0, 1, shape).astype(np.float32) for name, shape in shapes.items()}
    return write_model(nodes, weights)


def with_images(path, count=40, **changed):
    """Write random images beside a model of (1, 6, 5), labelled as it answers; return its path."""
    images = np.random.default_rng(1).standard_normal((count, 1, 6, 5)).astype(np.float32)
    session = InferenceSession(path, providers=["CPUExecutionProvider"])
    labels = session.run(None, {"x": images})[0].argmax(1)
    arrays = {"images": images, "calibration_images": images, "labels": labels}
    np.savez(path.with_suffix(".npz"), **{**arrays, **changed})
    return path
