"""Small networks for tests that need one to exist, not to be good."""

from __future__ import annotations

import numpy as np
from onnx import helper

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
