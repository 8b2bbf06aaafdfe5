"""Whole networks, as users export them, compute what onnxruntime computes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import helper
from support.onnx_variants import SHAPE, VARIANTS
from support.torch_detector import detector
from support.torch_networks import NETWORKS, export, pooled_channels_last, trained

from spinn_convert.conversion import steps as conversion
from spinn_convert.conversion.method import PAPER
from spinn_convert.conversion.verify import verify
from spinn_convert.errors import ConversionError, ModelError
from spinn_convert.model import host
from spinn_convert.model.classes import number_of
from spinn_convert.model.load import load
from spinn_convert.network import rate
from spinn_convert.results.decode import decoder

LENIENT = replace(PAPER, percentile=100, normalisation="layer", dead_channels="layer")


def converted(path, image_shape, count=4):
    """Return model, layers, network and the images that gave it its scales."""
    images = np.random.default_rng(0).standard_normal((count, *image_shape)).astype(np.float32)
    model, layers = conversion.folded(load(path), LENIENT)
    return model, layers, conversion.converted(model, images, LENIENT, 2), images


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


@pytest.mark.slow
@pytest.mark.parametrize("dynamo", [False, True], ids=["torchscript", "dynamo"])
@pytest.mark.parametrize("name", NETWORKS)
def test_network_equals_onnxruntime(name, dynamo, tmp_path):
    shape = (48, 48, 3) if name == "channels last" else (3, 64, 64)
    path = export(trained(name), tmp_path / "network.onnx", shape, dynamo)
    assert_same_function(*converted(path, shape))


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 2, None])
@pytest.mark.parametrize("pixels_last", [False, True])
def test_channels_last_in_memory_by_the_new_exporter(pixels_last, batch, tmp_path):
    """The mean over channels-last pixels is exported as Reshape [-1] and Gather: as_strided."""
    network = pooled_channels_last(pixels_last)
    shape = (8, 9, 3) if pixels_last else (3, 8, 9)
    path = export(network, tmp_path / "network.onnx", shape, True, batch=batch)
    assert "as_strided" in "".join(node.name for node in onnx.load(path).graph.node)
    assert_same_function(*converted(path, shape))


@pytest.mark.slow
def test_a_fixed_batch_of_the_new_exporter(tmp_path):
    """Its Reshape says [2, channels]."""
    path = export(trained("pooled first"), tmp_path / "network.onnx", (3, 64, 64), True, batch=2)
    assert_same_function(*converted(path, (3, 64, 64)))


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow) if "dynamo" in n else n for n in VARIANTS],
)
def test_network_is_read_however_it_was_exported(name, tmp_path):
    path = VARIANTS[name](tmp_path / "network.onnx")
    images = np.random.default_rng(0).uniform(0, 255, (4, *SHAPE)).round().astype(np.float32)
    images = images if name == "bytes" else images / 128 - 1
    model, layers = conversion.folded(load(path), LENIENT)
    network = conversion.converted(model, images, LENIENT, 2)
    tolerance = 1e-2 if name == "float16" else 1e-4
    assert_same_function(model, layers, network, images, tolerance)
    before = {"bytes": ("Cast", "Mul", "Sub"), "float16": ("Cast",)}
    assert model.before == before.get(name, ())


@pytest.mark.slow
def test_a_whole_detector_keeps_its_own_decoding(tmp_path):
    """Everything behind the heads is the file's own ONNX: boxes, scores, suppression."""
    path = detector(tmp_path / "detector.onnx")
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (2, 3, 64, 64)).astype(np.float32)
    model, layers = conversion.folded(load(path), LENIENT)
    network = conversion.converted(model, images, LENIENT, 2)
    assert verify(model, layers, network, images, 2) <= 1e-4
    assert "NonMaxSuppression" in model.after
    assert model.before == ("Div", "Sub", "Div")
    assert len(network.readouts) == 6  # scores and boxes of three levels
    names = [name for name, _ in model.outputs]
    wanted = list(host.tensors(model, images, names, 2))
    (rates,) = rate.rates(network, host.core_input(model, images, 2), clip=False)
    decode = host.decoder(model, 2)
    for image, (corners, scores, selected) in enumerate(wanted):
        one = slice(image, image + 1)
        readouts = zip(model.graph.outputs, network.readouts)
        found = decode({name: rates[p.name][one] for name, p in readouts}, images[one])
        assert np.abs(found[0] - corners).max() <= 1e-3
        assert np.abs(found[1] - scores).max() <= 1e-4
        assert len(selected) > 5
        assert np.array_equal(found[2], selected)
    with pytest.raises(ModelError, match="one vector of logits"):
        number_of(model)


@pytest.mark.slow
def test_a_conversion_that_computes_something_else_names_where(tmp_path):
    path = export(trained("channels last"), tmp_path / "network.onnx", (48, 48, 3), False)
    model, layers, network, images = converted(path, (48, 48, 3))
    wrong = network.spiking[5]
    populations = tuple(
        replace(p, bias=p.bias + np.float32(0.01)) if p is wrong else p for p in network.populations
    )
    with pytest.raises(ConversionError, match=f"population {wrong.name} differ"):
        verify(model, layers, replace(network, populations=populations), images, 2)


def test_activations_above_a_ceiling_are_clipped_as_in_the_file(write_model):
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"]),
        helper.make_node("Clip", ["a", "low", "high"], ["b"]),
        helper.make_node("Conv", ["b", "v"], ["y"]),
    ]
    weights = {"w": (3, 1, 3, 3), "v": (2, 3, 2, 2)}
    path = write_model(
        nodes,
        {name: rng.normal(0, 1, shape).astype(np.float32) for name, shape in weights.items()}
        | {"low": np.float32(0), "high": np.float32(0.7)},
    )
    model, layers, network, images = converted(path, (1, 6, 5))
    assert float(network.spiking[0].scale.max()) <= 0.7 * (1 + 1e-6)
    assert_same_function(model, layers, network, images)
    more = 10 * images  # beyond what gave the scales: only the ceiling clips
    assert_same_function(model, layers, network, more)
