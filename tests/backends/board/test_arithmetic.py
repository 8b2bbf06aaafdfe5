"""The board's arithmetic against its equations, sPyNNaker's host code, and at its limits."""

import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from support.board_oracle import EPSILON, residual_network, slow_drive, slow_run
from support.places import ROOT

from spinn_convert.backends.board import arithmetic as board_arithmetic
from spinn_convert.backends.board import drive as board_drive
from spinn_convert.backends.board.kernel import simulate
from spinn_convert.backends.board.plan import Peak, make_plan, without_clamp
from spinn_convert.backends.board.precision import precision
from spinn_convert.backends.reference import backend as reference
from spinn_convert.backends.reference.program import Wiring
from spinn_convert.errors import BackendError
from spinn_convert.linear.maps import matrix, synapses
from spinn_convert.network import readout
from spinn_convert.network.rate import input_currents
from spinn_convert.network.recording import Settings, Stimulus

STEPS = 40


def assert_bit_exact(network, values, plan):
    names = tuple(p.name for p in network.spiking)
    stimulus, settings = Stimulus(values), Settings(STEPS, 2, record=names)
    found = board_arithmetic.run(network, stimulus, settings, plan=plan)
    chosen = {p.name: (p.theta, p.shift) for p in plan.populations}
    currents = input_currents(network, values)
    for image in range(len(values)):
        of_image = {name: current[image] for name, current in currents.items()}
        fired, potentials, saturated = slow_run(plan.network, of_image, chosen, STEPS)
        for name in names:
            rows = found.spikes[name][found.spikes[name][:, 0] == image, 1:]
            assert np.array_equal(rows, np.argwhere(fired[name])), name
            assert found.spike_counts[name][image] == len(rows)
        (out,) = network.readouts
        raw = potentials["out"] / 32768 / chosen["out"][0] * out.scale
        assert np.array_equal(found.readout["out"][image], raw.astype(np.float32))
        assert {n: int(c[image]) for n, c in found.saturated.items()} == saturated
    return found


@pytest.mark.parametrize("seed", range(4))
def test_simulator_is_the_equations_bit_for_bit(seed):
    rng = np.random.default_rng(seed)
    network = residual_network(rng, clamp_delay=seed % 2)
    values = rng.normal(size=(3, 2, 6, 5)).astype(np.float32)
    peaks = board_arithmetic.measure_peaks(network, values, Settings(STEPS, 2))
    found = assert_bit_exact(network, values, make_plan(network, peaks))
    assert sum(c.sum() for c in found.spike_counts.values()) > 1000
    assert not sum(c.sum() for c in found.saturated.values())
    assert found.peaks["last"].excitatory == pytest.approx(peaks["last"].excitatory, rel=0.3)


def test_saturated_ring_buffers_are_counted_and_computed():
    rng = np.random.default_rng(5)
    network = residual_network(rng, image_gain=8.0, weight_gain=6.0)
    values = rng.normal(size=(2, 2, 6, 5)).astype(np.float32)
    found = assert_bit_exact(network, values, make_plan(network))
    assert found.saturated["down"].sum() > 0
    assert found.clipped["stem"].sum() > 0


def test_events_are_deliveries_to_synapses_and_to_itself():
    rng = np.random.default_rng(6)
    network = residual_network(rng)
    values = rng.normal(size=(1, 2, 6, 5)).astype(np.float32)
    names = tuple(p.name for p in network.spiking)
    found = board_arithmetic.run(network, Stimulus(values), Settings(STEPS, record=names))
    events = sum(len(rows) for rows in found.spikes.values())
    for projection in found.plan.integers.synaptic():
        pre = np.concatenate([pre for pre, _, _ in synapses(projection.map, 0)])
        degree = np.bincount(pre, minlength=1000)
        events += degree[found.spikes[projection.source][:, 2]].sum()
    assert found.synaptic_events[0] == events


@pytest.mark.parametrize("theta", [1.0, 0.5, 1 / 16])
def test_drive_is_the_bias_per_step_to_within_rounding(theta):
    per_step = np.linspace(-1.9 / theta, 1.9 / theta, 101)
    release, steps = 17, 96
    found = board_drive.drive(per_step, np.float64(0.5), release, theta)
    exact = [slow_drive(b, 0.5, release, theta) for b in per_step]
    assert np.array_equal(np.stack([found.i_offset, found.isyn_exc], 1), exact)
    assert not found.clipped.any()
    current = board_drive.decayed(found.isyn_exc.astype(np.int64), release)
    for step in range(1, steps + 1):
        v = (current + found.i_offset) / 32768 / theta
        leak = EPSILON * step * (step + release) * np.abs(per_step)
        assert (np.abs(v - 0.5 - step * per_step) <= (step + 1) * 2.0**-15 / theta + leak).all()
        current = board_drive.decayed(current, 1)


@pytest.mark.slow
def test_board_predicts_what_the_reference_predicts(example, images):
    """On the converted example; both read from a later start."""
    network, values = example[3], images[0][:60]
    settings = Settings(72, 2)
    board = board_arithmetic.run(network, Stimulus(values), settings)
    float_grid = reference.run(without_clamp(network), Stimulus(values), settings)
    starts = readout.starts("late", network.depth, settings.steps)
    predictions = [
        readout.activations(recording.readout["logits"], starts, network.depth)[:, -1].argmax(1)
        for recording in (board, float_grid)
    ]
    assert (predictions[0] == predictions[1]).sum() >= 59
    assert not sum(c.sum() for c in board.saturated.values())


