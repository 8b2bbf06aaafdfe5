"""Estimates of energy and time: counted again by loops, and by torch's own counter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.networks import small_network
from support.torch_networks import Basic, Bottleneck, export, resnet
from torch.utils.flop_counter import FlopCounterMode

from spinn_convert.backends.reference import backend as reference
from spinn_convert.linear.maps import synapses
from spinn_convert.model.load import load
from spinn_convert.network.recording import Settings, Stimulus
from spinn_convert.results import energy

NETWORKS = {
    "basic": (Basic, {}),
    "groups": (Bottleneck, {"groups": 4, "per_group": 16}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_multiplications_are_those_that_torch_counts(name, tmp_path):
    block, settings = NETWORKS[name]
    network = resnet(block, (1, 1), width=16, classes=7, **settings).eval()
    path = export(network, tmp_path / "network.onnx", (3, 32, 28), False)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 3, 32, 28))
    assert 2 * energy.macs(load(path).graph) == counter.get_total_flops()


@pytest.fixture
def run():
    """A network, its recording of four images in 30 steps with all spikes, and no graph."""
    network = small_network()
    values = np.random.default_rng(0).standard_normal((4, 2, 6, 6)).astype(np.float32)
    names = tuple(p.name for p in network.spiking)
    return network, reference.run(network, Stimulus(values), Settings(30, record=names))


class Nothing:
    nodes = ()


def test_joules_are_those_of_every_spike_and_event(run):
    network, recording = run
    found = energy.as_json(network, recording, Nothing)
    spikes = events = 0
    for name, rows in recording.spikes.items():
        fan_out = np.zeros(144, int)
        for projection in network.synaptic():
            if projection.source == name:
                for pre, _, _ in synapses(projection.map, network.bits):
                    np.add.at(fan_out, pre, 1)
        spikes += len(rows)
        events += fan_out[rows[:, 2]].sum() + len(rows)
    assert found["snn_of_which_spikes"] == pytest.approx(spikes / 4 * 10e-9)
    assert found["snn_of_which_events"] == pytest.approx(events / 4 * 8e-9)
    assert found["snn_of_which_neurons"] == pytest.approx((144 + 144 + 3) * 30 * 92.6e-9)
    assert found["snn_of_which_idle"] == pytest.approx(23 * 30e-3)
    parts = [value for key, value in found.items() if key.startswith("snn_of_which")]
    assert found["snn_joules_per_image"] == pytest.approx(sum(parts))
    assert found["snn_latency_ms"] == found["snn_latency_ms_at_best"] == 30
    assert found["ann_macs_per_image"] == 0


def test_every_number_has_its_source(run):
    found = energy.as_json(*run, Nothing)["assumptions"]
    assert all(a["source"] and isinstance(a["value"], int | float) for a in found)
    (idle,) = (a["value"] for a in found if a["name"].startswith("idle board"))
    assert idle == 23


def test_time_scale_factor(run):
    """On a board it is that of the file; else the busiest core decides: all spikes that it gets."""
    network, recording = run
    busy = replace(
        recording,
        spike_counts={"first": np.full(4, 60_000), "second": np.full(4, 3_000)},
    )
    # per step, the layer after both gets 2,000 + 100, and has its own 100 if it is "second"
    best, worst = energy.slowdown(network, busy)
    assert worst == np.ceil((144 * 114 + 2_100 * 3_300) / 200e3)
    assert best == np.ceil((144 * 114 + 2_100 * 900) / 200e3)
    told = energy.as_json(network, replace(busy, details={"time scale factor": 7}), Nothing)
    assert told["snn_latency_ms"] == told["snn_latency_ms_at_best"] == 7 * 30
    assert told["snn_of_which_idle"] == pytest.approx(23 * 7 * 30e-3)
    sources = {a["name"]: a["source"] for a in told["assumptions"]}
    assert sources["time scale factor"] == "configuration file"


def test_images_that_end_early_take_less(run):
    network, recording = run
    details, taken = {"time scale factor": 1}, np.array([10, 10, 20, 20])
    found = energy.as_json(network, replace(recording, steps_taken=taken, details=details), Nothing)
    assert found["snn_latency_ms"] == 15
    assert found["snn_of_which_idle"] == pytest.approx(23 * 15e-3)


def test_boards_by_cores(example):
    *_, network = example
    assert energy.boards_for(network) == 1
    wide = tuple(replace(p, shape=(p.shape[0] * 4, *p.shape[1:])) for p in network.populations)
    cores = sum(-(-p.size // 256) for p in wide[1:])
    assert energy.boards_for(replace(network, populations=wide)) == -(-cores // 768) > 1
