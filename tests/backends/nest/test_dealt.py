"""A network that is built as three ranks would, one after another, in one process.

Every neuron is set and connected by the rank that has it, and by no other: then the spikes are
those of the reference. That ranks exchange spikes needs a NEST with MPI: tests/mpi/test_nest.py.
"""

from __future__ import annotations

from functools import wraps

import numpy as np
import pytest
from support.networks import small_network

from spinn_convert.backends.nest import backend
from spinn_convert.backends.reference import backend as reference
from spinn_convert.linear.share import Share
from spinn_convert.network.recording import Settings, Stimulus
from spinn_convert.network.records import Stop

pytestmark = pytest.mark.nest
RANKS = 3


@pytest.fixture
def dealt(monkeypatch):
    """Let whatever asks which neurons are its own be done by each rank in turn."""
    objects, turn, calls = backend.imported(), [0], []

    def in_turn(function, combine=lambda results: None):
        @wraps(function)
        def call(*args):
            results = []
            for turn[0] in range(RANKS):
                results.append(function(*args))
            calls.append(function.__name__)
            return combine(results)

        return call

    def share(nodes):
        return Share((turn[0] - nodes[0].global_id) % RANKS, RANKS)

    monkeypatch.setattr(objects, "share", share)
    for name in ("set_all", "set_each", "count"):
        monkeypatch.setattr(objects, name, in_turn(getattr(objects, name)))
    summed = in_turn(objects.get, lambda results: np.sum(results, 0))
    monkeypatch.setattr(objects, "get", summed)
    connect = in_turn(objects.BulkConnector.connect)
    monkeypatch.setattr(objects.BulkConnector, "connect", connect)
    return calls


@pytest.mark.parametrize("case", ["plain", "clamped", "sure"])
def test_ranks_in_turn_make_the_whole_network(dealt, case):
    network = small_network(1 if case == "clamped" else 0)
    stop = Stop(1.0, 8, "all", 0.9) if case == "sure" else None
    settings = Settings(30, record=() if stop else ("first", "second"), stop=stop)
    rng = np.random.default_rng(3)
    stimulus = Stimulus(rng.standard_normal((4, 2, 6, 6)).astype(np.float32))
    found, wanted = (b.run(network, stimulus, settings) for b in (backend, reference))
    assert {"set_all", "set_each", "count", "get", "connect"} <= {*dealt}
    for name in wanted.spike_counts:
        assert wanted.spike_counts[name].sum() > 100
        assert np.array_equal(found.spike_counts[name], wanted.spike_counts[name]), name
    assert np.array_equal(found.synaptic_events, wanted.synaptic_events)
    assert np.array_equal(found.taken, wanted.taken)
    assert np.array_equal(found.readout["out"], wanted.readout["out"])
    for name in settings.record:
        assert np.array_equal(found.spikes[name], wanted.spikes[name]), name
