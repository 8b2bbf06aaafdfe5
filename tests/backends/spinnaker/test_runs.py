"""The SpiNNaker backend: what it builds, runs, refuses and estimates, without any hardware."""

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
from spinn_convert.backends.board import arithmetic as board_arithmetic
from spinn_convert.backends.board.plan import make_plan
from spinn_convert.backends.board.planned import INTEGRATOR
from spinn_convert.backends.spinnaker import backend as spinnaker
from spinn_convert.backends.spinnaker import build as spinnaker_build
from spinn_convert.backends.spinnaker import check as spinnaker_check
from spinn_convert.backends.spinnaker import losses as spinnaker_losses
from spinn_convert.backends.spinnaker import session as spinnaker_session
from spinn_convert.backends.spinnaker.dry_run.costs import energy, load_seconds, slowdown
from spinn_convert.backends.spinnaker.dry_run.drawing import draw_placement
from spinn_convert.backends.spinnaker.dry_run.mapping import dry_run
from spinn_convert.backends.spinnaker.dry_run.text import table
from spinn_convert.backends.spinnaker.machine import read_machine
from spinn_convert.errors import BackendError
from spinn_convert.network.rate import input_currents
from spinn_convert.network.recording import Settings, Stimulus

pytestmark = pytest.mark.spinnaker

EMULATED = BOARDS / "emulated.cfg"
ALL = ("stem", "down", "sum", "last")


def assert_same(a, b):
    assert a.spikes.keys() == b.spikes.keys()
    for name in a.spikes:
        assert len(a.spikes[name]), "a silent population proves nothing"
        assert np.array_equal(a.spikes[name], b.spikes[name]), name
        assert np.array_equal(a.spike_counts[name], b.spike_counts[name]), name
        assert np.array_equal(a.saturated[name], b.saturated[name]), name
    assert a.readout["out"].dtype == b.readout["out"].dtype
    assert np.array_equal(a.readout["out"], b.readout["out"])
    assert np.array_equal(a.synaptic_events, b.synaptic_events)
    assert np.array_equal(a.clipped["stem"], b.clipped["stem"])


@pytest.fixture(scope="module")
def planned():
    """A residual network, three images and a plan that holds their inputs."""
    rng = np.random.default_rng(20)
    network = residual_network(rng, clamp_delay=0)
    values = rng.normal(size=(3, 2, 6, 5)).astype(np.float32)
    plan = board_arithmetic.default_plan(network, Stimulus(values), Settings(47))
    return network, values, plan


@pytest.mark.slow
def test_emulated_board_is_the_arithmetic_bit_for_bit(planned, monkeypatch):
    """Several cores per population; more ticks than steps; image 3 as after a fresh boot."""
    network, values, plan = planned
    monkeypatch.setattr(spinnaker_build, "NEURONS_PER_CORE", 40)
    settings, calls = Settings(30, record=ALL, board=EMULATED), []
    found = spinnaker.run(
        network,
        Stimulus(values),
        settings,
        lambda done, total: calls.append((done, total)),
        plan=plan,
    )
    assert_same(board_arithmetic.run(network, Stimulus(values), settings, plan=plan), found)
    assert spinnaker_build.ticks(30) == 32
    assert calls[-1] == (96, 96)
    assert calls == sorted(calls)
    alone = spinnaker.run(network, Stimulus(values[2:]), settings, plan=plan)
    for name in ALL:
        third = found.spikes[name][found.spikes[name][:, 0] == 2]
        assert np.array_equal(third[:, 1:], alone.spikes[name][:, 1:])
    assert np.array_equal(found.readout["out"][2], alone.readout["out"][0])


@pytest.mark.slow
def test_losses_stop_a_run_unless_they_are_allowed():
    """Without peaks the ring buffers saturate: on the board as in the arithmetic."""
    rng = np.random.default_rng(5)
    network = residual_network(rng, image_gain=8.0, weight_gain=6.0, clamp_delay=0)
    values = rng.normal(size=(2, 2, 6, 5)).astype(np.float32)
    plan, settings = make_plan(network), Settings(31, record=ALL, board=EMULATED)
    with pytest.raises(
        BackendError, match=r"down: image 0: [\d,]+ saturated inputs\n.*more calibration images"
    ):
        spinnaker.run(network, Stimulus(values), settings, plan=plan)
    found = spinnaker.run(network, Stimulus(values), settings, plan=plan, allow_losses=True)
    expected = board_arithmetic.run(network, Stimulus(values), settings, plan=plan)
    assert found.saturated["down"].min() > 0
    assert_same(replace(expected, saturated=found.saturated), found)
    for name, entries in expected.saturated.items():  # each may saturate with several additions
        assert (
            (found.saturated[name] >= entries) & ((found.saturated[name] > 0) == (entries > 0))
        ).all()


