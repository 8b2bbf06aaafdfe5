"""Potentials far from the threshold: the spikes of unbounded integers, in both forms."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.networks import small_network

from spinn_convert.backends.reference import backend as reference
from spinn_convert.backends.reference import kernel
from spinn_convert.errors import BackendError
from spinn_convert.linear.maps import LinearMap, matrix
from spinn_convert.linear.ops import Conv, Dense
from spinn_convert.network.copies import multiplied
from spinn_convert.network.rate import input_currents
from spinn_convert.network.recording import Settings, Stimulus
from spinn_convert.network.records import Network, Population, Projection

UNIT = 2**15
FORMS = ("kernel", "dense")


def exact_run(network, values, steps):
    """Return spikes {name: (T, N)} and V of all (T, N), int64 in units of 2^-15 thresholds."""
    currents = input_currents(network, values[None])
    fired, potentials = {}, {}
    for p in network.populations[1:]:
        constant = np.broadcast_to(currents.get(p.name, p.bias[None])[0], p.shape).ravel()
        drive = np.repeat(np.rint(constant * UNIT / 2)[None].astype(np.int64) * 2, steps, 0)
        for projection in network.incoming(p):
            if projection.source in fired:
                weights = np.rint(matrix(projection.map).toarray() * UNIT / 2).astype(np.int64) * 2
                sent = fired[projection.source][: steps - projection.delay]
                drive[projection.delay :] += sent @ weights.T
        v = np.broadcast_to(np.rint(p.v_init * UNIT).astype(np.int64), p.shape).ravel().copy()
        fired[p.name] = np.zeros((steps, p.size), np.int64)
        potentials[p.name] = np.zeros((steps, p.size), np.int64)
        for t in range(p.release, steps):
            v += drive[t]
            potentials[p.name][t] = v
            if p.kind == "spiking":
                fired[p.name][t] = v >= UNIT
                if p.v_reset is None:
                    v -= fired[p.name][t] * UNIT
                else:
                    reset = np.broadcast_to(np.rint(p.v_reset * UNIT).astype(np.int64), p.shape)
                    v = np.where(fired[p.name][t], reset.ravel(), v)
    return fired, potentials


def assert_exact(network, values, steps, form, monkeypatch):
    """Check all spikes and potentials; return how far any potential went, in thresholds."""
    if form == "dense":
        monkeypatch.setattr(reference, "_cuda", lambda: torch.device("cpu"))
    names = tuple(p.name for p in network.spiking)
    found = reference.run(network, Stimulus(values[None]), Settings(steps, record=names))
    fired, potentials = exact_run(network, values, steps)
    for name in names:
        assert np.array_equal(found.spikes[name][:, 1:], np.argwhere(fired[name])), name
    for p in network.readouts:
        wanted = potentials[p.name].astype(np.float32) / UNIT
        assert np.array_equal(found.readout[p.name][0].reshape(steps, -1), wanted)
    return max(np.abs(v).max() for v in potentials.values()) / UNIT


def population(name, kind, shape, depth, v_init=0.5 + 2.0**-15, v_reset=None):
    start = np.asarray(v_init, np.float32).reshape(-1, *(1,) * (len(shape) - 1))
    zero = np.zeros((1,) * len(shape), np.float32)
    one = np.ones(1, np.float32)
    return Population(name, kind, shape, zero, start, one, depth, max(depth, 0), v_reset=v_reset)


def chain(middle, hidden, weights, v_init, v_reset=None):
    """Return input -> "first", one neuron each -> "far" by `weights` -> a readout."""
    shape = middle.in_shape
    populations = (
        population("in", "input", shape, -1),
        population("first", "spiking", shape, 0, v_init),
        population("far", "spiking", hidden, 1, v_reset=v_reset),
        population("out", "readout", (1,), 2, 0.0),
    )
    one_to_one = LinearMap(shape, (Conv(np.eye(shape[0], dtype=np.float32)[..., None, None]),))
    if len(shape) == 1:
        one_to_one = LinearMap(shape, (Dense(np.eye(shape[0], dtype=np.float32)),))
    projections = (
        Projection("in", "first", one_to_one, 0),
        Projection("first", "far", middle, 1),
        Projection("far", "out", LinearMap(hidden, (Dense(weights),)), 1),
    )
    return Network(populations, projections, 0, 14)


def test_neurons_that_must_be_silent_are_silent():
    """A current of -300 thresholds per step leaves 32 bits after 218 steps."""
    network = chain(
        LinearMap((1,), (Dense(np.float32([[-300]])),)), (1,), np.ones((1, 1), np.float32), 0.5
    )
    for value, spikes in ((-300, 0), (300, 698)):  # the last two would reach no output
        stimulus = Stimulus(np.full((1, 1), value, np.float32))
        counts = reference.run(network, stimulus, Settings(700)).spike_counts
        assert (counts["first"], counts["far"]) == (spikes, 0)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(2,), (2, 3, 3)])
@pytest.mark.parametrize("reset", [False, True])
def test_potentials_come_back_from_beyond_32_bits(form, shape, reset, monkeypatch):
    """One neuron fires from the start, the other late and more strongly: V turns, and crosses 1."""
    rng, channels = np.random.default_rng(1), 28
    weights = np.float32([[-301, 702], [303.5, -907], [-200, 699], [250, -800]])
    slow = np.repeat([[-1.6, 2.5], [1.6, -2.5]], 12, axis=0)  # cross 1 so that every bit counts
    weights = np.concatenate([weights + rng.uniform(-1, 1, weights.shape), slow])
    weights = (weights + rng.uniform(-0.1, 0.1, weights.shape)).astype(np.float32)
    if len(shape) == 1:
        middle, hidden = LinearMap(shape, (Dense(weights),)), (channels,)
    else:
        middle = LinearMap(shape, (Conv(weights[..., None, None]),))
        hidden = (channels, *shape[1:])
    v_reset = np.full((1,) * len(hidden), 0.25, np.float32) if reset else None
    onto_out = rng.normal(0, 30, (1, int(np.prod(hidden)))).astype(np.float32)
    network = chain(middle, hidden, onto_out, [0.5, -900.0], v_reset)
    values = np.ones(shape, np.float32)
    furthest = assert_exact(network, values, 2400, form, monkeypatch)
    assert furthest > 4 * 2**16  # several times around 32 bits


@pytest.mark.parametrize("form", FORMS)
def test_sums_of_one_step_are_exact_beyond_float32(form, monkeypatch):
    """600 weights add up to 1,800 thresholds, which the bias takes away but for 0.37."""
    weights = np.random.default_rng(3).uniform(2, 4, (1, 600)).astype(np.float32)
    network = chain(LinearMap((600,), (Dense(weights),)), (1,), np.ones((1, 1), np.float32), 0.5)
    bias = np.float32([0.37 - weights.sum(dtype=np.float64)])
    populations = [replace(p, bias=bias) if p.name == "far" else p for p in network.populations]
    network = replace(network, populations=tuple(populations))
    assert_exact(network, np.ones(600, np.float32), 1500, form, monkeypatch)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("form", FORMS)
def test_networks_with_copies_are_exact_however_often_potentials_are_looked_at(
    seed, form, monkeypatch
):
    network = multiplied(small_network(clamp_delay=seed % 2), 2, 1)
    values = np.random.default_rng(seed).normal(0, 900, (2, 6, 6)).astype(np.float32)
    assert assert_exact(network, values, 500, form, monkeypatch) > 2**16


def test_far_apart_looks_are_far_enough():
    """From either bound, the largest input of all steps in between stays on its side of 1."""
    for most, current in ((0, [7]), (5 * UNIT, [-3, 2]), (UNIT * 16384, [UNIT * 8192]), (0, [0])):
        given = np.array(current, np.int32)
        steps = kernel.steps_between(most, given, UNIT)
        change = steps * (most + int(np.abs(given).max()) + UNIT)
        assert steps >= 1
        assert change <= 2**30 - 2 * UNIT


@pytest.mark.parametrize(
    ("value", "weight", "message"),
    [
        (1e4, 1, "first: an input current of 1e.04 thresholds"),
        (1e9, 1, "first: an input current of 3.28e.04 thresholds per step or more"),
        (1, 2e4, "far: gets up to 2e.04 thresholds in one step"),
        (1, 1e9, "far: gets up to 3.28e.04 thresholds in one step"),
    ],
)
def test_more_in_one_step_than_the_integers_hold_is_refused(value, weight, message):
    middle = LinearMap((1,), (Dense(np.float32([[weight]])),))
    network = chain(middle, (1,), np.ones((1, 1), np.float32), 0.5)
    with pytest.raises(BackendError, match=message):
        reference.run(network, Stimulus(np.full((1, 1), value, np.float32)), Settings(5))
