"""Ending an image early: the rule, its bound, and simulators that keep to it."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.networks import classifier, small_network, with_images

import spinn_convert as sc
from spinn_convert.backends.nest import backend as nest
from spinn_convert.backends.reference import backend as reference
from spinn_convert.conversion.steps import CORRECTING_IMAGES
from spinn_convert.errors import BackendError, ConversionError, DataError
from spinn_convert.network import readout, stopping
from spinn_convert.network.recording import Settings, Stimulus
from spinn_convert.network.records import Network, Stop
from spinn_convert.network.timing import needed_steps
from spinn_convert.results.stopping import USED, with_stop

STEPS = 60


def test_lead_is_the_difference_of_activations_times_the_steps():
    potential = np.random.default_rng(0).standard_normal((3, 20, 5)).cumsum(1).astype(np.float32)
    for read_out in ("all", "late"):
        starts = readout.starts(read_out, 4, 20)
        active = np.sort(readout.activations(potential, starts, 4), -1)
        since = np.maximum(np.arange(1, 21) - 4, 0)
        wanted = (active[..., -1] - active[..., -2]) * since
        assert stopping.leads(potential, read_out, 4) == pytest.approx(wanted, rel=1e-5)


def test_an_image_ends_at_its_first_large_lead_but_not_before_the_first_step():
    leads = np.array([[9, 1, 2, 5, 1], [9, 9, 9, 9, 9], [0, 0, 0, 0, 0.0]])
    assert stopping.steps_taken(leads, Stop(5, 3, "all", 0.9)).tolist() == [4, 3, 5]


def test_bound_is_the_least_from_which_on_agreement_is_as_wanted():
    rng = np.random.default_rng(0)
    leads = rng.random((200, 30)) * np.arange(30)
    same = rng.random((200, 30)) < np.minimum(0.7 + np.arange(30) / 60, 1)
    bound = stopping.least_bound(leads, same, 3, 0.95)
    images = np.arange(200)

    def agreement(limit):
        taken = stopping.steps_taken(leads, Stop(limit, 3, "all", 0.95))
        return same[images, taken - 1].mean()

    assert agreement(bound) >= 0.95
    assert agreement(0.8 * bound) < 0.95
    assert stopping.least_bound(leads, same & False, 3, 0.5) is None


@pytest.fixture
def stimulus():
    values = np.random.default_rng(1).standard_normal((12, 2, 6, 6)).astype(np.float32)
    return Stimulus(values)


def stop_of(full, network, read_out="late"):
    """Return a bound that different images reach at different steps, and these."""
    release = network.readouts[0].release
    leads = stopping.leads(full.readout["out"], read_out, release)
    stop = Stop(float(np.quantile(leads[:, 20:], 0.5)), release + 2, read_out, 0.9)
    return stop, stopping.steps_taken(leads, stop)


@pytest.mark.parametrize("clamp_delay", [0, 1])
@pytest.mark.parametrize(
    "backend",
    ["kernel", "tensors", pytest.param("nest", marks=[pytest.mark.nest, pytest.mark.slow])],
)
def test_simulators_end_where_the_rule_says(stimulus, backend, clamp_delay, monkeypatch):
    network = small_network(clamp_delay)
    everything = Settings(STEPS, 2, record=("first", "second"))
    full = reference.run(network, stimulus, everything)
    stop, taken = stop_of(full, network)
    assert len(set(taken.tolist())) > 4
    if backend == "tensors":
        monkeypatch.setattr(reference, "_cuda", lambda: torch.device("cpu"))
    module = nest if backend == "nest" else reference
    found = module.run(network, stimulus, replace(everything, stop=stop))
    assert found.taken.tolist() == taken.tolist()
    for name, rows in full.spikes.items():
        wanted = rows[rows[:, 1] < taken[rows[:, 0]]]
        assert np.array_equal(found.spikes[name], wanted), name
        counts = np.bincount(wanted[:, 0], minlength=12)
        assert found.spike_counts[name].tolist() == counts.tolist()
    for image, last in enumerate(taken):
        shown = found.readout["out"][image]
        assert np.array_equal(shown[:last], full.readout["out"][image, :last])
        assert (shown[last:] == shown[last - 1]).all()


@pytest.mark.parametrize(
    "backend", ["kernel", pytest.param("nest", marks=[pytest.mark.nest, pytest.mark.slow])]
)
@pytest.mark.parametrize("steps", [1, 3, 40])
def test_spikes_that_reach_no_output_are_left_out(stimulus, backend, steps):
    network = small_network()
    names = tuple(population.name for population in network.spiking)
    every = reference.run(network, stimulus, Settings(steps, record=names))
    module = nest if backend == "nest" else reference
    found = module.run(network, stimulus, Settings(steps))
    assert np.array_equal(found.readout["out"], every.readout["out"])
    needed = needed_steps(network, steps)
    for name in names:
        in_time = every.spikes[name][every.spikes[name][:, 1] < needed[name]]
        assert found.spike_counts[name].sum() == len(in_time)
    assert (needed["first"], needed["second"]) == (max(steps - 2, 0), steps - 1)


def test_events_of_fewer_steps_are_those_of_a_shorter_run(stimulus):
    network = small_network()
    within = reference.run(network, stimulus, Settings(30)).events_within
    for steps in (1, 2, 17, 30):
        events = reference.run(network, stimulus, Settings(steps)).synaptic_events
        assert within[steps - 1] == pytest.approx(events.mean())


@pytest.fixture
def model(write_model):
    path = with_images(classifier(write_model), 260)
    return sc.load(path), np.load(path.with_suffix(".npz"))["images"]


def test_a_bound_from_calibration_images_keeps_the_agreement(model, tmp_path):
    loaded, images = model
    network = sc.convert(loaded, images, threads=2)
    stopping_network = with_stop(loaded, network, images, 0.95, threads=2)
    stop = stopping_network.stop
    assert stop.images == 160
    assert stop.agreement >= 0.95
    assert stop.steps < 0.8 * stop.fixed_steps
    assert stop.events < stop.fixed_events
    stopping_network.save(tmp_path / "network.npz")
    assert Network.load(tmp_path / "network.npz").stop == stop


def test_images_that_potentials_were_corrected_on_are_left_out():
    assert USED == CORRECTING_IMAGES


def test_from_python(model):
    loaded, images = model
    network = sc.convert(loaded, images, threads=2)
    values = loaded.core_input(images[:5])
    with pytest.raises(DataError, match="call with_stop before"):
        sc.run(network, values, stop_when_sure=True)
    network = sc.with_stop(loaded, network, images, 0.9)
    recording = sc.run(network, values, stop_when_sure=True)
    assert (recording.taken <= recording.settings.steps).all()
    assert recording.settings.stop == network.stop
    with pytest.raises(BackendError, match="the same number of steps"):
        sc.run(network, values, backend="spinnaker-integers", stop_when_sure=True)


@pytest.mark.slow
def test_from_the_command_line(write_model, tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with_images(classifier(write_model), 260)
    told = command("convert", "tiny.onnx", "--stop-when-sure", "--sure", "95", "--out", "made")
    assert told.returncode == 0, told.stderr
    stop = Network.load(tmp_path / "made" / "network.npz").stop
    assert stop.wanted == 0.95
    line = ("made/network.npz", "--stop-when-sure", "--sure", "95", "--images", "20", "--json")
    told = command(*line, "--out", "run")
    assert told.returncode == 0, told.stderr
    report = json.loads(told.stdout)
    assert report["stop"]["bound"] == stop.bound
    assert report["stop"]["steps"]["mean"] <= report["stop"]["steps"]["most"] <= report["steps"]
    assert report["stop"]["calibration"]["fixed"]["steps"] == report["steps"]
    told = command("tiny.onnx", "--stop-when-sure", "--sure", "95", "--images", "9", "--out", "b")
    assert "steps until sure, on average" in told.stdout


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--sure 99", "no image ends early"),
        ("--stop-when-sure --sure 100", "less than 100"),
        ("--stop-when-sure --backend spinnaker-integers", "the same number of steps"),
    ],
)
def test_what_has_no_effect_or_sense_is_refused(write_model, command, line, words):
    told = command(with_images(classifier(write_model)), *line.split())
    assert told.returncode == 2
    assert words in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"wanted": 0.9999, "steps": 3}, "not 100.0%"),
        ({"images": 150}, "there are 150 calibration images"),
    ],
)
def test_no_bound_is_made_up(model, change, words):
    loaded, images = model
    network = sc.convert(loaded, images, threads=2)
    some = images[: change.pop("images", None)]
    with pytest.raises(ConversionError, match=words):
        with_stop(loaded, network, some, **change)