@pytest.mark.slow
def test_weights_and_drives_on_the_board_are_the_integers_of_the_plan(planned, tmp_path):
    _, values, plan = planned
    drives = plan.image_drives(input_currents(plan.network, values))
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


def test_lists_are_sorted_as_spynnaker_needs_them(planned):
    _, _, plan = planned
    for projection in plan.integers.synaptic():
        pre, post, weight = spinnaker_build.listed(projection.map)
        assert np.array_equal(np.lexsort((post, pre)), np.arange(len(pre)))
        assert (weight != 0).all()


@pytest.mark.slow
def test_real_boards_are_read_as_the_emulated_one(planned, tmp_path, monkeypatch):
    """sPyNNaker's own path on a virtual board, handed the data that a real one would return."""
    network, values, plan = planned
    settings = Settings(47, record=ALL, board=EMULATED)
    expected = board_arithmetic.run(network, Stimulus(values), settings, plan=plan)
    number, asked = [-1], []

    def recorded(population, variable, as_matrix=False, view_indexes=None):
        asked.append((population.label, variable, as_matrix))
        if variable == "v":
            out = expected.readout["out"][number[0]] / network.readouts[0].scale
            potentials = out * plan.by_name["out"].theta
            return np.concatenate([np.zeros((1, 3)), potentials])
        rows = expected.spikes[population.label]
        rows = rows[rows[:, 0] == number[0], 1:]
        shuffled = rows[np.lexsort((rows[:, 0], rows[:, 1]))]
        return shuffled[:, ::-1].astype(float)

    def counters(plan, _places):
        return {p.name: {spinnaker_losses.SATURATED: 0} for p in plan.populations}

    def present(session, drives, on_step, stock=spinnaker_session.Session.present):
        number[0] += 1
        return stock(session, drives, on_step)

    import pyNN.spiNNaker as sim

    monkeypatch.setattr(sim.Population, "spinnaker_get_data", recorded)
    monkeypatch.setattr(spinnaker_losses, "read", counters)
    monkeypatch.setattr(spinnaker_session.Session, "present", present)
    monkeypatch.setattr(spinnaker_session, "EmulatedSession", spinnaker_session.RealSession)
    found = spinnaker.run(network, Stimulus(values), settings, plan=plan)
    for name in ALL:
        assert np.array_equal(found.spikes[name], expected.spikes[name])
    assert np.allclose(found.readout["out"], expected.readout["out"], rtol=1e-6)
    assert ("out", "v", True) in asked
    monkeypatch.setattr(sim.Population, "spinnaker_get_data", lambda *_, **__: np.zeros((0, 0)))
    with pytest.raises(BackendError, match=r"potentials of shape \(0, 0\)"):
        spinnaker.run(network, Stimulus(values), settings, plan=plan)


def provenance(plan, **changed):
    """Return rows as sPyNNaker's database has them, one core per population."""
    names = [p.name for p in plan.populations]
    cores = {(0, 0, i + 1): name for i, name in enumerate(names)}
    rows = [(*core, d, 0) for core in cores for d in spinnaker_losses.CORE_COUNTERS]
    rows += [(*core, "Total_pre_synaptic_events", 7) for core in cores]
    return cores, [(*row[:4], changed.get(row[3], row[4])) for row in rows]


def test_provenance_of_real_boards(planned):
    _, _, plan = planned
    cores, rows = provenance(plan)
    routers = {"RunReceived_For_Reinjection": 5, "RunDropped_Multicast_Packets": 5}
    clean = spinnaker_losses.from_rows(plan, cores, rows, routers)
    assert spinnaker_losses.since(clean, {}) == {}
    cores, rows = provenance(plan, **{"Late spikes": 3})
    lossy = spinnaker_losses.from_rows(plan, cores, rows, {"RunDropped_Multicast_Packets": 5})
    lost = spinnaker_losses.since(lossy, {"stem": {"late spikes": 2}})
    assert lost["stem"] == {"late spikes": 1}
    assert lost["router"] == {"dropped packets": 5}
    text = str(BackendError(spinnaker_losses.problems(lost, 4)))
    assert "out: image 4: 3 late spikes" in text
    assert "time_scale_factor" in text
    kept = [row for row in rows if cores[row[:3]] not in ("sum", "last")]
    with pytest.raises(BackendError, match="no provenance was read of sum, last"):
        spinnaker_losses.from_rows(plan, cores, kept, routers)


