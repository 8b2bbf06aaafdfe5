"""The way to a real board, boards/software.cfg, against the integers of the board's arithmetic."""

import numpy as np
import pytest

pytest.importorskip("unicorn")
pytest.importorskip("spynnaker")

from support.places import BOARDS

import spinn_convert as sc
from spinn_convert.backends.board import backend as integers
from spinn_convert.backends.spinnaker import backend as spinnaker
from spinn_convert.backends.spinnaker import software
from spinn_convert.board_server.process import start
from spinn_convert.network.recording import Settings, Stimulus

pytestmark = [pytest.mark.spinnaker, pytest.mark.slow]
STEPS, IMAGES = 31, 3


def assert_same_as_integers(network, values, board, connectors=None):
    recorded = tuple(population.name for population in network.spiking)
    stimulus = Stimulus(values[:IMAGES])
    expected = integers.run(network, stimulus, Settings(STEPS, record=recorded))
    settings = Settings(STEPS, record=recorded, board=board, connectors=connectors)
    found = spinnaker.run(network, stimulus, settings)
    for name in recorded:
        assert len(expected.spikes[name]), "a silent population proves nothing"
        assert np.array_equal(found.spikes[name], expected.spikes[name]), name
    for name, potentials in expected.readout.items():
        assert np.array_equal(found.readout[name], potentials), name


@pytest.fixture
def small(tmp_path):
    """boards/software.cfg for a SpiNN-3, which has fewer chips to load."""
    path = tmp_path / "small.cfg"
    path.write_text((BOARDS / "software.cfg").read_text().replace("version = 5", "version = 3"))
    return path


def stored(reset):
    folder = BOARDS.parent / "tests" / "network" / "data"
    network = sc.Network.load(folder / f"format_1_{reset}.npz")
    return network, np.load(folder / "spikes_of_format_1.npz")["values"]


def test_a_network_runs_as_its_integers_do_on_a_spinn_5():
    assert_same_as_integers(*stored("subtract"), BOARDS / "software.cfg")


@pytest.mark.parametrize(
    ("reset", "connectors"), [("constant", "lists"), ("subtract", "convolutions")]
)
def test_so_do_other_resets_and_kernels(small, reset, connectors):
    connectors = None if reset == "constant" else connectors
    assert_same_as_integers(*stored(reset), small, connectors)


def test_so_it_does_where_datagrams_are_lost(small, monkeypatch):
    boards = []

    def lossy(version):
        boards.append(start(version, lose=0.01))
        return boards[-1]

    monkeypatch.setattr(software, "start", lossy)
    assert_same_as_integers(*stored("subtract"), small)
    (board,) = boards
    assert board.process.poll() is not None