def test_plan_chooses_theta_and_shift_that_fit():
    network = residual_network(np.random.default_rng(7))
    peaks = {"sum": Peak(30.0, 60.0, 0.0), "out": Peak(4000.0, 1.0, 0.0)}
    plan = make_plan(network, peaks)
    chosen = plan.by_name["sum"]
    assert (chosen.theta, chosen.shift, chosen.refract_timer) == (1.0, 6, 2)
    assert 65535 * chosen.weight_lsb >= 1.5 * 60 > 65535 * chosen.weight_lsb / 2
    assert plan.by_name["out"].theta < 1 / 16
    hidden = [
        p if p.name != "sum" else replace(p, bias=p.bias * 0 + 3) for p in network.populations
    ]
    strong = make_plan(replace(network, populations=tuple(hidden)))
    assert strong.by_name["sum"].theta == 0.5
    assert strong.by_name["sum"].self_weight * strong.by_name["sum"].weight_lsb == 0.5


def test_precision_counts_weights_that_vanish():
    network = residual_network(np.random.default_rng(8))
    found = {p.name: p for p in precision(make_plan(network, {"sum": Peak(500.0, 500.0, 0.0)}))}
    maps = [p.map for p in network.projections if p.target == "sum"]
    weights = np.concatenate([matrix(m).toarray().ravel() for m in maps])
    lsbs = np.rint(np.abs(weights[weights != 0]) / found["sum"].lsb)
    assert found["sum"].lsb == 2.0**-6
    assert found["sum"].synapses == len(lsbs)
    assert found["sum"].rounded_to_zero == (lsbs == 0).sum() > 0
    assert (found["sum"].lightest, found["sum"].heaviest) == (1, lsbs.max())


def hidden_bias_clips(network):
    changed = [replace(p, bias=p.bias + 40) if p.name == "last" else p for p in network.populations]
    return {"network": replace(network, populations=tuple(changed))}


def renamed(network):
    image, *others = network.populations
    projections = [replace(p, source="x") for p in network.incoming(others[0])]
    kept = [p for p in network.projections if p.source != image.name]
    populations = (replace(image, name="x"), *others)
    return replace(network, populations=populations, projections=(*projections, *kept))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (hidden_bias_clips, "last: needs a constant current of .* i_offset allows 31.2"),
        (lambda n: {"stimulus": Stimulus(np.zeros((1, 2, 5, 5), np.float32))}, r"takes \(B, 2, 6"),
        (lambda n: {"stimulus": Stimulus(np.zeros((0, 2, 6, 5), np.float32))}, "B >= 1"),
        (lambda n: {"settings": Settings(0)}, "0 steps"),
        (lambda n: {"settings": Settings(5, record=("out",))}, "out: cannot be recorded"),
        (lambda n: {"plan": make_plan(renamed(n))}, "of another network"),
    ],
)
def test_bad_input_is_refused(change, message):
    network = residual_network(np.random.default_rng(9))
    stimulus = Stimulus(np.zeros((1, 2, 6, 5), np.float32))
    given = {"network": network, "stimulus": stimulus, "settings": Settings(5)} | change(network)
    with pytest.raises(BackendError, match=message):
        board_arithmetic.run(**given)


def test_weights_too_coarse_for_the_board_are_refused():
    network = residual_network(np.random.default_rng(10))
    with pytest.raises(BackendError, match=r"sum: takes up to .*\n.*16-bit"):
        make_plan(network, {"sum": Peak(2000.0, 0.0, 0.0)})


def test_numbers_that_leave_their_range_are_refused():
    network = residual_network(np.random.default_rng(11), weight_gain=40.0)
    stimulus = Stimulus(np.ones((1, 2, 6, 5), np.float32))
    plan = make_plan(network)
    settings = Settings(20000, record=("stem", "down", "sum", "last"))
    with pytest.raises(BackendError, match="fewer steps") as refused:
        board_arithmetic.run(network, stimulus, settings, plan=plan)
    first = re.search("(.*): a current or potential .* in step ([0-9]+)", str(refused.value))
    name, step = first[1], int(first[2])
    found = board_arithmetic.run(network, stimulus, replace(settings, steps=step), plan=plan)
    assert found.settings.steps == step
    with pytest.raises(BackendError, match=f"{name}: .* in step {step}"):
        board_arithmetic.run(network, stimulus, replace(settings, steps=step + 1), plan=plan)


@pytest.mark.parametrize(("release", "wraps"), [(0, 0), (2000, 2000), (2500, 3000)])
def test_a_potential_that_comes_back_into_range_is_noticed(release, wraps):
    """I_exc - I_inh + i_offset is -70,000 mV at first, and above -65,536 from about step 2,400."""
    none = np.zeros(0, np.int32)
    wiring = Wiring(
        np.array([[0, 1, 1, release, 0, 0, 1, 0]]),
        np.zeros((0, 6), np.int64),
        none.astype(np.int64),
        none.astype(np.int64),
        none,
        none.reshape(0, 3),
        none.astype(np.int64),
    )
    i_offset, isyn_exc = np.array([[-10_000], [-60_000]], np.int32) << 15
    board = np.array([[1 << 15, 0, 0]])
    *_, found = simulate(wiring, board, i_offset, isyn_exc, 65535, 3000)
    assert found.tolist() == [wraps]


@pytest.mark.slow
@pytest.mark.spinnaker
def test_spynnaker_writes_the_integers_of_the_plan(tmp_path):
    """A virtual board: shifts, weights and drives as its host code encodes them."""
    script = ROOT / "tests" / "support" / "board_mapping.py"
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("identical\n")
