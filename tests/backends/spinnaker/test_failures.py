"""Errors of sPyNNaker in words that name the board, the line of the file, and what to do."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest
from support.networks import small_network

from spinn_convert.backends.spinnaker.failures import explained
from spinn_convert.backends.spinnaker.machine import read_machine

ADDRESS = "127.9.9.9"

pytestmark = [
    pytest.mark.spinnaker,
    pytest.mark.skipif(find_spec("spynnaker") is None, reason="sPyNNaker is not installed"),
]


@pytest.fixture
def machine(tmp_path):
    """The file of a board at an address of this computer where nothing answers."""
    path = tmp_path / "board.cfg"
    lines = ["[Machine]", "version = 5", f"machine_name = {ADDRESS}", "time_scale_factor = 3"]
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
    assert absent.where == f"{machine.path}, machine_name = {ADDRESS}"
    assert "ping" in absent.fix


ABSENT = """
import sys
import numpy as np
import spinn_convert as sc
network, board = sc.Network.load(sys.argv[1]), sys.argv[2]
sc.run(network, np.zeros((1, *network.input.shape), np.float32), "spinnaker", 15, board=board)
"""


@pytest.mark.slow
def test_a_run_on_an_absent_board_names_its_address(machine, tmp_path):
    """Stock sPyNNaker tries for half a minute, and leaves sockets open: hence another process."""
    small_network().save(tmp_path / "network.npz")
    command = [sys.executable, "-c", ABSENT, tmp_path / "network.npz", machine.path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert f"{machine.path}, machine_name = {ADDRESS}: no board answers" in done.stderr
