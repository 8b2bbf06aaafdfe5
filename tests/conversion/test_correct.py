"""Corrected potentials and biases: no channel spikes too often, and every simulator takes them."""

from dataclasses import replace

import numpy as np
import pytest
from support.networks import small_network

from spinn_convert.backends.nest import backend as nest
from spinn_convert.backends.reference import backend as reference
from spinn_convert.conversion import correct as potentials
from spinn_convert.network import rate
from spinn_convert.network.recording import Settings, Stimulus

STEPS = 12


@pytest.fixture
def values():
    """The core's input of twenty images."""
    return np.random.default_rng(5).standard_normal((20, 2, 6, 6)).astype(np.float32)


def mean_error(network, values, steps):
    """Return by how many spikes each channel of the second layer is wrong, after `steps`."""
    release = next(p.release for p in network.populations if p.name == "second")
    depth = next(p.depth for p in network.populations if p.name == "second")
    total = max(p.release for p in network.readouts) - network.depth + depth + steps
    settings = Settings(total, record=("second",))
    spikes = reference.run(network, Stimulus(values), settings).spikes["second"]
    counts = np.bincount(spikes[:, 2] // 36, minlength=4) / len(values) / 36
    (chunk,) = rate.rates(small_network(), values, clip=True)
    wanted = chunk["second"].mean((0, 2, 3)) / 2.5
    return (total - release) * wanted - counts


@pytest.mark.parametrize("clamp_delay", [0, 1])
@pytest.mark.parametrize("per", ["channel", "neuron"])
def test_no_channel_spikes_too_often_at_the_horizon(values, clamp_delay, per):
    network = small_network(clamp_delay)
    corrected = potentials.correct(network, values, STEPS, per)
    before, after = (mean_error(n, values, STEPS) for n in (network, corrected))
    assert before.min() < -0.05
    assert after.min() > 0.35 * before.min()
    second = next(p for p in corrected.populations if p.name == "second")
    assert second.v_init.shape == ((4, 1, 1) if per == "channel" else (4, 6, 6))
    assert second.v_init.max() < 1
    assert np.all((second.v_init * 2 ** (network.bits + 1)) % 2 == 1)  # between two grid points


@pytest.mark.parametrize("per", ["channel", "neuron"])
def test_potentials_are_not_raised(values, per):
    network = small_network()
    tiny = np.float32(2.0 ** -(network.bits + 1))
    low = tuple(replace(p, v_init=0 * p.v_init + tiny) for p in network.populations)
    network = replace(network, populations=low)
    assert mean_error(network, values, STEPS).min() > 0.02
    corrected = potentials.correct(network, values, STEPS, per)
    for old, new in zip(network.populations, corrected.populations):
        assert np.all(new.v_init <= old.v_init)
        assert per == "neuron" or np.all(new.v_init == old.v_init)


def test_bias_takes_the_error_per_step(values):
    network = small_network()
    corrected = potentials.correct(network, values, STEPS, "fixed", bias=True)
    assert (
        np.abs(mean_error(corrected, values, STEPS)).max()
        < 0.35 * np.abs(mean_error(network, values, STEPS)).max()
    )
    for old, new in zip(network.populations, corrected.populations):
        assert np.array_equal(old.v_init, new.v_init)
        assert (old.name == "second") == (not np.array_equal(old.bias, new.bias))


def test_threads_and_what_was_seen_before_change_nothing(values):
    one, two = (
        potentials.correct(small_network(), values, STEPS, "channel", True, threads)
        for threads in (1, 2)
    )
    for a, b in zip(one.populations, two.populations):
        assert np.array_equal(a.v_init, b.v_init)
        assert np.array_equal(a.bias, b.bias)


@pytest.mark.nest
@pytest.mark.parametrize("per", ["channel", "neuron"])
def test_nest_fires_the_same_spikes(values, per):
    network = potentials.correct(small_network(), values, STEPS, per, bias=True)
    settings = Settings(20, record=("second",))
    ours, theirs = (b.run(network, Stimulus(values[:3]), settings) for b in (reference, nest))
    assert np.array_equal(ours.spikes["second"], theirs.spikes["second"])
    assert np.array_equal(ours.readout["out"], theirs.readout["out"])
