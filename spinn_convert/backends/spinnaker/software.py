"""The board in software that a configuration file asks for, for as long as it is needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from spinn_convert.backends.spinnaker.machine import Machine
from spinn_convert.board_server.process import SoftwareBoard, start
from spinn_convert.errors import BackendError, Problem


@contextmanager
def served(machine: Machine) -> Iterator[Machine]:
    """Yield the machine, with the address of a new board if it is one in software.

    What such a board has to say is added to an error.
    """
    if machine.kind != "software":
        yield machine
        return
    with start(machine.version) as board:
        options = {**machine.config["Machine"], "machine_name": board.address}
        try:
            yield replace(machine, config={**machine.config, "Machine": options})
        except BackendError as error:
            raise BackendError([*error.problems, *_problems(board)]) from error


def _problems(board: SoftwareBoard) -> tuple[Problem, ...]:
    try:
        return board.report().problems
    except BackendError as error:  # it has ended, which explains the rest
        return error.problems
