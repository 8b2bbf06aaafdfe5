"""Max pooling by difference neurons: exact in rate, the same spikes everywhere, or the mean."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.networks import pooled_model

from spinn_convert.backends.nest import backend as nest
from spinn_convert.backends.reference import backend as reference
from spinn_convert.conversion.convert import convert
from spinn_convert.conversion.fold import fold
from spinn_convert.conversion.method import PAPER
from spinn_convert.conversion.steps import folded
from spinn_convert.jobs import run as job
from spinn_convert.jobs.prepare import Source, prepare
from spinn_convert.jobs.recipe import Recipe
from spinn_convert.linear.ops import Input, MaxPool, Relu, pooled_shape
from spinn_convert.model.graph import Graph, Node
from spinn_convert.network.recording import Settings, Stimulus

SHAPE = (4, 12, 12)
POOLS = {
    "2x2": MaxPool((2, 2), (2, 2)),
    "3x3 with padding": MaxPool((3, 3), (2, 2), pads=(1, 1, 1, 1)),
    "2x3 dilated": MaxPool((2, 3), (1, 2), (2, 1), (0, 1, 1, 0)),
    "6x6": MaxPool((6, 6), (6, 6)),
}


def pooling(pool):
    """Return a network of one input neuron per pixel, whose trains are regular, and the pooling."""
    shape = pooled_shape(pool, SHAPE)
    nodes = (
        Node("x", Input(), (), SHAPE),
        Node("r", Relu(), ("x",), SHAPE),
        Node("y", pool, ("r",), shape),
    )
    layers = fold(Graph(nodes, ("y",)))
    scales = {layer.name: np.ones(1, np.float32) for layer in layers}
    return convert(layers, scales, PAPER, {})


def maximum(pool, x):
    top, left, bottom, right = pool.pads
    padded = torch.nn.functional.pad(torch.from_numpy(x), (left, right, top, bottom), value=-9.0)
    return torch.nn.functional.max_pool2d(
        padded, pool.kernel, pool.stride, 0, pool.dilation
    ).numpy()


def rates(count):
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, (count, *SHAPE)).astype(np.float32)
    return np.where(rng.random(x.shape) < 0.3, np.float32(0), x)


@pytest.mark.parametrize("steps", [64, 128, 256])
@pytest.mark.parametrize("name", POOLS)
def test_rate_of_the_maximum_has_an_error_of_half_a_spike(name, steps):
    network, x = pooling(POOLS[name]), rates(4)
    settings = Settings(network.readouts[0].release + steps, threads=2)
    rate = reference.run(network, Stimulus(x), settings).readout["y"][:, -1] / steps
    assert np.abs(rate - maximum(POOLS[name], x)).mean() <= 0.5 / steps


@pytest.mark.slow
@pytest.mark.nest
@pytest.mark.parametrize("steps", [64, 128, 256])
def test_nest_pools_as_the_reference_does(steps):
    network, x = pooling(POOLS["3x3 with padding"]), rates(1)
    record = tuple(p.name for p in network.spiking)
    settings = Settings(network.readouts[0].release + steps, threads=2, record=record)
    on_nest = nest.run(network, Stimulus(x), settings)
    rate = on_nest.readout["y"][:, -1] / steps
    assert np.abs(rate - maximum(POOLS["3x3 with padding"], x)).mean() <= 0.5 / steps
    expected = reference.run(network, Stimulus(x), settings)
    for name in record:
        assert np.array_equal(on_nest.spikes[name], expected.spikes[name]), name


def test_a_window_takes_one_neuron_less_than_it_has_elements():
    def differences(pool):
        return sum(p.size for p in pooling(pool).spiking if p.name != "r")

    assert differences(POOLS["2x2"]) == 3 * 4 * 6 * 6
    assert differences(MaxPool((3, 3), (3, 3))) == 8 * 4 * 4 * 4


@pytest.mark.parametrize(("max_pool", "populations"), [("spiking", 3), ("average", 1)])
def test_means_replace_maxima_only_where_they_are_asked_for(
    write_model, tmp_path, max_pool, populations
):
    path = pooled_model(write_model)
    x = np.random.default_rng(1).standard_normal((20, 1, 6, 5)).astype(np.float32)
    arrays = {"images": x, "calibration_images": x, "labels": np.zeros(20, int)}
    np.savez(path.with_suffix(".npz"), **arrays)
    method = replace(PAPER, max_pool=max_pool)
    source = Source(path, recipe=Recipe(method))
    outcome = job.execute(job.RunOptions(source, steps=100, out=tmp_path / "out"))
    assert len(outcome.network.spiking) == populations
    assert outcome.report["settings"]["max_pool"] == max_pool
    given = prepare(source).model  # whose answers the network is scored against
    converted, _ = folded(given, method)
    for model, pools in ((given, 1), (converted, int(max_pool == "spiking"))):
        found = [node.op_type for node in model.source.proto.graph.node]
        assert found.count("MaxPool") == pools
