"""Reading the output from a later start: what is left out, at any depth, and what that buys."""

import numpy as np
import pytest
from support.networks import small_network

from spinn_convert.backends.reference import backend as reference
from spinn_convert.network import rate, readout
from spinn_convert.network.recording import Settings, Stimulus


def test_later_start_subtracts_the_potential_then():
    potentials = np.cumsum(np.ones((1, 6, 2), np.float32), axis=1)
    potentials[0, 2:] += 10  # which a later start does not see
    starts = readout.starts("late", 2, 7)[1:]
    assert starts.tolist() == [0, 2, 3, 3, 3, 3]
    found = readout.activations(potentials, starts, 0)[0, 3:, 0]
    assert found == pytest.approx([1, 1, 1])
    every = readout.activations(potentials, readout.starts("all", 1, 6), 2)[0, :, 0]
    assert every.tolist() == [1, 2, 13, 7, 5, 4]


@pytest.mark.parametrize("depth", [1, 2, 17, 33, 100])
def test_late_read_out_leaves_out_part_of_the_depth_and_never_most_of_the_steps(depth):
    steps = np.arange(1, depth + 1000)
    starts = readout.starts("late", depth, len(steps))
    since, left_out = np.maximum(steps - depth, 0), np.maximum(starts - depth, 0)
    assert not starts[:depth].any()
    assert (np.diff(starts) >= 0).all()
    assert (left_out <= 0.7 * since).all()
    assert left_out[-1] == int(0.6 * depth)
    assert (left_out[since > depth] == int(0.6 * depth)).all()


def test_late_read_out_wastes_no_steps_of_a_shallow_network():
    """At step 256 all 300 images agree; with 0.55 of the steps left out, two do not."""
    network, steps = small_network(clamp_delay=0), 256
    values = np.random.default_rng(1).standard_normal((300, 2, 6, 6)).astype(np.float32)
    relu1 = np.concatenate([chunk["out"] for chunk in rate.rates(network, values, clip=True)])
    potentials = reference.run(network, Stimulus(values), Settings(steps, 2)).readout["out"]
    late, every = (
        readout.activations(potentials, readout.starts(how, 2, steps), 2)[:, -1]
        for how in ("late", "all")
    )
    assert (late.argmax(1) == relu1.argmax(1)).all()
    assert np.abs(late - relu1).mean() <= 1.5 * np.abs(every - relu1).mean()
