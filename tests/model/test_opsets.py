"""Files of every opset are read, calibrated and verified, in the layouts of their time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from support.onnx_opsets import SHAPE, newest_opset, written_at
from support.onnx_oracle import by_onnxruntime

from spinn_convert.conversion.method import PAPER
from spinn_convert.conversion.steps import converted, folded
from spinn_convert.conversion.verify import verify
from spinn_convert.model import host
from spinn_convert.model.load import load
from spinn_convert.model.source.check import OLDEST_OPSET
from spinn_convert.network import rate
from spinn_convert.results.decode import decoder

OPSETS = range(OLDEST_OPSET, newest_opset() + 1)
LENIENT = replace(PAPER, dead_channels="layer")


@pytest.mark.slow
@pytest.mark.parametrize("opset", OPSETS)
def test_a_file_of_every_opset_is_converted_and_verified(opset, tmp_path):
    assert_converted(written_at(opset), "spiking", tmp_path / "network.onnx")


@pytest.mark.parametrize("opset", [OPSETS[0], OPSETS[-1]])
def test_the_mean_replaces_max_pooling_in_old_and_new_opsets(opset, tmp_path):
    assert_converted(written_at(opset), "average", tmp_path / "network.onnx")


def test_weights_are_inputs_as_in_the_first_onnx_zoo(tmp_path):
    proto = written_at(7, weights_as_inputs=True)
    assert proto.ir_version == 3
    assert_converted(proto, "spiking", tmp_path / "network.onnx")


def assert_converted(proto, max_pool, path):
    onnx.checker.check_model(proto)
    onnx.save(proto, path)
    images = np.random.default_rng(1).standard_normal((6, *SHAPE)).astype(np.float32)
    method = replace(LENIENT, max_pool=max_pool)
    model, layers = folded(load(path), method)
    network = converted(load(path), images, method, 1)
    assert verify(model, layers, network, 3 * images, 1) <= 1e-5
    if max_pool == "spiking":
        (rates,) = rate.rates(network, host.core_input(model, images, 1), clip=False)
        found = decoder(model, network, 1)(rates, images)
        (wanted,) = by_onnxruntime(proto, {"x": images})
        assert np.abs(found - wanted).max() < 1e-5
