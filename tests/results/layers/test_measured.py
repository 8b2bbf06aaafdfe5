"""Rates, hybrids of SNN and ANN, and potentials, each beside what computes it in another way."""

from __future__ import annotations

import numpy as np
import pytest
from support.networks import small_network

from spinn_convert.backends.reference import backend as reference
from spinn_convert.network import rate
from spinn_convert.network.copies import multiplied
from spinn_convert.network.recording import Settings, Stimulus
from spinn_convert.results.layers.hybrid import outputs_behind
from spinn_convert.results.layers.measure import spiking_groups, study
from spinn_convert.results.layers.traces import RASTERED, TRACED, traces, weights_onto

STEPS = 200


@pytest.fixture(scope="module")
def values():
    return np.random.default_rng(3).standard_normal((4, 2, 6, 6)).astype(np.float32)


@pytest.fixture(scope="module", params=[1, 3], ids=["single", "copies"])
def network(request):
    return multiplied(small_network(), copies=request.param, layers=1)


@pytest.fixture(scope="module")
def recording(network, values):
    everything = tuple(p.name for p in network.spiking)
    return reference.run(network, Stimulus(values), Settings(STEPS, record=everything))


def test_errors_shrink_as_one_over_the_steps(network, values, recording):
    everything = tuple(p.name for p in network.spiking)
    longer = reference.run(network, Stimulus(values), Settings(10 * STEPS, record=everything))
    short, long = (study(network, values, r, "all", 1).layers for r in (recording, longer))
    for few, many in zip(short, long):
        rounding = [np.sqrt(max(x.error**2 - x.clipping**2, 0)) for x in (few, many)]
        assert rounding[1] < 0.2 * rounding[0] + 0.01
        assert few.clipping == many.clipping


def test_spikes_and_events_are_those_that_are_counted(network, values, recording):
    layers = study(network, values, recording, "all", 1).layers
    total = sum(len(rows) for rows in recording.spikes.values()) / len(values)
    assert sum(layer.spikes for layer in layers) == pytest.approx(total)
    events = recording.synaptic_events.mean()
    assert sum(layer.events for layer in layers) == pytest.approx(events)


def test_the_ann_goes_on_from_its_own_activations_to_its_own_outputs(network, values):
    (own,) = rate.rates(network, values, clip=False)
    groups = spiking_groups(network)
    rates = {g[0].name: own[g[0].name] / rate.columns(g[0]) for g in groups}
    cuts = list(outputs_behind(network, values, rates, 1))
    assert [cut for cut, _ in cuts] == [None, *(group[0].name for group in groups)]
    for _, outputs in cuts:
        np.testing.assert_allclose(outputs["out"], own["out"], rtol=1e-4, atol=1e-5)


def test_the_last_cut_gives_what_the_outputs_get_from_the_rates(network, values, recording):
    """The potential of an output after T steps is the sum of what arrived."""
    found = study(network, values, recording, "all", 1)
    (*_, (_, outputs)) = outputs_behind(network, values, found.rates, 1)
    read = recording.readout["out"][:, -1] / (STEPS - network.readouts[0].release)
    assert np.abs(outputs["out"] - read).max() < 0.02 * np.abs(read).max()


def test_weights_onto_a_neuron_are_a_row_of_the_matrix(network):
    import torch

    from spinn_convert.linear.maps import apply

    for projection in network.synaptic():
        unit = torch.eye(int(np.prod(projection.map.in_shape)))
        matrix = apply(projection.map, unit.reshape(-1, *projection.map.in_shape)).flatten(1)
        row = weights_onto(projection.map, 2)
        np.testing.assert_allclose(row.ravel(), matrix[:, 2].numpy(), atol=1e-6)


def test_potentials_reach_the_threshold_where_there_are_spikes_and_nowhere_else(
    network, values, recording
):
    for trace in traces(network, values, recording, image=1):
        assert 0 < len(trace.neurons) <= RASTERED
        assert trace.potentials.shape == (min(TRACED, len(trace.neurons)), STEPS)
        rows = recording.spikes[trace.name]
        for number, potential in enumerate(trace.potentials):
            neuron = trace.neurons[number]
            mine = rows[(rows[:, 0] == 1) & (rows[:, 2] == neuron), 1]
            drawn = trace.spikes[trace.spikes[:, 1] == number, 0]
            np.testing.assert_array_equal(drawn, mine)
            fired = np.isin(np.arange(STEPS), mine)
            assert (potential[fired] > -1e-3).all()
            assert (potential[~fired] < 1 + 1e-3).all()
