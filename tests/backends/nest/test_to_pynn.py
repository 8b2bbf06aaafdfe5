"""A converted network in a user's own simulation on NEST: the spikes that the backend gives."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest
from support.networks import small_network
from support.places import ROOT

from spinn_convert.errors import BackendError

pytestmark = [pytest.mark.nest, pytest.mark.slow]
CASES = ["plain, 1 threads", "plain, 2 threads", "clamped, 1 threads", "constant reset, 1 threads"]


@pytest.fixture(scope="module")
def said():
    """What the user's script printed."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "support" / "in_nest.py")],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "PYNEST_QUIET": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("case", CASES)
def test_spikes_are_those_of_the_backend_for_every_image(said, case):
    assert min(said[case]["spikes"].values()) > 100
    assert said[case]["same"] == {"first": True, "second": True}


@pytest.mark.parametrize("case", CASES)
def test_the_users_own_populations_take_part(said, case):
    source, own = said[case]["source, own"]
    assert source > 0
    assert own > 0


@pytest.mark.parametrize("case", CASES)
def test_synapses_are_listed_with_their_weights(said, case):
    assert said[case]["listed"]


def test_an_unfit_simulation_is_told_how_to_set_it_up(said):
    found = ("timestep=0.5", "min_delay=2", "max_delay=1,", "spike_precision='off_grid'")
    call = (
        r"call sim\.setup\(timestep=1\.0, min_delay=1\.0, max_delay=2 or more, spike_precision='on"
    )
    assert len(said["refused"]) == len(found)
    for text, (problem,) in zip(found, said["refused"]):
        assert text in problem
        assert re.search(call, problem), problem


def test_other_simulators_are_refused():
    other = ModuleType("pyNN.brian2")
    with pytest.raises(BackendError, match=r"pyNN\.brian2 has no neuron(.|\n)*give pyNN\.nest or"):
        small_network().to_pynn(other, np.zeros((1, 2, 6, 6), np.float32))
