"""Errors of sPyNNaker in words that name the board, the line of the file, and what to do."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from support.networks import small_network

from spinn_convert import api
from spinn_convert.backends.spinnaker.failures import explained
from spinn_convert.backends.spinnaker.machine import read_machine
from spinn_convert.errors import BackendError

pytestmark = [
    pytest.mark.spinnaker,
    pytest.mark.skipif(find_spec("spynnaker") is None, reason="sPyNNaker is not installed"),
]


@pytest.fixture
def machine(tmp_path):
    """The file of a board at an address of this computer where nothing answers."""
    path = tmp_path / "board.cfg"
    lines = ["[Machine]", "version = 5", "machine_name = 127.9.9.9", "time_scale_factor = 3"]
    path.write_text("\n".join(lines) + "\n")
    return read_machine(path)


def test_a_late_board_is_told_from_an_absent_one(machine):
    from spinnman.exceptions import SpiNNManCoresNotInStateException
    from spinnman.model import CPUInfos
    from spinnman.model.enums import CPUState

    late = SpiNNManCoresNotInStateException(5.0, frozenset({CPUState.PAUSED}), CPUInfos())
    problem = explained(late, machine)
    assert "time_scale_factor (3)" in problem.fix
    assert "post_simulation_overrun_before_error" in problem.fix
    absent = explained(OSError("IO Error: Failed to communicate with the machine"), machine)
    assert absent.where == f"{machine.path}, machine_name = 127.9.9.9"
    assert "ping" in absent.fix


@pytest.mark.slow
def test_a_run_on_an_absent_board_names_its_address_and_leaves_nothing(machine):
    """Stock sPyNNaker tries for about half a minute before it gives up."""
    values = np.zeros((1, 2, 6, 6), np.float32)
    with pytest.raises(BackendError, match=r"machine_name = 127\.9\.9\.9: no board answers"):
        api.run(small_network(), values, "spinnaker", steps=15, board=machine.path)
