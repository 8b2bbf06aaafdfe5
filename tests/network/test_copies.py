"""Copies of the first layers: the same function, k times finer."""

from dataclasses import replace

import numpy as np
import pytest
from support.networks import small_network

from spinn_convert.backends.nest import backend as nest
from spinn_convert.backends.reference import backend as reference
from spinn_convert.conversion.convert import convert
from spinn_convert.conversion.correct import correct
from spinn_convert.conversion.fold import Layer
from spinn_convert.conversion.method import PAPER
from spinn_convert.linear.maps import LinearMap
from spinn_convert.linear.ops import Dense
from spinn_convert.network import rate
from spinn_convert.network.copies import (
    MOST_ADDED,
    MOST_LAYERS,
    affordable,
    groups,
    merged,
    multiplied,
)
from spinn_convert.network.recording import Settings, Stimulus
from spinn_convert.network.records import neurons


@pytest.mark.parametrize("copies", [2, 3])
def test_copies_change_no_rate(copies):
    network = small_network()
    values = np.random.default_rng(1).standard_normal((5, 2, 6, 6)).astype(np.float32)
    more = multiplied(network, copies, 1)
    first = next(p for p in network.populations if p.name == "first")
    assert neurons(more) == neurons(network) + (copies - 1) * first.size
    for clip in (False, True):
        (before,), (after,) = (list(rate.rates(n, values, clip)) for n in (network, more))
        assert np.abs(before["out"] - after["out"]).max() <= 1e-5 * np.abs(before["out"]).max()
        for number in range(2, copies + 1):
            assert np.array_equal(after["first"], after[f"first copy {number}"])


@pytest.mark.parametrize("copies", [2, 3, 16])
def test_layers_are_copied_while_they_are_affordable(example, copies):
    *_, network = example
    count, before = affordable(network, copies), neurons(network)
    added = [neurons(multiplied(network, copies, n)) / before - 1 for n in (count, count + 1)]
    assert count == 1 or added[0] <= MOST_ADDED
    assert added[1] > MOST_ADDED
    assert neurons(multiplied(network, copies)) == before * (1 + added[0])
    assert (copies, count) in ((2, 3), (3, 1), (16, 1))


def test_no_more_than_ten_layers_are_copied():
    network = deep(23)
    assert affordable(network, 2) == 10 == MOST_LAYERS
    assert neurons(multiplied(network, 2)) == neurons(network) + 10 * 4
    assert affordable(deep(3), 2) == 1  # of three, two would add 67 %
    assert affordable(deep(3), 4) == 1  # the first is copied, whatever it adds


def deep(layers):
    """Return a network with a population of four neurons per layer."""
    weight = LinearMap((4,), (Dense(np.eye(4, dtype=np.float32) / 2),))
    names = ["x", *(f"layer {number}" for number in range(layers)), "out"]
    kinds = ["input", *["spiking"] * layers, "readout"]
    chain = [
        Layer(name, kind, (4,), ((names[i - 1], weight),) if i else ())
        for i, (name, kind) in enumerate(zip(names, kinds))
    ]
    return convert(chain, {name: np.ones(1, np.float32) for name in names[1:-1]}, PAPER, {})


@pytest.mark.parametrize("copies", [2, 4])
def test_copies_fire_as_one_neuron_with_a_smaller_threshold(copies):
    """Hermite's identity: all copies together have fired round(copies * a * T) times."""
    network = small_network()
    values = np.random.default_rng(2).standard_normal((3, 2, 6, 6)).astype(np.float32)
    steps = 17
    names = ["first", *(f"first copy {number}" for number in range(2, copies + 1))]
    more = multiplied(network, copies, 1)
    recording = reference.run(more, Stimulus(values), Settings(steps, record=tuple(names)))
    current = rate.input_currents(network, values)["first"].reshape(3, -1)
    fired = np.zeros(current.shape)
    for name in names:
        image, _, neuron = recording.spikes[name].T
        np.add.at(fired, (image, neuron), 1)
    wanted = np.clip(np.floor(copies * steps * current.astype(float) + 0.5), 0, None)
    slow = current < 1  # a neuron fires once per step at most
    assert slow.mean() > 0.9
    assert fired[slow] == pytest.approx(wanted[slow], abs=0)


@pytest.mark.nest
@pytest.mark.parametrize("layers", [1, 2])
def test_nest_fires_the_same_spikes(layers):
    network = multiplied(small_network(), 2, layers)
    values = np.random.default_rng(3).standard_normal((2, 2, 6, 6)).astype(np.float32)
    settings = Settings(20, record=("first", "first copy 2", "second"))
    ours, theirs = (b.run(network, Stimulus(values), settings) for b in (reference, nest))
    for name in settings.record:
        assert np.array_equal(ours.spikes[name], theirs.spikes[name])
    assert np.array_equal(ours.readout["out"], theirs.readout["out"])


def test_copies_are_corrected_together():
    """Each on its own would move to the middle, and they would no longer fire in turn."""
    network = multiplied(small_network(), 2, 2)
    values = np.random.default_rng(4).standard_normal((10, 2, 6, 6)).astype(np.float32)
    corrected = {p.name: p for p in correct(network, values, 12, "channel").populations}
    between = corrected["second copy 2"].v_init - corrected["second"].v_init
    assert between == pytest.approx(0.5, abs=1e-3)
    assert [len(group) for group in groups(network)] == [1, 2, 2, 1]


def test_names_that_are_taken_are_left_alone():
    network = small_network()
    populations = tuple(
        replace(p, name="first copy 2" if p.name == "second" else p.name)
        for p in network.populations
    )
    projections = tuple(
        replace(
            p,
            source="first copy 2" if p.source == "second" else p.source,
            target="first copy 2" if p.target == "second" else p.target,
        )
        for p in network.projections
    )
    renamed = multiplied(replace(network, populations=populations, projections=projections), 2, 1)
    names = [p.name for p in renamed.populations]
    assert names == ["x", "first", "first copy 3", "first copy 2", "out"]


def test_a_network_without_its_copies_has_the_same_rates():
    network = multiplied(small_network(), copies=3, layers=1)
    values = np.random.default_rng(0).standard_normal((3, 2, 6, 6)).astype(np.float32)
    plain = merged(network)
    assert [p.name for p in plain.populations] == [p.name for p in small_network().populations]
    for clip in (False, True):
        (whole,), (found,) = (rate.rates(n, values, clip) for n in (network, plain))
        for name, expected in found.items():
            np.testing.assert_allclose(whole[name], expected, rtol=1e-5, atol=1e-6)
