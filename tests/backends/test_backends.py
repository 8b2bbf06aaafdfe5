"""Simulators against each other, spike for spike, and against the theory."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from spinn_convert.backends.nest import backend as nest
from spinn_convert.backends.nest import memory
from spinn_convert.backends.reference import backend as reference
from spinn_convert.conversion.constant_reset import with_constant_reset
from spinn_convert.conversion.method import PAPER
from spinn_convert.conversion.steps import converted
from spinn_convert.model.host import tensors as run
from spinn_convert.network import rate
from spinn_convert.network.recording import Settings, Stimulus
from spinn_convert.results import report


def assert_same(a, b):
    for name in a.spike_counts:
        assert np.array_equal(a.spike_counts[name], b.spike_counts[name]), name
    assert np.array_equal(a.synaptic_events, b.synaptic_events)
    for name in a.readout:
        assert np.array_equal(a.readout[name], b.readout[name]), name
    for name in a.spikes:
        assert np.array_equal(a.spikes[name], b.spikes[name]), name


@pytest.mark.slow
def test_dense_tensors_give_the_spikes_of_the_kernel(example, images, monkeypatch):
    network, stimulus = example[3], Stimulus(images[0][:3])
    settings = Settings(45, threads=2, record=("relu", "relu_9"))
    kernel = reference.run(network, stimulus, settings)
    monkeypatch.setattr(reference, "_cuda", lambda: torch.device("cpu"))
    assert_same(kernel, reference.run(network, stimulus, settings))


@pytest.mark.slow
@pytest.mark.nest
def test_nest_gives_the_spikes_of_the_reference_on_images_in_a_row(example, images):
    """Four images on one build; the last ones are also the reference's alone."""
    network = example[3]
    settings = Settings(60, threads=2, record=("relu_13", "relu_14", "relu_15", "relu_16"))
    on_nest = nest.run(network, Stimulus(images[0][:4]), settings)
    assert_same(reference.run(network, Stimulus(images[0][:4]), settings), on_nest)
    alone = reference.run(network, Stimulus(images[0][3:4]), settings)
    assert np.array_equal(alone.readout["logits"][0], on_nest.readout["logits"][3])


@pytest.mark.slow
@pytest.mark.nest
@pytest.mark.parametrize("clamp_delay", [0, 1])
def test_reset_to_a_constant_is_the_same_everywhere(example, images, monkeypatch, clamp_delay):
    model, _, data, _ = example
    calibration, method = data.calibration[:500], replace(PAPER, clamp_delay=clamp_delay)
    network = converted(model, calibration, method, 2)
    network = with_constant_reset(network, calibration[:8], Settings(40, 2))
    settings = Settings(45, threads=2, record=("relu", "relu_9"))
    kernel = reference.run(network, Stimulus(images[0][:2]), settings)
    assert_same(kernel, nest.run(network, Stimulus(images[0][:2]), settings))
    monkeypatch.setattr(reference, "_cuda", lambda: torch.device("cpu"))
    assert_same(kernel, reference.run(network, Stimulus(images[0][:2]), settings))


@pytest.mark.slow
def test_rates_converge_as_one_over_steps(example, images):
    """The error of the mean logit against ReLU1 at least halves at four times the steps."""
    network, values = example[3], images[0][:20]
    relu1 = np.concatenate([c["logits"] for c in rate.rates(network, values, clip=True)])
    start = network.readouts[0].release
    readout = reference.run(network, Stimulus(values), Settings(start + 400, 2)).readout["logits"]
    errors = [np.abs(readout[:, start + t - 1] / t - relu1).mean() for t in (100, 400)]
    assert errors[1] < errors[0] / 2


@pytest.mark.slow
def test_extended_conversion_is_fast_and_lossless(example, images):
    model, _, _, network = example
    values, labels = images
    ann = np.concatenate([out[0] for out in run(model, values, ["logits"], 2)])
    recording = reference.run(network, Stimulus(values), Settings(77, threads=2))
    scores = report.score(recording.readout["logits"], ann, ann, labels, threshold=0)
    assert scores.first_step is not None
    assert scores.first_step <= 42
    assert scores.agreement_by_step[-1] >= 0.99


@pytest.mark.slow
def test_too_little_memory_is_refused_with_numbers(example, monkeypatch):
    from types import SimpleNamespace

    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: SimpleNamespace(available=10**8))
    (problem,) = nest.check(example[3], Settings(10))
    assert "24,0" in problem.what
    assert "0.1 GB are free" in problem.what


def test_missing_simulator_is_refused(example, monkeypatch):
    monkeypatch.setattr(nest, "find_spec", lambda name: None)
    problems = nest.check(example[3], Settings(10))
    assert any("not installed" in p.what and "pip install" in p.fix for p in problems)


@pytest.mark.parametrize("name", ["brian", ""])
def test_unknown_backend(name):
    from spinn_convert import backends

    with pytest.raises(backends.BackendError, match="choose from"):
        backends.find(name)
