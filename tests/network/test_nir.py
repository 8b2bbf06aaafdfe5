"""A graph of NIR, run by nirtorch, fires the spikes of the reference and answers as it does."""

from __future__ import annotations

from dataclasses import replace

import nir
import numpy as np
import pytest
from onnx import helper
from support.networks import classifier, pooled_model, small_network
from support.nir_simulator import simulated

from spinn_convert.backends.reference import backend as reference
from spinn_convert.conversion.convert import convert
from spinn_convert.conversion.fold import Layer
from spinn_convert.conversion.method import PAPER, Method
from spinn_convert.conversion.steps import converted
from spinn_convert.errors import BackendError
from spinn_convert.linear.maps import LinearMap, on_grid
from spinn_convert.linear.ops import Conv, Gather
from spinn_convert.model.load import load
from spinn_convert.network.copies import multiplied
from spinn_convert.network.nir_graph import terms
from spinn_convert.network.readout import activations, starts
from spinn_convert.network.recording import Settings, Stimulus

SYNCHRONOUS_STEPS = 40


def on_grids(network, values):
    """Return the network and its input such that input currents are exact: no rounding differs."""
    projections = tuple(
        replace(p, map=rounded(p.map, 6)) if p.source == network.input.name else p
        for p in network.projections
    )
    populations = tuple(replace(p, bias=on_grid(p.bias, 10)) for p in network.populations)
    network = replace(network, projections=projections, populations=populations)
    return network, on_grid(values, 4)


def rounded(linear, bits):
    (op,) = linear.ops
    return LinearMap(linear.in_shape, (replace(op, weight=on_grid(op.weight, bits)),))


def assert_same_spikes(network, values, tmp_path):
    """Write, read, and simulate; compare with the reference, each layer shifted by its depth."""
    network, values = on_grids(network, values)
    steps = SYNCHRONOUS_STEPS + network.depth
    nir.write(tmp_path / "network.nir", network.to_nir(steps))
    graph = nir.read(tmp_path / "network.nir")
    spikes, outputs = simulated(graph, values)
    names = tuple(p.name for p in network.spiking)
    recording = reference.run(network, Stimulus(values), Settings(steps, record=names))
    for p in network.spiking:
        wanted = np.zeros((steps, len(values), p.size), bool)
        image, step, neuron = recording.spikes[p.name].T
        wanted[step, image, neuron] = True
        found = spikes[p.name]
        assert len(found) == SYNCHRONOUS_STEPS
        assert np.array_equal(found, wanted[p.depth : p.depth + SYNCHRONOUS_STEPS]), p.name
        assert found.any()
    (readout,) = network.readouts
    potential = recording.readout[readout.name].reshape(len(values), steps, -1)
    read_out = str(graph.metadata["read_out"])
    begins = starts(read_out, readout.release, steps)
    wanted = activations(potential, begins, readout.release)[:, -1]
    mean = outputs[graph.nodes["output"].metadata["mean_from_step"] :].mean(0)
    np.testing.assert_allclose(mean, wanted, rtol=1e-4, atol=1e-4)
    return graph


def small_values(shape, count=6):
    return np.random.default_rng(3).standard_normal((count, *shape)).astype(np.float32)


@pytest.mark.parametrize("clamp_delay", [0, 1, 3])
def test_shortcuts_and_clamps(clamp_delay, tmp_path):
    assert_same_spikes(small_network(clamp_delay), small_values((2, 6, 6)), tmp_path)


def test_copies_share_their_weights(tmp_path):
    network = multiplied(small_network(), 3, 2)
    graph = assert_same_spikes(network, small_values((2, 6, 6)), tmp_path)
    kinds = [type(node) for node in graph.nodes.values()]
    assert kinds.count(nir.IF) == 6
    assert kinds.count(nir.Conv2d) == 2
    stored = tmp_path / "network.npz"
    network.save(stored)  # where every projection has a map of its own
    assert len(network.load(stored).to_nir().nodes) == len(graph.nodes)


