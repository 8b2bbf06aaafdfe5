"""Recordings as files: what the command writes is scored as in its report, by hand likewise."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from support.places import EXAMPLES

from spinn_convert.cli.main import commands
from spinn_convert.errors import DataError
from spinn_convert.jobs import run as job
from spinn_convert.jobs.prepare import Source
from spinn_convert.jobs.score import ScoreOptions, execute
from spinn_convert.results import neo_file as neo_recording

neo = pytest.importorskip("neo")
pytest.importorskip("nixio")
pytestmark = pytest.mark.slow
MODEL, DATA = EXAMPLES / "resnet18.onnx", EXAMPLES / "resnet18.npz"


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """Twelve images of the example, with the spikes of a small population."""
    out = tmp_path_factory.mktemp("recorded") / "out"
    record, steps = ("output", "relu_16"), 60
    options = job.RunOptions(
        Source(MODEL), images=12, steps=steps, out=out, record=record, read_out="all"
    )
    return job.execute(options)


def by_hand(path, potentials):
    """Write one segment per image with the signal v, as PyNN's write_data does."""
    import quantities as pq

    block = neo.Block()
    for values in potentials:
        segment = neo.Segment()
        segment.analogsignals.append(
            neo.AnalogSignal(values, units="mV", sampling_period=1 * pq.ms, name="v")
        )
        block.segments.append(segment)
    neo_recording.save(block, path)
    return path


def score_recording(path, labels, network, read_out):
    return execute(ScoreOptions(path, labels, network=network, read_out=read_out))


def test_score_of_the_recording_is_that_of_the_report(outcome):
    found = score_recording(
        outcome.folder / "recording.nix", DATA, outcome.folder / "network.npz", None
    )
    assert found["ann"] == outcome.report["ann"]
    for key, value in found["snn"].items():
        assert value == pytest.approx(outcome.report["snn"][key]), key


def test_recording_says_how_it_is_read(tmp_path, outcome):
    block = neo_recording.output_block(
        outcome.simulated.recording, outcome.network, np.zeros(12, int), "late"
    )
    neo_recording.save(block, tmp_path / "late.nix")
    said, late, all_steps = (
        score_recording(tmp_path / "late.nix", DATA, None, how) for how in (None, "late", "all")
    )
    assert said == late != all_steps


def test_spikes_of_the_command_come_back(outcome):
    found = neo_recording.spikes(outcome.folder / "spikes.nix")
    assert found.keys() == {"relu_16"}
    assert len(found["relu_16"]) == outcome.simulated.recording.spike_counts["relu_16"].sum()
    assert np.array_equal(found["relu_16"], outcome.simulated.recording.spikes["relu_16"])


def test_a_recording_made_by_hand_needs_only_labels(tmp_path, outcome):
    potentials = outcome.simulated.recording.readout["logits"]
    path = by_hand(tmp_path / "hand.nix", potentials * 3)
    np.save(tmp_path / "labels.npy", np.load(DATA)["labels"][:12])
    command = ["score", str(path), "--labels", str(tmp_path / "labels.npy"), "--json"]
    done = CliRunner().invoke(commands, command)
    assert done.exit_code == 0, done.output
    snn = json.loads(done.output)["snn"]
    assert snn["accuracy_by_step"] == outcome.report["snn"]["accuracy_by_step"]
    assert "agreement" not in snn


def refused(tmp_path, outcome, case):
    """Return path, labels and network of a wrong call, and what the message says."""
    labels, network = DATA, outcome.folder / "network.npz"
    path = outcome.folder / "recording.nix"
    if case == "few labels":
        labels = tmp_path / "few.npy"
        np.save(labels, np.arange(3))
        return path, labels, network, "3 labels for the 12 images"
    if case == "other classes":
        labels = tmp_path / "other.npy"
        np.save(labels, np.full(12, 77))
        return path, labels, network, "another network"
    if case == "no recording":
        return DATA, labels, None, "Neo cannot read this"
    if case == "missing":
        return tmp_path / "none.nix", labels, None, "no such file"
    if case == "pickled labels":
        labels = tmp_path / "pickled.npy"
        np.save(labels, np.array([{}], object), allow_pickle=True)
        return path, labels, None, "cannot be read as .npy"
    values = np.zeros((2, 5, 7), np.float32)
    return by_hand(tmp_path / "seven.nix", values), labels, network, "has 7 outputs"


@pytest.mark.parametrize(
    "case", ["few labels", "other classes", "no recording", "missing", "pickled labels", "sizes"]
)
def test_what_does_not_belong_together_is_refused(tmp_path, outcome, case):
    path, labels, network, message = refused(tmp_path, outcome, case)
    with pytest.raises(DataError, match=message):
        score_recording(path, labels, network, "all")


def test_a_recording_of_another_model_is_refused(tmp_path, outcome):
    block = neo_recording.output_block(
        outcome.simulated.recording, outcome.network, np.zeros(12, int), "late"
    )
    block.annotations["sha256"] = "0" * 64
    neo_recording.save(block, tmp_path / "other.nix")
    with pytest.raises(DataError, match="another model"):
        score_recording(tmp_path / "other.nix", DATA, outcome.folder / "network.npz", "all")


def test_unknown_populations_cannot_be_recorded(tmp_path):
    options = job.RunOptions(Source(MODEL), images=1, out=tmp_path / "out", record=("relu_99",))
    with pytest.raises(DataError, match="--record relu_99: no such population"):
        job.execute(options)
    assert not (tmp_path / "out").exists()
