"""One converted example for all tests, and a tiny network that converts in milliseconds."""

from __future__ import annotations

import os
from dataclasses import replace
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest
from support.places import EXAMPLES

from spinn_convert.conversion.method import PAPER
from spinn_convert.conversion.steps import converted, folded
from spinn_convert.files.data import load_dataset
from spinn_convert.model.load import load

if processes := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):
    # They share the cores; torch, which is imported after this, would take all of them in each.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
NEEDED = {"nest": ("nest", "pyNN"), "spinnaker": ("spynnaker", "unicorn")}
"""Packages by marker."""
CALIBRATION = 500
"""Images of the example; its own 2,000 change no result here, and take four times as long."""


def pytest_runtest_setup(item):
    """Skip what needs a simulator that is not installed."""
    for marker, packages in NEEDED.items():
        missing = [name for name in packages if find_spec(name) is None]
        if missing and item.get_closest_marker(marker):
            pytest.skip(f"{', '.join(missing)} is not installed")


@pytest.fixture(scope="session")
def example():
    """Model, layers, dataset and network of the shipped ResNet-18, by the paper's conversion."""
    path = EXAMPLES / "resnet18.onnx"
    model, layers = folded(load(path), PAPER)
    data = load_dataset(path.with_suffix(".npz"), model.image_shape, 10)
    network = converted(model, data.calibration[:CALIBRATION], PAPER, 2)
    return model, layers, data, network


@pytest.fixture(scope="session")
def images(example):
    """The first 200 test images, normalised, and their labels."""
    _, _, data, _ = example
    return data.images[:200], data.labels[:200]


@pytest.fixture
def write_model(tmp_path):
    """Return a function that writes a small ONNX model from nodes and weights."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    def write(nodes, weights, shape=(1, 6, 5), name="tiny.onnx"):
        graph = helper.make_graph(
            nodes,
            "tiny",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", *shape])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(np.asarray(w), key) for key, w in weights.items()],
        )
        path = tmp_path / name
        opset = [helper.make_opsetid("", 17)]
        onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
        return path

    return write


@pytest.fixture
def method():
    """The paper's extended conversion, dead channels allowed."""
    return replace(PAPER, dead_channels="layer")


@pytest.fixture
def command(monkeypatch, capfd):
    """Return a function that runs the command line in this process, as a user's shell would."""
    from spinn_convert.cli.main import main

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["spinn-convert", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        return SimpleNamespace(returncode=ended.value.code, stdout=out, stderr=err)

    return run
