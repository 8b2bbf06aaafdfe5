"""Recorded spikes as a file: plain Neo and we read from it what the simulator recorded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.networks import small_network

from spinn_convert.backends.reference import backend as reference
from spinn_convert.errors import DataError
from spinn_convert.network.recording import Settings, Stimulus
from spinn_convert.results import neo_file

neo = pytest.importorskip("neo")
pytest.importorskip("nixio")
STEPS, IMAGES = 24, 4
FIRING, SILENT = "/stem/stem.2/Relu_output_0", "/stem/silent"


def renamed(network):
    """Name the populations with slashes; no input silences the first, nothing wakes the second."""
    names = {"first": FIRING, "second": SILENT}
    biases = {"first": -0.01, "second": -9.0}
    populations = [
        replace(
            p,
            name=names.get(p.name, p.name),
            bias=np.full_like(p.bias, biases[p.name]) if p.name in biases else p.bias,
        )
        for p in network.populations
    ]
    projections = [
        replace(p, source=names.get(p.source, p.source), target=names.get(p.target, p.target))
        for p in network.projections
    ]
    return replace(network, populations=tuple(populations), projections=tuple(projections))


@pytest.fixture(scope="module")
def recorded():
    """A network of two populations, and what four images left behind; the second one nothing."""
    network = renamed(small_network())
    values = np.random.default_rng(1).random((IMAGES, 2, 6, 6), np.float32)
    values[1] = 0
    settings = Settings(STEPS, record=(FIRING, SILENT))
    return network, reference.run(network, Stimulus(values), settings)


@pytest.fixture(scope="module")
def path(recorded, tmp_path_factory):
    network, recording = recorded
    path = tmp_path_factory.mktemp("spikes") / "spikes.nix"
    neo_file.save(neo_file.spike_block(recording, network), path)
    return path


def test_spikes_come_back_as_they_were(recorded, path):
    _, recording = recorded
    rows = recording.spikes[FIRING]
    assert set(rows[:, 0]) == {0, 2, 3}  # the second image leaves the population silent
    assert len(recording.spikes[SILENT]) == 0
    for source in (path, str(path), neo_file.read(path)):
        found = neo_file.spikes(source)
        assert found.keys() == recording.spikes.keys()
        for name, wanted in recording.spikes.items():
            assert found[name].dtype == np.int32
            assert found[name].shape == wanted.shape
            assert np.array_equal(found[name], wanted)


def test_plain_neo_reads_a_neuron_as_documented(recorded, path):
    _, recording = recorded
    rows = recording.spikes[FIRING]
    neuron = np.bincount(rows[rows[:, 0] == 2, 2]).argmax()
    lines = neo_file.spike_block.__doc__.split("\n\n")[2]
    code = "\n".join(line.strip() for line in lines.splitlines())
    code = code.replace('"spikes.nix"', repr(str(path))).replace('"relu_3"', repr(FIRING))
    names = {"neo": neo}
    exec(code.replace("== 7", f"== {neuron}"), names)
    wanted = rows[(rows[:, 0] == 2) & (rows[:, 2] == neuron), 1]
    assert len(wanted)
    assert np.array_equal(names["times"], wanted)


@pytest.mark.slow
def test_trains_are_of_every_neuron(recorded, path):
    network, recording = recorded
    for population in network.spiking:
        trains = neo_file.spike_trains(path, population.name)
        assert len(trains) == population.size
        wanted = {neuron: [] for neuron in range(population.size)}
        for image, step, neuron in recording.spikes[population.name].tolist():
            wanted[neuron].append(image * STEPS + step)
        for neuron, train in enumerate(trains):
            assert isinstance(train, neo.SpikeTrain)
            assert train.times.rescale("ms").magnitude.tolist() == wanted[neuron]
            assert float(train.t_stop.rescale("ms")) == IMAGES * STEPS


@pytest.mark.slow
def test_the_file_grows_with_spikes_not_with_neurons(recorded, tmp_path):
    network, recording = recorded
    few = np.array([[0, 1, 2]], np.int32)
    many = np.repeat(few, 100_000, 0)
    sizes = []
    for rows in (few, many):
        block = neo_file.spike_block(replace(recording, spikes={FIRING: rows}), network)
        neo_file.save(block, tmp_path / "sized.nix")
        sizes.append((tmp_path / "sized.nix").stat().st_size)
        assert np.array_equal(neo_file.spikes(tmp_path / "sized.nix")[FIRING], rows)
    assert sizes[0] < 60_000  # with 144 neurons; a train of each takes 15 kB
    assert sizes[1] - sizes[0] < 13 * len(many)


@pytest.mark.slow
def test_what_holds_no_spikes_is_refused(recorded, path, tmp_path):
    network, recording = recorded
    block = neo_file.output_block(recording, network, np.zeros(IMAGES, int), "all")
    neo_file.save(block, tmp_path / "recording.nix")
    with pytest.raises(DataError, match=r"recording\.nix.*holds no spikes"):
        neo_file.spikes(tmp_path / "recording.nix")
    with pytest.raises(DataError, match="no spikes of relu_99"):
        neo_file.spike_trains(path, "relu_99")
