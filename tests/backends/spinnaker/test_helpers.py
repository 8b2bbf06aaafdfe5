"""One private function of sPyNNaker replaced byte for byte; the user's home left alone."""

import os

import numpy as np
import pytest

pytest.importorskip("spynnaker")

from spinn_convert.backends.spinnaker import fastlist
from spinn_convert.backends.spinnaker.fastlist import fast_rows
from spinn_convert.backends.spinnaker.home import spinnaker_home

pytestmark = pytest.mark.spinnaker


def compare_rows(monkeypatch):
    """Let sPyNNaker build every row twice; return the sizes of what was equal."""
    from spynnaker.pyNN.models.neuron import synapse_io

    stock = synapse_io._get_row_data
    sizes = []
    with fast_rows() as known:
        assert known
        fast = synapse_io._get_row_data
    assert fast is not stock
    assert synapse_io._get_row_data is stock

    def both(*args):
        expected = stock(*args)
        found = fast(*args)
        assert found.dtype == expected.dtype
        assert found.tobytes() == expected.tobytes()
        sizes.append(found.size)
        return found

    monkeypatch.setattr(synapse_io, "_get_row_data", both)
    return sizes


def test_fast_rows_are_the_bytes_of_the_stock_ones(tmp_path, monkeypatch):
    sizes = compare_rows(monkeypatch)
    rng = np.random.default_rng(3)
    with spinnaker_home(tmp_path):
        import pyNN.spiNNaker as sim

        sim.setup(timestep=1.0)
        a, b = (sim.Population(n, sim.IF_curr_exp(), label=str(n)) for n in (50, 600))
        for receptor, longest in (("excitatory", 15), ("inhibitory", 140)):
            pre, post = np.nonzero(rng.random((50, 600)) < 0.1)
            weight, delay = rng.uniform(0, 2, len(pre)), rng.integers(1, longest, len(pre))
            rows = np.stack([pre, post, weight * (1 if longest == 15 else -1), delay], axis=1)
            sim.Projection(a, b, sim.FromListConnector(rows), receptor_type=receptor)
        sim.Projection(b, b, sim.FromListConnector([(3, 4, 0.5, 2.0)]))
        sim.run(16)
        sim.end()
    assert len(sizes) == 3 * 4  # cores of b; projections, one of which also has delayed rows
    assert all(sizes)


def test_rows_of_an_unknown_spynnaker_stay_as_they_are(monkeypatch):
    from spynnaker.pyNN.models.neuron import synapse_io

    stock = synapse_io._get_row_data
    monkeypatch.setattr(fastlist, "KNOWN_VERSIONS", ("1!7.3.0",))
    with fast_rows() as known:
        assert not known
        assert synapse_io._get_row_data is stock
    monkeypatch.undo()
    monkeypatch.setattr(synapse_io, "_get_row_data", lambda connections: connections)
    with fast_rows() as known:
        assert not known


def test_the_users_home_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    with spinnaker_home(tmp_path / "run", {"Machine": {"version": "3"}}) as reports:
        assert os.environ["HOME"] != str(tmp_path / "user")
        text = (tmp_path / "run" / "home" / ".spynnaker.cfg").read_text()
        assert "[Machine]\nversion = 3" in text
        assert str(reports) in text
    assert os.environ["HOME"] == str(tmp_path / "user")
    assert "XDG_CONFIG_HOME" not in os.environ
    assert not (tmp_path / "user").exists()
