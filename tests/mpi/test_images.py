"""Images shared among ranks: the results of one process, and an end for all that is told once."""

from __future__ import annotations

import os
import signal
import time

import numpy as np
import pytest
from support import in_ranks, mpi
from support.networks import classifier, with_images
from support.places import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(mpi.missing()), reason=mpi.missing() or "all there"),
]
SUPPORT = ROOT / "tests" / "support"


@pytest.fixture
def model(write_model):
    return with_images(classifier(write_model), 300)


def test_ranks_write_what_one_process_writes(model, tmp_path, command):
    words = [model, "--images", 40, "--record", "first", "--record", "output", "--out"]
    done = mpi.convert(2, *words, tmp_path / "two")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("SNN accuracy") == 1
    assert command(*words, tmp_path / "one").returncode == 0
    assert mpi.differences(tmp_path / "one", tmp_path / "two") == []


def test_tune_finds_what_one_process_finds(model, tmp_path, command):
    words = ["tune", model, "--json", "--out"]
    done = mpi.convert(2, *words, tmp_path / "two")
    assert done.returncode == 0, done.stderr
    alone = command(*words, tmp_path / "one").stdout
    assert done.stdout.replace("/two", "/one") == alone


def test_a_script_has_everything_on_every_rank(model, tmp_path):
    done = mpi.run(2, SUPPORT / "in_ranks.py", tmp_path, model, "reference", "spinnaker-integers")
    assert done.returncode == 0, done.stderr
    alone = in_ranks.measured(model, ["reference", "spinnaker-integers"])
    for name in ("0", "1"):
        rank = np.load(tmp_path / f"{name}.npz")
        assert sorted(rank) == sorted(alone)
        assert [key for key in alone if not np.array_equal(rank[key], alone[key])] == []
    assert sum(len(found) for key, found in alone.items() if "spikes" in key) > 1000
    taken = alone["reference, sure: taken"]
    assert taken.min() < taken.max()


def test_a_rank_that_fails_ends_all_with_its_message(model, tmp_path):
    folder = tmp_path / "results"
    done = mpi.run(2, SUPPORT / "bad_rank.py", "raise", tmp_path, model, "--out", folder / "out")
    assert done.returncode == 2
    assert done.stderr.count("error: ") == 1
    assert "error: rank 1 on" in done.stderr
    assert "out of memory: not enough for rank 1" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("killed", ["rank 0", "rank 1", "mpirun"])
def test_all_end_soon_after_one_is_killed(model, tmp_path, killed):
    folder = tmp_path / "results"
    words = ["sleep", tmp_path, model, "--out", folder / "out"]
    process = mpi.start(2, SUPPORT / "bad_rank.py", *words)
    files = [tmp_path / "0.pid", tmp_path / "1.pid"]
    wait_for(lambda: all(file.is_file() and file.read_text() for file in files), 60)
    pids = [int(file.read_text()) for file in files]
    (made,) = folder.iterdir()
    if killed == "mpirun":  # as by Ctrl-C
        os.kill(process.pid, signal.SIGINT)
    else:
        os.kill(pids[int(killed[-1])], signal.SIGKILL)
    process.communicate(timeout=10)
    assert process.returncode != 0
    wait_for(lambda: not any(map(runs, pids)) and not made.exists(), 5)
    assert list(folder.iterdir()) == []


def runs(pid):
    """Return if a process is there, and is no zombie."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