def test_a_virtual_board_runs_nothing(planned):
    network, values, plan = planned
    with pytest.raises(BackendError, match=r"runs nothing(.|\n)*emulated\.cfg"):
        spinnaker.run(
            network, Stimulus(values), Settings(8, board=BOARDS / "virtual.cfg"), plan=plan
        )


def test_all_problems_are_named_at_once(planned, tmp_path, monkeypatch):
    network, values, plan = planned
    monkeypatch.setenv("HOME", str(tmp_path))
    hidden = [replace(p, bias=p.bias + 40) if p.name == "last" else p for p in network.populations]
    impossible = replace(network, populations=tuple(hidden))
    monkeypatch.setattr(spinnaker_check, "BINARIES", {INTEGRATOR: ("IF_curr_none.aplx",)})
    found = spinnaker_check.check(impossible, Settings(0, record=("out",)))
    text = "\n".join(map(str, found))
    for part in (
        "0 steps",
        "population out",
        ".spynnaker.cfg: cannot be read",
        "none.aplx",
        "last",
    ):
        assert part in text, text
    with pytest.raises(BackendError) as error:
        spinnaker.run(impossible, Stimulus(values[:0]), Settings(0, record=("out",)))
    assert len(error.value.problems) == 6
    monkeypatch.setattr(spinnaker_check, "find_spec", lambda name: None)
    text = "\n".join(map(str, spinnaker_check.check(network, Settings(8, board=EMULATED), plan)))
    assert "pip install '.[spinnaker]'" in text


def test_too_few_boards_are_named_with_the_worst_layer(planned):
    network, _, plan = planned
    machine = replace(read_machine(BOARDS / "spin3.cfg"), boards=0)
    (problem,) = spinnaker_check.size_problems(network, machine)
    assert "5 cores are needed, there are 0; stem takes most, 1" in problem.what
    assert spinnaker_check.check(network, Settings(9, board=BOARDS / "spin3.cfg"), plan) == []
    assert read_machine(BOARDS / "virtual_3_boards.cfg").boards == 3
    assert read_machine(BOARDS / "spin5.cfg").boards is None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["spin5", "virtual_3_boards"])
def test_dry_run_maps_without_hardware(planned, tmp_path, monkeypatch, name):
    network, _, plan = planned
    monkeypatch.setattr(spinnaker_build, "NEURONS_PER_CORE", 10)
    dry = dry_run(network, plan, BOARDS / f"{name}.cfg")
    assert {layer.name: len(layer.cores) for layer in dry.layers} == {
        "stem": 12,
        "down": 6,
        "sum": 6,
        "last": 6,
        "out": 1,
    }
    assert (dry.cores, dry.boards, dry.ticks, dry.time_scale_factor) == (31, 1, 64, 20)
    assert dry.chips > 1
    assert len(dry.machine) == (48 if name == "spin5" else 144)
    assert set(dry.sdram) == {chip for layer in dry.layers for chip in layer.chips}
    assert dry.layers[4].senders == 108
    assert dry.layers[0].senders == 10
    assert load_seconds(dry) == dry.loaded / 5e6 > 0
    best, worst = slowdown(dry, 1.0)
    assert 1 <= best <= worst
    assert energy(dry).idle == pytest.approx(23 * 64e-3 * 20)
    assert "31 cores on" in table(dry)
    draw_placement(dry, tmp_path / "placement.png")
    assert (tmp_path / "placement.png").stat().st_size > 5_000


def test_too_little_memory_to_emulate_is_told(planned, monkeypatch):
    network, _, plan = planned
    monkeypatch.setattr(spinnaker_check, "BYTES_PER_EMULATED_CORE", 10**13)
    (problem,) = spinnaker_check.check(network, Settings(9, board=EMULATED), plan)
    assert "needs about 50000.0 GB" in problem.what
    assert spinnaker_check.check(network, Settings(9, board=BOARDS / "virtual.cfg"), plan) == []


def test_weights_are_not_judged_before_calibration(planned):
    """The pipeline checks first a network whose scales are all 1."""
    network = planned[0]
    loud = [replace(p, bias=p.bias + 40) for p in network.populations]
    draft = [replace(p, scale=np.ones_like(p.scale)) for p in loud]
    for populations, refused in ((loud, True), (draft, False)):
        changed = replace(network, populations=tuple(populations))
        assert bool(spinnaker_check.check(changed, Settings(9, board=EMULATED))) == refused


def test_the_backend_is_found_by_name():
    assert backends.find("spinnaker") is spinnaker
    assert spinnaker.DEFAULT_IMAGES
