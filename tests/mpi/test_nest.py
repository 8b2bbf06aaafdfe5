"""NEST on several ranks: every spike and potential of one process."""

from __future__ import annotations

import json

import numpy as np
import pytest
from support import in_ranks, mpi
from support.networks import classifier, with_images
from support.places import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.nest,
    pytest.mark.skipif(bool(mpi.missing_nest()), reason=mpi.missing_nest() or "all there"),
]
SUPPORT = ROOT / "tests" / "support"


@pytest.fixture
def model(write_model):
    return with_images(classifier(write_model), 300)


def test_a_script_has_the_spikes_of_one_process_on_every_rank(model, tmp_path):
    """And of the reference, whose potentials NEST's doubles meet to the last bit of a float32."""
    done = mpi.run(3, SUPPORT / "in_ranks.py", tmp_path, model, "nest", nest=True)
    assert done.returncode == 0, done.stderr
    alone = in_ranks.measured(model, ["nest", "reference"])
    for rank in range(3):
        found = np.load(tmp_path / f"{rank}.npz")
        assert [key for key in found if not np.array_equal(found[key], alone[key])] == []
        for key in found:
            other = alone[key.replace("nest", "reference")]
            if "readout" in key:
                np.testing.assert_allclose(found[key], other, rtol=3e-7)
            else:
                np.testing.assert_array_equal(found[key], other)
    assert sum(len(found) for key, found in alone.items() if "spikes" in key) > 1000


@pytest.mark.parametrize("change", ["clamp_delay=1", "reset=constant"])
def test_ranks_write_what_one_process_writes(model, tmp_path, change):
    words = [model, "--backend", "nest", "--images", 5, "--set", change]
    words += ["--record", "first", "--record", "output", "--out"]
    for ranks in (0, 2):
        done = mpi.convert(ranks, *words, tmp_path / str(ranks), nest=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("SNN accuracy") == 1
    assert mpi.differences(tmp_path / "0", tmp_path / "2") == []


def test_a_users_own_simulation_is_dealt_to_ranks(tmp_path):
    done = mpi.run(2, SUPPORT / "in_nest_ranks.py", tmp_path, nest=True)
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    for name, size in first["sizes"].items():
        assert min(first["here"][name], second["here"][name]) > 0
        assert first["here"][name] + second["here"][name] == size
        assert first["same"][name]
