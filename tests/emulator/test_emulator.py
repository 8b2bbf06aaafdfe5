"""The emulated board against integer arithmetic: the shipped binaries do what the equations say."""

import sys
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("unicorn")
pytest.importorskip("spynnaker")

from support.spinnaker_rig import (
    CELL,
    ONE,
    PEAK_WEIGHTS,
    Net,
    after_reset,
    integrate,
    mapped,
    names,
    random_net,
    set_image,
    snapshot,
)

from spinn_convert.backends.spinnaker.home import spinnaker_home
from spinn_convert.emulator.board import Board
from spinn_convert.emulator.image import BoardImage, Region, RegionImage, RoutingTable
from spinn_convert.emulator.routing import Router
from spinn_convert.errors import BackendError

pytestmark = pytest.mark.spinnaker

STEPS = 32
SYNAPTIC_MATRIX = 6  # number of a data region


def assert_computes(result, net, steps=STEPS):
    spikes, potentials = integrate(net, steps)
    for i, name in enumerate(names(net)):
        assert len(spikes[i]), "a silent population proves nothing"
        assert np.array_equal(result.spikes[name], spikes[i]), name
        assert np.array_equal(result.potentials[name], potentials[i]), name


def assert_same(a, b):
    for name in a.spikes:
        assert np.array_equal(a.spikes[name], b.spikes[name]), name
        assert np.array_equal(a.potentials[name], b.potentials[name]), name


def with_input(net, other):
    """Return the network with another image."""
    return Net(other.current, other.excitation, net.hold, net.threshold, net.links)


def snapshot_of(directory, net, steps=STEPS, **settings):
    with mapped(directory, net, steps, **settings):
        return snapshot(steps)


@pytest.fixture(scope="module")
def one_core(tmp_path_factory):
    """A network on one core, and its image."""
    net = random_net(np.random.default_rng(1), [60])
    return net, snapshot_of(tmp_path_factory.mktemp("one"), net)


def test_one_core_computes_the_equations(one_core):
    net, image = one_core
    assert len(image.cores) == 1
    result = Board(image).run(STEPS)
    assert_computes(result, net)
    (counters,) = result.counters.values()
    fired = len(result.spikes["p0"])
    last = int((result.spikes["p0"][:, 0] == STEPS - 1).sum())
    assert counters["n_pre_synaptic_events"] == fired - last  # each neuron feeds itself alone
    assert counters["current_timer_tick"] == STEPS
    assert result.losses() == {}


def test_a_run_in_parts_is_the_whole(one_core):
    net, image = one_core
    board = Board(image)
    first, second = board.run(10), board.run(STEPS - 10)
    whole = np.concatenate([first.spikes["p0"], second.spikes["p0"]])
    assert np.array_equal(whole, integrate(net, STEPS)[0][0])
    assert len(second.potentials["p0"]) == STEPS - 10


@pytest.mark.slow
def test_images_on_one_mapping_over_several_chips(tmp_path):
    rng = np.random.default_rng(2)
    net, other = (random_net(rng, [130, 90, 70], far=20) for _ in range(2))
    second = with_input(net, other)
    with mapped(tmp_path, net, STEPS, per_core=10) as (sim, populations):
        image = snapshot(STEPS)
        sim.reset()
        set_image(populations, second.current, second.excitation)
        changed = after_reset(image)
    assert len({core.where[:2] for core in image.cores}) > 1
    board = Board(image)
    first = board.run(STEPS)
    assert_computes(first, net)
    assert first.losses() == {}
    board.reload(changed)
    again = board.run(STEPS)
    assert_computes(again, second)
    assert_same(again, Board(changed).run(STEPS))
    assert_same(again, Board(snapshot_of(tmp_path / "new", second, per_core=10)).run(STEPS))
    board.reload(image)
    assert_same(board.run(STEPS), first)


def test_images_are_taken_at_the_right_moment_only(tmp_path):
    net = random_net(np.random.default_rng(4), [5])
    with mapped(tmp_path, net, STEPS) as (sim, populations):
        image = snapshot(STEPS)
        with pytest.raises(BackendError, match="was not reset"):
            after_reset(image)
        sim.reset()
        with pytest.raises(BackendError, match="nothing is mapped"):
            snapshot(STEPS)
        after_reset(image)
        sim.Projection(*populations, *populations, sim.OneToOneConnector())
        with pytest.raises(BackendError, match="more than parameters"):
            after_reset(image)


def test_reset_within_a_cycle_of_colours_is_refused(one_core, tmp_path):
    net, image = one_core
    board = Board(image)
    board.run(17)
    with pytest.raises(BackendError, match="multiple of 16 steps, or build with n_colour_bits=0"):
        board.reload(image)
    plain = snapshot_of(tmp_path, net, colour_bits=0)
    board = Board(plain)
    board.run(17)
    board.reload(plain)
    assert_computes(board.run(STEPS), net)


