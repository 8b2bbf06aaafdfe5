"""Commands under mpirun, as far as one process can tell."""

from __future__ import annotations

import pickle

import pytest

from spinn_convert import ranks
from spinn_convert.cli.main import SHARED, commands
from spinn_convert.errors import BackendError, DataError, Problem
from spinn_convert.linear.threads import available_cores


@pytest.fixture
def launched(monkeypatch):
    """The environment of rank 1 of 2, as Open MPI makes it."""
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "1")
    monkeypatch.setenv("OMPI_COMM_WORLD_LOCAL_SIZE", "1000")


@pytest.mark.parametrize("name", sorted({*commands.commands} - {*SHARED}))
def test_commands_of_one_process_are_refused(name, launched):
    with pytest.raises(BackendError, match=f"{name} has no work for 2 ranks(.|\n)*without mpirun"):
        commands.main([name, "x.onnx"], standalone_mode=False)


def test_the_launcher_is_believed(launched):
    assert ranks.launched() == 2
    assert not ranks.speaks()
    assert ranks.on_this_machine() == 1000
    assert available_cores() == 1


@pytest.mark.parametrize(
    ("size", "rank", "here"),
    [
        ("PMI_SIZE", "PMI_RANK", ("MPI_LOCALNRANKS", "2")),
        ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID", ("SLURM_STEP_TASKS_PER_NODE", "2(x4)")),
    ],
)
def test_other_launchers_are_known(size, rank, here, monkeypatch):
    for name, value in ((size, "8"), (rank, "0"), here):
        monkeypatch.setenv(name, value)
    assert (ranks.launched(), ranks.speaks(), ranks.on_this_machine()) == (8, True, 2)


def test_without_a_launcher_a_process_is_alone():
    assert ranks.launched() == 0
    assert ranks.count() == 1
    assert ranks.led(lambda: 3) == 3
    assert ranks.together(lambda a, own, progress: (a, own), 1, each=[2], progress=print) == [
        (1, 2)
    ]


def test_errors_can_be_sent_to_other_ranks():
    error = DataError([Problem("here", "is wrong", "do that")])
    sent = pickle.loads(pickle.dumps(error))
    assert type(sent) is DataError
    assert sent.problems == error.problems
    assert str(sent) == str(error)
