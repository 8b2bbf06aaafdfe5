"""Reset to a calibrated constant: against its equations, and what the calibration buys."""

import numpy as np
import pytest
from support.board_oracle import residual_network, slow_delta_run

from spinn_convert.backends.board import arithmetic as board_arithmetic
from spinn_convert.backends.board.delta import arithmetic as delta_arithmetic
from spinn_convert.backends.board.delta.plan import make_delta_plan
from spinn_convert.backends.board.plan import Peak
from spinn_convert.errors import BackendError
from spinn_convert.model.host import tensors as run_ann
from spinn_convert.network.rate import input_currents
from spinn_convert.network.recording import Settings, Stimulus

STEPS = 40


@pytest.mark.parametrize("seed", range(4))
def test_simulator_is_the_equations_bit_for_bit(seed):
    rng = np.random.default_rng(seed)
    network = residual_network(rng, clamp_delay=seed % 2)
    values = rng.normal(size=(2, 2, 6, 5)).astype(np.float32)
    names = tuple(p.name for p in network.spiking)
    peaks = board_arithmetic.measure_peaks(network, values, Settings(STEPS))
    v_reset = {name: rng.uniform(0, 0.5, 4 if name == "stem" else 6) for name in names}
    plan = make_delta_plan(network, peaks, v_reset)
    settings = Settings(STEPS, 2, record=names)
    found = delta_arithmetic.run(network, Stimulus(values), settings, plan=plan)
    chosen = {p.name: (p.theta, p.shift) for p in plan.populations}
    currents = input_currents(network, values)
    for image in range(len(values)):
        of_image = {name: current[image] for name, current in currents.items()}
        fired, potentials = slow_delta_run(network, of_image, chosen, v_reset, STEPS)
        for name in names:
            rows = found.spikes[name][found.spikes[name][:, 0] == image, 1:]
            assert len(rows) > 10
            assert np.array_equal(rows, np.argwhere(fired[name])), name
        (out,) = network.readouts
        raw = potentials["out"] / 32768 / chosen["out"][0] * out.scale
        assert np.array_equal(found.readout["out"][image], raw.astype(np.float32))


def test_overshoot_is_the_mean_potential_above_the_threshold_at_a_spike():
    """Of the stem, in floating point; at most a threshold for neurons that fire in every step."""
    network = residual_network(np.random.default_rng(0), image_gain=0.5)
    values = np.random.default_rng(1).normal(size=(4, 2, 6, 5)).astype(np.float32)
    peaks = board_arithmetic.measure_peaks(network, values, Settings(STEPS))
    found = delta_arithmetic.measure_overshoot(network, values, Settings(STEPS), peaks)
    current = input_currents(network, values)["stem"].astype(np.float64)
    v = np.full(current.shape, 0.5)
    above, spikes = np.zeros(4), np.zeros(4)
    for _ in range(STEPS):
        v += current
        above += np.where(v >= 1, np.minimum(v - 1, 1), 0).sum((0, 2, 3))
        spikes += (v >= 1).sum((0, 2, 3))
        v -= v >= 1
    assert (current > 1).any()
    assert found["stem"] == pytest.approx(above / spikes, rel=0.01)


def test_reset_stays_below_the_threshold():
    network = residual_network(np.random.default_rng(3))
    peaks = {p.name: Peak(2.0, 2.0, 0.0) for p in network.populations}
    plan = make_delta_plan(network, peaks, {"sum": np.full(6, 1.0)})
    assert (plan.by_name["sum"].v_reset == plan.by_name["sum"].theta * 32768 - 1).all()


@pytest.mark.slow
def test_calibrated_reset_rescues_the_example(example, images):
    model, _, _, network = example
    values, labels = images[0][:50], images[1][:50]
    settings = Settings(96, 2)
    peaks = board_arithmetic.measure_peaks(network, values[:16], settings)
    v_reset = delta_arithmetic.measure_overshoot(network, values[:16], settings, peaks)
    accuracy = {}
    for name, constants in (("zero", None), ("calibrated", v_reset)):
        plan = make_delta_plan(network, peaks, constants)
        found = delta_arithmetic.run(network, Stimulus(values), settings, plan=plan)
        accuracy[name] = (found.readout["logits"][:, -1].argmax(1) == labels).mean()
    logits = np.concatenate([out for (out,) in run_ann(model, values, ["logits"], 2)])
    ann = (logits.argmax(1) == labels).mean()
    assert accuracy["zero"] < 0.6
    assert accuracy["calibrated"] >= ann - 0.06


def test_inputs_beyond_the_numbers_are_refused():
    network = residual_network(np.random.default_rng(2))
    peaks = {p.name: Peak(2.0, 2.0, 0.0) for p in network.populations}
    with pytest.raises(BackendError, match="sum: takes up to"):
        make_delta_plan(network, {**peaks, "sum": Peak(900.0, 1.0, 0.0)})
