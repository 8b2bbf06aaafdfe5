"""The converted example computes what onnxruntime computes, before any spike."""

import numpy as np
import pytest
import torch

from spinn_convert.linear.maps import apply, matrix
from spinn_convert.model.host import tensors as run
from spinn_convert.network import rate, store
from spinn_convert.network.records import neurons, synapse_counts


def test_unclipped_rates_equal_onnxruntime(example, images):
    model, _, _, network = example
    values = images[0][:20]
    ann = np.concatenate([out[0] for out in run(model, values, ["logits"], 2)])
    rates = np.concatenate([c["logits"] for c in rate.rates(network, values, clip=False)])
    assert np.abs(rates - ann).max() <= 1e-5 * np.abs(ann).max()


@pytest.mark.slow
def test_every_projection_matrix_equals_onnxruntime(example, images):
    """relu(sum of matrices times the sources' activations + bias) is onnxruntime's tensor."""
    model, _, _, network = example
    names = [p.name for p in network.populations if p.kind != "input"]
    tensors = dict(zip(names, next(run(model, images[0][:2], names, 2))))
    tensors[network.input.name] = images[0][:2]
    for population in network.populations:
        if population.kind == "input":
            continue
        total = np.broadcast_to(population.bias, (2, *population.shape)).reshape(2, -1)
        for projection in network.incoming(population):
            source = next(p for p in network.populations if p.name == projection.source)
            rates = (tensors[source.name] / rate.columns(source)).reshape(2, -1)
            total = total + (matrix(projection.map) @ rates.T).T
        if population.kind == "spiking":
            total = np.maximum(total, 0)
        values = total.reshape(2, *population.shape) * rate.columns(population)
        wanted = tensors[population.name]
        assert np.abs(values - wanted).max() <= 1e-5 * max(1, np.abs(wanted).max())


def test_the_example_has_the_published_size(example):
    network = example[3]
    assert neurons(network) == 108_554
    assert network.depth == 17
    assert 23_900_000 < sum(synapse_counts(network).values()) <= 24_039_616


def test_network_is_the_same_after_saving_and_loading(example, images, tmp_path):
    network = example[3]
    store.save(network, tmp_path / "network.npz")
    loaded = store.load(tmp_path / "network.npz")
    x = torch.from_numpy(images[0][:2])
    assert [p.name for p in loaded.populations] == [p.name for p in network.populations]
    for a, b in zip(network.projections, loaded.projections):
        assert (a.source, a.target, a.delay) == (b.source, b.target, b.delay)
    first = network.projections[0].map
    assert torch.equal(apply(first, x), apply(loaded.projections[0].map, x))
