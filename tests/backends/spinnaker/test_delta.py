"""Reset to a constant on SpiNNaker: the emulated board against the arithmetic, spike for spike."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("unicorn")
pytest.importorskip("spynnaker")

from support import board_mapping
from support.board_oracle import residual_network
from support.places import BOARDS
from support.spinnaker_rig import snapshot

from spinn_convert import backends
from spinn_convert.backends.board import backend as integers
from spinn_convert.backends.board.delta.plan import DeltaPlan, make_delta_plan
from spinn_convert.backends.board.plan import BoardPlan
from spinn_convert.backends.board.planned import DELTA
from spinn_convert.backends.spinnaker import backend as spinnaker
from spinn_convert.backends.spinnaker import build as spinnaker_build
from spinn_convert.backends.spinnaker import check as spinnaker_check
from spinn_convert.backends.spinnaker import session as spinnaker_session
from spinn_convert.backends.spinnaker.dry_run.mapping import dry_run
from spinn_convert.backends.spinnaker.machine import read_machine
from spinn_convert.conversion.constant_reset import with_constant_reset
from spinn_convert.errors import BackendError
from spinn_convert.network.rate import input_currents
from spinn_convert.network.recording import Settings, Stimulus

pytestmark = pytest.mark.spinnaker

EMULATED = BOARDS / "emulated.cfg"
ALL = ("stem", "down", "sum", "last")
STEPS = 30


def drawn(clamp_delay, **gains):
    """Return a residual network of calibrated resets, and three images beside those of it."""
    rng = np.random.default_rng(20 + clamp_delay)
    network = residual_network(rng, clamp_delay=clamp_delay, **gains)
    values, calibration = rng.normal(size=(2, 3, 2, 6, 5)).astype(np.float32)
    network = with_constant_reset(network, calibration, Settings(STEPS))
    return network, Stimulus(values, calibration)


def assert_same(a, b):
    for name in ALL:
        assert len(a.spikes[name]), "a silent population proves nothing"
        assert np.array_equal(a.spikes[name], b.spikes[name]), name
        assert np.array_equal(a.spike_counts[name], b.spike_counts[name]), name
    assert a.readout["out"].dtype == b.readout["out"].dtype
    assert np.array_equal(a.readout["out"], b.readout["out"])
    assert np.array_equal(a.synaptic_events, b.synaptic_events)


@pytest.mark.slow
@pytest.mark.parametrize("clamp_delay", [0, 1])
def test_emulated_board_is_the_arithmetic_bit_for_bit(monkeypatch, clamp_delay):
    """Several cores per population; both make their own plan; image 3 as after a fresh boot."""
    network, stimulus = drawn(clamp_delay)
    monkeypatch.setattr(spinnaker_build, "NEURONS_PER_CORE", 40)
    settings, calls = Settings(STEPS, record=ALL, board=EMULATED), []
    found = spinnaker.run(
        network, stimulus, settings, lambda done, total: calls.append((done, total))
    )
    expected = integers.run(network, stimulus, settings)
    assert_same(expected, found)
    for name, entries in expected.saturated.items():
        assert (entries == 0).all()
        assert (found.saturated[name] == 0).all()
    assert calls[-1] == (96, 96)
    assert len(np.unique(found.plan.by_name["stem"].v_reset)) > 1
    third = replace(stimulus, values=stimulus.values[2:])
    alone = spinnaker.run(network, third, settings, plan=found.plan)
    for name in ALL:
        rows = found.spikes[name][found.spikes[name][:, 0] == 2]
        assert np.array_equal(rows[:, 1:], alone.spikes[name][:, 1:])
    assert np.array_equal(found.readout["out"][2], alone.readout["out"][0])


@pytest.mark.slow
def test_losses_stop_a_run_unless_they_are_allowed():
    """Without peaks the ring buffers saturate; then nothing wraps, on the board as here."""
    network, stimulus = drawn(1, image_gain=8.0, weight_gain=6.0)
    v_reset = {name: np.full(1, 0.25, np.float32) for name in ALL}
    plan = make_delta_plan(network, None, v_reset)
    settings = Settings(31, record=ALL, board=EMULATED)
    with pytest.raises(
        BackendError, match=r"image 0: [\d,]+ saturated inputs\n.*more calibration images"
    ):
        spinnaker.run(network, stimulus, settings, plan=plan)
    found = spinnaker.run(network, stimulus, settings, plan=plan, allow_losses=True)
    expected = integers.run(network, stimulus, settings, plan=plan)
    assert_same(expected, found)
    assert found.saturated["down"].min() > 0
    for name, entries in expected.saturated.items():  # each may saturate with several additions
        more = found.saturated[name] >= entries
        assert (more & ((found.saturated[name] > 0) == (entries > 0))).all()


def test_numbers_on_the_board_are_those_of_the_plan(tmp_path):
    network, stimulus = drawn(1)
    plan = integers.default_plan(network, stimulus, Settings(STEPS))
    drives = plan.image_drives(input_currents(network, stimulus.values))
    first = {name: drive.of_image(0) for name, drive in drives.items()}
    with spinnaker_session.opened(plan, read_machine(EMULATED), 15, tmp_path) as session:
        spinnaker_build.set_drives(session.populations, plan, first)
        session.go()
        cores = {
            core.population: {
                "neuron_params": np.frombuffer(core.regions[2].content, "<i4"),
                "SynBlocks": np.frombuffer(core.regions[6].content, "<i4"),
            }
            for core in snapshot(16).cores
        }
        board_mapping.compare(plan, first, session.populations, cores)
    for board in plan.populations:
        size = int(np.prod(board.shape))
        words = cores[board.name]["neuron_params"][1:]
        neuron = words[: board_mapping.NEURON * size].reshape(size, -1)
        for column, raw in ((0, board.v_init), (5, board.v_reset), (7, board.refract_timer)):
            assert np.array_equal(neuron[:, column], np.broadcast_to(raw, board.shape).ravel())


def test_dry_run_maps_such_a_plan():
    network, _ = drawn(1)
    dry = dry_run(network, make_delta_plan(network), BOARDS / "spin5.cfg")
    layers = {layer.name: layer for layer in dry.layers}
    assert dry.cores == 5
    assert layers["stem"].synapses == 0, "no projection onto itself"


@pytest.mark.parametrize("connectors", ["convolutions", "auto"])
def test_such_a_plan_is_built_of_lists_alone(connectors):
    network, _ = drawn(0)
    plan = make_delta_plan(network)
    with pytest.raises(BackendError, match="IF_curr_delta is built with lists alone"):
        dry_run(network, plan, BOARDS / "virtual.cfg", connectors=connectors)


def test_all_problems_are_named_at_once(monkeypatch, tmp_path):
    network, stimulus = drawn(1)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(spinnaker_check, "BINARIES", {DELTA: ("IF_curr_none.aplx",)})
    hidden = [replace(p, bias=p.bias + 900) if p.name == "last" else p for p in network.populations]
    impossible = replace(network, populations=tuple(hidden))
    settings = Settings(0, record=("out",))
    text = "\n".join(map(str, spinnaker.check(impossible, settings)))
    for part in (
        "0 steps",
        "population out",
        "cfg: cannot be read",
        "none.aplx",
        "last: needs a const",
    ):
        assert part in text, text
    with pytest.raises(BackendError) as error:
        spinnaker.run(impossible, Stimulus(stimulus.values[:0]), settings)
    assert len(error.value.problems) == 6
    plan = make_delta_plan(network)
    monkeypatch.undo()
    with pytest.raises(BackendError, match="runs nothing"):
        spinnaker.run(network, stimulus, Settings(8, board=BOARDS / "virtual.cfg"), plan=plan)


def test_the_preflight_looks_for_the_binary_of_this_cell():
    assert spinnaker_check.BINARIES[DELTA] == ("IF_curr_delta.aplx",)
    assert spinnaker.check(drawn(1)[0], Settings(9, board=EMULATED)) == []


def test_the_cell_follows_from_the_reset():
    network, stimulus = drawn(0)
    settings = Settings(STEPS)
    assert isinstance(integers.default_plan(network, stimulus, settings), DeltaPlan)
    subtracting = integers.subtracting(network)
    assert isinstance(integers.default_plan(subtracting, stimulus, settings), BoardPlan)


@pytest.mark.parametrize("backend", backends.BOARDS)
def test_a_clamp_is_refused_where_it_would_be_without_effect(backend):
    """It was without a word: a plan for reset by subtraction is made for d = 0."""
    network, _ = drawn(1)
    settings = Settings(STEPS, board=EMULATED if backend == "spinnaker" else None)
    assert backends.check(backend, network, settings) == []
    (problem,) = backends.check(backend, integers.subtracting(network), settings)
    assert "clamp_delay=1" in problem.what
    assert "reset=constant" in problem.fix
