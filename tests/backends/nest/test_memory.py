"""Memory of one rank or of many is checked before building; what is said would do, does."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
from dataclasses import replace

import pytest
from support.networks import small_network
from support.places import ROOT

from spinn_convert.backends.nest import memory
from spinn_convert.backends.nest.backend import _unfit_ranks
from spinn_convert.backends.nest.memory import Place, fits, threads_of
from spinn_convert.network.recording import Settings
from spinn_convert.network.records import neurons

SETTINGS = Settings(10, record=("first",))
PLENTY = Place("a", 1, 10**12, None)


@pytest.fixture
def network(monkeypatch):
    """A small network of synapses that take a megabyte each."""
    monkeypatch.setattr(memory, "BYTES_PER_COMPACT_SYNAPSE", 10**6)
    return small_network()


def refused(network, places):
    (problem,) = fits(network, SETTINGS, places)
    return problem


def ranks_named(problem):
    return int(re.search(r"mpirun -n (\d+)", problem.fix)[1])


def test_enough_is_enough(network):
    assert fits(network, SETTINGS, [PLENTY]) == []


@pytest.mark.parametrize("count", [1, 3])
def test_on_more_machines_the_number_that_is_named_does(network, count):
    few = [Place(str(machine), count, 5 * 10**8, None) for machine in range(count)]
    problem = refused(network, few)
    enough = ranks_named(problem)
    assert "on more machines" in problem.fix
    assert ("on each of 3 ranks" in problem.what) == (count == 3)
    places = [Place(str(machine), enough, 5 * 10**8, None) for machine in range(enough)]
    assert fits(network, SETTINGS, places) == []
    assert fits(network, SETTINGS, places[1:])


def test_where_processes_are_limited_ranks_on_this_machine_do(network):
    limited = replace(PLENTY, limit=10**9)
    problem = refused(network, [limited])
    assert "ulimit -v" in problem.what
    enough = ranks_named(problem)
    assert f"start {enough} ranks here" in problem.fix
    assert fits(network, SETTINGS, [limited] * enough) == []
    assert fits(network, SETTINGS, [limited] * (enough - 1))


def test_ranks_on_one_machine_share_its_memory(network):
    half = Place("a", 2, 3 * 10**9, None)
    assert "1.5 GB are free" in refused(network, [half] * 2).what


def test_what_every_rank_keeps_is_no_matter_of_their_number(network, monkeypatch):
    monkeypatch.setattr(memory, "BYTES_PER_FOREIGN_NEURON", 10**9 // neurons(network))
    problem = refused(network, [replace(PLENTY, free=5 * 10**8)])
    assert "machines with more memory" in problem.fix


@pytest.mark.parametrize(
    ("cells", "threads", "ranks", "got"),
    [(1000, 2, 1, 2), (146_186, 2, 1, 3), (146_186, 1, 2, 2), (146_186, 1, 1, 1), (10**7, 2, 1, 2)],
)
def test_a_thread_more_makes_synapses_compact(cells, threads, ranks, got, monkeypatch):
    monkeypatch.setattr(memory, "neurons", lambda network: cells)
    assert threads_of(small_network(), threads, ranks) == got
    compact = cells / (got * ranks) < memory.COMPACT_NEURONS
    assert memory.is_compact(small_network(), got, ranks) == compact


def test_the_limit_of_a_process_is_read():
    code = "from spinn_convert.backends.nest.memory import room; print(room(1).limit)"
    limit = 4 * 10**9
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
        capture_output=True,
        text=True,
    )
    assert limit / 2 < int(done.stdout) < limit


def test_more_ranks_than_neurons_are_refused():
    network = small_network()
    (problem,) = _unfit_ranks(network, [replace(PLENTY, processes=300)] * 300)
    assert f"the network has {neurons(network)} neurons" in problem.what
    assert f"start {neurons(network)} ranks at most" in problem.fix
    assert _unfit_ranks(network, [replace(PLENTY, processes=3)] * 3) == []