@pytest.mark.slow
def test_saturated_inputs_are_counted(tmp_path):
    """65535 units fit into a step's sum; the rest is lost, on the board as in the model."""
    every, ones = np.arange(40), np.zeros(40, int)
    current = np.full(40, round(0.6 * ONE))
    net = Net([current, ones[:1]], [ones, ones[:1]], [0, 0], ONE // 2)
    net.connect(0, 1, every, ones, np.full(40, 3000), 1)
    result = Board(snapshot_of(tmp_path, net)).run(STEPS)
    assert_computes(result, net)
    assert 40 * 3000 > 65535
    assert list(result.losses()) == ["n_saturations"]


def test_parameters_and_synapses_that_a_board_generates_itself(tmp_path):
    """The same value for all, and a rule for the synapses: here the host expands both."""
    with spinnaker_home(tmp_path):
        import pyNN.spiNNaker as sim

        sim.setup(timestep=1.0)
        cell = sim.IF_curr_exp(v_thresh=0.5, i_offset=0.75, **CELL)
        neurons = sim.Population(9, cell, label="p0", max_expected_summed_weight=PEAK_WEIGHTS)
        neurons.initialize(v=0.0, isyn_exc=0.0, isyn_inh=0.0, refract_timer=2)
        neurons.record(["spikes", "v"])
        synapse = sim.StaticSynapse(weight=0.0625, delay=1.0)
        rule = sim.AllToAllConnector()
        sim.Projection(neurons, neurons, rule, synapse, receptor_type="inhibitory")
        sim.run(STEPS)
        image = snapshot(STEPS)
        sim.end()
    net = Net([np.full(9, 3 * ONE // 4)], [np.zeros(9, int)], [2], ONE // 2)
    pre, post = np.indices((9, 9)).reshape(2, -1)
    net.connect(0, 0, pre, post, np.full(81, -512), 1)
    assert_computes(Board(image).run(STEPS), net)


def test_more_steps_than_the_recordings_hold_are_refused(one_core):
    with pytest.raises(BackendError, match="room for 32"):
        Board(one_core[1]).run(STEPS + 1)


def test_another_mapping_is_refused(one_core):
    image = one_core[1]
    (core,) = image.cores
    regions = {**core.regions, SYNAPTIC_MATRIX: RegionImage(8, b"12345678")}
    other = replace(image, cores=(replace(core, regions=regions),))
    with pytest.raises(BackendError, match=r"p0 on core .*differs in more than parameters"):
        Board(image).reload(other)
    with pytest.raises(BackendError, match="another mapping"):
        Board(image).reload(replace(image, cores=()))


def test_a_core_that_stops_says_why(one_core):
    image = one_core[1]
    (core,) = image.cores
    empty = {**core.regions, Region.NEURON_RECORDING: RegionImage(8, b"\xff" * 8)}
    with pytest.raises(BackendError, match=r"p0 on core .*run-time error(.|\n)*Data spec number"):
        Board(replace(image, cores=(replace(core, regions=empty),))).run(1)


def test_what_is_no_binary_is_refused(one_core, tmp_path):
    image = one_core[1]
    path = tmp_path / "text.aplx"
    path.write_text("This is not a binary at all.")
    with pytest.raises(BackendError, match="not a SpiNNaker binary"):
        Board(replace(image, cores=(replace(image.cores[0], binary=path),)))


def test_missing_unicorn_is_named(one_core, monkeypatch):
    monkeypatch.setitem(sys.modules, "unicorn", None)
    with pytest.raises(BackendError, match=r"pip install '.\[emulator\]'"):
        Board(one_core[1])


def test_what_the_board_cannot_run_is_refused_by_name(tmp_path):
    with spinnaker_home(tmp_path):
        import pyNN.spiNNaker as sim

        sim.setup(timestep=1.0)
        source = sim.Population(4, sim.SpikeSourceArray([[1.0]] * 4), label="clock")
        target = sim.Population(4, sim.IF_curr_exp(), label="neurons")
        sim.Projection(source, target, sim.AllToAllConnector(), sim.StaticSynapse(weight=1.0))
        target.record(["gsyn_exc", "spikes"])
        sim.run(16)
        with pytest.raises(BackendError, match="clock") as refusal:
            snapshot(16)
        sim.end()
    assert "gsyn_exc is recorded" in str(refusal.value)


def entry(key, processors=(), links=()):
    return RoutingTable(
        np.array([key], np.uint32), np.array([0xFFFFFFF0], np.uint32), (processors,), (links,)
    )


def routed(tables):
    """Route on three chips in a row: link 0 leads right, link 3 left."""
    links = {(0, 0): {0: (1, 0)}, (1, 0): {0: (2, 0), 3: (0, 0)}, (2, 0): {3: (1, 0)}}
    return Router(BoardImage(1, {}, (), tables, links))


def test_packets_go_straight_on_where_no_entry_matches():
    router = routed({(0, 0): entry(0x10, (4,), (0,)), (2, 0): entry(0x10, (5, 6))})
    assert set(router.targets((0, 0), 0x13)) == {(0, 0, 4), (2, 0, 5), (2, 0, 6)}


@pytest.mark.parametrize(
    ("tables", "what"),
    [
        ({}, "nowhere to go"),
        ({(0, 0): entry(0x10, (), (3,))}, "nowhere to go"),
        ({(0, 0): entry(0x10, (), (0,)), (1, 0): entry(0x10, (), (3,))}, "in circles"),
    ],
)
def test_broken_tables_are_refused(tables, what):
    with pytest.raises(BackendError, match=what):
        routed(tables).targets((0, 0), 0x10)
