"""Whole networks, as users export them, compute what onnxruntime computes."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_variants import SHAPE, VARIANTS
from torch_networks import NETWORKS, export, trained

from spinn_convert import host, pipeline, rate
from spinn_convert.convert import Method
from spinn_convert.decode import decoder
from spinn_convert.verify import verify

LENIENT = Method(percentile=100, normalisation="layer", dead_channels="layer")


def converted(path, image_shape, count=4):
    """Return model, layers, network and the images that gave it its scales."""
    images = np.random.default_rng(0).standard_normal((count, *image_shape)).astype(np.float32)
    model, layers = pipeline.read(path, None, "spiking")
    return model, layers, pipeline.calibrated(model, layers, images, LENIENT, 2), images


def file_outputs(model, images):
    """Return the file's first output, and that of the unclipped rate network."""
    names = [name for name, _ in model.outputs]
    wanted = np.concatenate([batch[0] for batch in host.tensors(model, images, names, 2)])
    values = host.core_input(model, images, 2)
    return wanted, values


def assert_same_function(model, layers, network, images, tolerance=1e-4):
    wanted, values = file_outputs(model, images)
    (rates,) = rate.rates(network, values, clip=False)
    found = decoder(model, network, 2)(rates, images)
    assert found.shape == wanted.reshape(len(images), -1).shape
    error = np.abs(found - wanted.reshape(found.shape)).max() / np.abs(wanted).max()
    assert error <= tolerance
    assert verify(model, layers, network, images, 2) <= tolerance


@pytest.mark.parametrize("dynamo", [False, True], ids=["torchscript", "dynamo"])
@pytest.mark.parametrize("name", NETWORKS)
def test_network_equals_onnxruntime(name, dynamo, tmp_path):
    shape = (48, 48, 3) if name == "channels last" else (3, 64, 64)
    path = export(trained(name), tmp_path / "network.onnx", shape, dynamo)
    assert_same_function(*converted(path, shape))


@pytest.mark.parametrize("name", VARIANTS)
def test_network_is_read_however_it_was_exported(name, tmp_path):
    path = VARIANTS[name](tmp_path / "network.onnx")
    images = np.random.default_rng(0).uniform(0, 255, (4, *SHAPE)).round().astype(np.float32)
    images = images if name == "bytes" else images / 128 - 1
    model, layers = pipeline.read(path, None, "spiking")
    network = pipeline.calibrated(model, layers, images, LENIENT, 2)
    tolerance = 1e-2 if name == "float16" else 1e-4
    assert_same_function(model, layers, network, images, tolerance)
    before = {"bytes": ("Cast", "Mul", "Sub"), "float16": ("Cast",)}
    assert model.before == before.get(name, ())