@pytest.mark.slow
@pytest.mark.parametrize("model", [classifier, pooled_model], ids=lambda f: f.__name__)
@pytest.mark.parametrize(
    "method",
    [Method(dead_channels="layer"), Method(reset="constant", potentials="fixed"), PAPER],
    ids=["default", "constant reset", "paper"],
)
def test_converted_models(model, method, write_model, tmp_path):
    """Uneven strides, max pooling by difference neurons, means, and dense layers."""
    loaded = load(model(write_model))
    images = small_values((1, 6, 5), 30)
    network = converted(loaded, images, replace(method, dead_channels="layer"), 1)
    graph = assert_same_spikes(network, images[:6], tmp_path)
    resets = {str(n.metadata["reset"]) for n in graph.nodes.values() if isinstance(n, nir.IF)}
    assert resets == {"constant" if method.reset == "constant" else "subtract"}


def test_terms_are_the_projections():
    network = multiplied(small_network(), 2, 1)
    found = [(s, t.name) for term in terms(network) for s in term.sources for t in term.targets]
    assert sorted(found) == sorted((p.source, p.target) for p in network.projections)


def test_names_that_a_file_cannot_have(write_model, tmp_path):
    network = small_network()
    new = {"first": "/layer.1/Relu", "second": "_layer_1_Relu", "x": "output", "out": "if"}
    populations = tuple(replace(p, name=new[p.name]) for p in network.populations)
    projections = tuple(
        replace(p, source=new[p.source], target=new[p.target]) for p in network.projections
    )
    renamed = replace(network, populations=populations, projections=projections)
    assert_same_spikes(renamed, small_values((2, 6, 6)), tmp_path)


def test_several_outputs_are_several_nodes():
    network = small_network()
    out = network.readouts[0]
    twin = [replace(p, target="more") for p in network.projections if p.target == "out"]
    several = replace(
        network,
        populations=(*network.populations, replace(out, name="more", scale=out.scale * 2)),
        projections=(*network.projections, *twin),
    )
    graph = several.to_nir()
    assert {"out", "more"} == set(graph.outputs)
    pair = graph.nodes["out_from_first"], graph.nodes["more_from_first"]
    assert np.allclose(2 * pair[0].weight, pair[1].weight)


def refused(network):
    with pytest.raises(BackendError) as told:
        network.to_nir()
    return told.value.problems


def layered(linear, bias=None, more=()):
    """Return a network with one map between two spiking populations."""
    image = LinearMap((2, 4, 4), (Conv(np.ones((2, 2, 1, 1), np.float32)),))
    layers = [
        Layer("x", "input", (2, 4, 4)),
        Layer("first", "spiking", (2, 4, 4), (("x", image),)),
        Layer("second", "spiking", linear.out_shape, (("first", linear),), bias),
        Layer("out", "readout", linear.out_shape, (("second", LinearMap(linear.out_shape)),)),
    ]
    scales = {name: np.ones(1, np.float32) for name in ("first", "second")}
    return convert(layers, scales, PAPER, {})


def test_what_nir_cannot_say():
    rows = np.arange(32, dtype=np.int32).reshape(2, 4, 4).repeat(2, 1).repeat(2, 2)
    (problem,) = refused(layered(LinearMap((2, 4, 4), (Gather(rows.ravel(), rows.shape),))))
    assert problem.where == "first -> second"
    assert problem.what == (
        "does not treat all places alike; NIR has convolutions and matrices only"
    )
    bias = np.arange(32, dtype=np.float32).reshape(2, 4, 4)
    (problem,) = refused(layered(LinearMap((2, 4, 4)), bias))
    assert (problem.where, "bias per neuron" in problem.what) == ("second", True)


def test_delays_that_are_not_those_of_the_layers():
    network = small_network()
    later = [replace(p, delay=p.delay + 1) for p in network.projections]
    problems = refused(replace(network, projections=tuple(later)))
    assert [p.where for p in problems] == ["first -> second", "first -> out", "second -> out"]


def test_too_few_steps():
    with pytest.raises(BackendError, match="give 3 or more"):
        small_network().to_nir(2)


def test_input_that_is_a_vector(write_model, tmp_path):
    nodes = [
        helper.make_node("Gemm", ["x", "w"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Gemm", ["b", "v"], ["y"]),
    ]
    rng = np.random.default_rng(0)
    arrays = {"w": rng.normal(0, 1, (7, 9)), "v": rng.normal(0, 1, (9, 3))}
    loaded = load(write_model(nodes, {k: v.astype(np.float32) for k, v in arrays.items()}, (7,)))
    images = small_values((7,), 30)
    network = converted(loaded, images, Method(dead_channels="layer"), 1)
    assert_same_spikes(network, images[:5], tmp_path)
