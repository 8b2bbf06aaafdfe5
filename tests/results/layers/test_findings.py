"""A network that is spoiled on purpose is told its cause; a good one is left alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from onnx import helper

from spinn_convert.backends.board import plan
from spinn_convert.conversion.method import Method
from spinn_convert.conversion.steps import converted
from spinn_convert.model.load import load
from spinn_convert.network.timing import default_read_out, default_steps
from spinn_convert.results.layers.evidence import gather
from spinn_convert.results.layers.findings import findings, lost_at
from spinn_convert.results.layers.subject import Subject

METHOD = Method(copies=1)
LAYERS, CHANNELS, CLASSES = 5, 8, 10


def nodes_of():
    """Return a chain of convolutions, each behind the other, and a dense layer of ten classes."""
    nodes, source = [], "x"
    for number in range(LAYERS):
        nodes += [
            helper.make_node(
                "Conv", [source, f"w{number}", f"b{number}"], [f"c{number}"], pads=[1] * 4
            ),
            helper.make_node("Relu", [f"c{number}"], [f"relu{number}"]),
        ]
        source = f"relu{number}"
    nodes += [
        helper.make_node("GlobalAveragePool", [source], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "u"], ["y"]),
    ]
    return nodes


def weights_of():
    rng = np.random.default_rng(0)
    weights = {"u": 4 * rng.standard_normal((CHANNELS, CLASSES)).astype(np.float32)}
    for number in range(LAYERS):
        size = (CHANNELS, CHANNELS if number else 1, 3, 3)
        spread = np.sqrt(2 / np.prod(size[1:]))
        weights[f"w{number}"] = (spread * rng.standard_normal(size)).astype(np.float32)
        weights[f"b{number}"] = (0.1 * rng.standard_normal(CHANNELS)).astype(np.float32)
    return weights


@pytest.fixture
def images():
    """Noise on patches, so that neighbouring pixels are alike."""
    rng = np.random.default_rng(1)
    patches = np.kron(rng.standard_normal((300, 1, 4, 4)), np.ones((3, 3)))
    return (patches + rng.standard_normal((300, 1, 12, 12))).astype(np.float32)


@pytest.fixture
def model(write_model):
    return load(write_model(nodes_of(), weights_of(), shape=(1, 12, 12)))


def seen(model, network, images, steps=None, backend="reference"):
    steps = steps or default_steps(network, backend != "reference")
    subject = Subject(
        model, network, images[:20], images[:20], images[20:], default_read_out(network), 2
    )
    return gather(subject, backend, steps, 2 * steps).evidence


def causes(evidence):
    return [finding.cause for finding in findings(evidence)]


def test_a_good_network_is_left_alone(model, images):
    evidence = seen(model, converted(model, images[20:], METHOD, 2), images)
    assert causes(evidence) == []


def test_a_low_percentile(model, images):
    evidence = seen(
        model, converted(model, images[20:], replace(METHOD, percentile=90.0), 2), images
    )
    assert causes(evidence) == ["percentile"]


def test_calibration_images_of_another_kind(model, images):
    other = images[20:] * np.float32(0.3) - np.float32(0.5)
    evidence = seen(model, converted(model, other, METHOD, 2), images)
    assert causes(evidence) == ["calibration"]


def test_too_few_steps(model, images):
    evidence = seen(model, converted(model, images[20:], METHOD, 2), images, steps=8)
    assert causes(evidence) == ["steps"]


def test_a_layer_that_does_not_fire(model, images):
    network = converted(model, images[20:], METHOD, 2)
    late = tuple(
        replace(p, v_init=p.v_init - 1000) if p.name == "relu2" else p for p in network.populations
    )
    evidence = seen(model, replace(network, populations=late), images)
    assert causes(evidence) == ["silent"]


def test_a_network_that_is_no_longer_what_the_file_makes(model, images):
    network = converted(model, images[20:], METHOD, 2)
    dead = tuple(
        replace(p, bias=p.bias - 9) if p.name == "relu2" else p for p in network.populations
    )
    assert causes(seen(model, replace(network, populations=dead), images)) == ["network", "dead"]


def test_integers_that_are_too_coarse(model, images, monkeypatch):
    """As if sums of a thousand thresholds had to fit, so that weights are rounded to 1 / 64."""
    monkeypatch.setattr(plan, "most_input", lambda *_: 1000.0)
    network = converted(model, images[20:], METHOD, 2)
    assert causes(seen(model, network, images)) == []
    (finding,) = findings(seen(model, network, images, backend="spinnaker-integers"))
    assert finding.cause == "integers"
    assert "of the weights become zero" in finding.what


def test_where_the_outputs_get_worse_is_named(model, images):
    """Only relu3 fires too rarely: the layers before it are as good as ever."""
    network = converted(model, images[20:], METHOD, 2)
    late = tuple(
        replace(p, v_init=p.v_init - 6) if p.name == "relu3" else p for p in network.populations
    )
    evidence = seen(model, replace(network, populations=late), images)
    assert "between relu2 and relu3" in lost_at(evidence.cuts)
