"""A converted network in a user's own simulation on SpiNNaker: the spikes of the integers."""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("unicorn")
pytest.importorskip("spynnaker")

from support.networks import small_network
from support.spinnaker_rig import after_reset, snapshot

import spinn_convert as sc
from spinn_convert.backends.spinnaker.build import ticks
from spinn_convert.backends.spinnaker.home import spinnaker_home
from spinn_convert.emulator.board import Board

pytestmark = [pytest.mark.spinnaker, pytest.mark.slow]

STEPS = 30
VALUES = np.random.default_rng(3).standard_normal((2, 2, 6, 6)).astype(np.float32)
CALIBRATION = np.random.default_rng(4).standard_normal((5, 2, 6, 6)).astype(np.float32)


def constant_reset():
    """Return the network of the tests, clamped, with a reset to a constant."""
    reset = np.full(1, 0.125 + 2.0**-15, np.float32)
    network = small_network(1)
    return replace(
        network,
        populations=tuple(
            replace(p, v_reset=reset if p.kind == "spiking" else None) for p in network.populations
        ),
    )


@pytest.fixture
def sim(tmp_path):
    """Return sPyNNaker's PyNN, set up on a virtual board."""
    with spinnaker_home(tmp_path), redirect_stderr(io.StringIO()):
        import pyNN.spiNNaker as sim

        sim.setup(timestep=1.0)
        yield sim
        sim.end()


class Executed:
    """Executes on an emulated board what sPyNNaker maps; state, because the board has it."""

    def __init__(self, sim, monkeypatch):
        self._run, self._image, self._board, self.results = sim.run, None, None, []
        monkeypatch.setattr(sim, "run", self.run)

    def run(self, time):
        """Take the place of sim.run, which maps, and on a virtual board runs nothing."""
        if self._image is None:
            self._run(time)
            self._image = snapshot(int(time))
            self._board = Board(self._image)
        else:
            self._image = after_reset(self._image)
            self._run(time)
            self._board.reload(self._image)
        self.results.append(self._board.run(int(time), lambda step: None))


@pytest.mark.parametrize(
    "network",
    [
        pytest.param(small_network(), id="exp"),
        pytest.param(constant_reset(), id="delta"),
    ],
)
def test_spikes_are_those_of_the_integers_beside_the_users_population(sim, network, monkeypatch):
    names = [p.name for p in network.spiking]
    own = sim.Population(7, sim.IF_curr_exp(tau_m=10.0, i_offset=2.0), label="own")
    own.record("spikes")
    built = network.to_pynn(sim, CALIBRATION)
    synapse = sim.StaticSynapse(weight=1.0, delay=1.0)
    sim.Projection(built.populations["second"], own, sim.AllToAllConnector(), synapse)
    for name in names:
        built.populations[name].record("spikes")
    built.populations["out"].record("v")
    executed = Executed(sim, monkeypatch)
    windows = [built.present(value, STEPS) for value in VALUES]
    assert [(w.start, w.steps, w.first) for w in windows] == [(0.0, STEPS, 0)] * 2
    expected = sc.run(
        network, VALUES, "spinnaker-integers", STEPS, names, calibration=CALIBRATION, threads=1
    )
    for image, result in enumerate(executed.results):
        for name in names:
            rows = expected.spikes[name]
            rows = rows[rows[:, 0] == image, 1:]
            found = result.spikes[name]
            assert len(rows) > 50, "a silent population proves nothing"
            assert np.array_equal(found[found[:, 0] < STEPS], rows), (image, name)
        theta = built.plan.by_name["out"].theta
        potentials = (result.potentials["out"][1 : STEPS + 1] / theta).astype(np.float32)
        assert np.array_equal(potentials, expected.readout["out"][image])
        assert len(result.spikes["own"]) > 7
    assert ticks(STEPS) == 32


def test_it_is_mapped_with_projections_by_name(sim):
    built = small_network().to_pynn(sim, CALIBRATION)
    assert set(built.populations) == {"first", "second", "out"}
    names = {name.rsplit(" ", 1)[0] for name in built.projections}
    links = [("first", "second"), ("first", "out"), ("second", "out")]
    itself = [("first", "first"), ("second", "second")]
    assert names == {f"{a} -> {b}" for a, b in (*links, *itself)}
    built.present(VALUES[0], STEPS)
    from spynnaker.pyNN.data import SpynnakerDataView as View

    labels = {getattr(p.vertex.app_vertex, "label", "") for p in View.iterate_placemements()}
    assert labels >= {"first", "second", "out"}


def test_what_does_not_fit_is_refused(tmp_path, sim):
    with pytest.raises(sc.BackendError, match=r"to_pynn\(sim, calibration=model\.core_input"):
        small_network().to_pynn(sim)
    with pytest.raises(sc.BackendError, match=r"clamp_delay=1(.|\n)*reset=constant"):
        small_network(1).to_pynn(sim, CALIBRATION)
    sim.end()
    sim.setup(timestep=0.5)
    with pytest.raises(sc.BackendError, match=r"of 0\.5 ms\n  -> call sim\.setup\(timestep=1\.0\)"):
        small_network().to_pynn(sim, CALIBRATION)
