"""Starts a board in software as a process of its own, and ends it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import IO, Any

import spinn_convert
from spinn_convert.errors import BackendError, Problem

NAME = "software board"
_PATIENCE = 10.0
"""Seconds in which a board must end by itself."""


@dataclass(frozen=True)
class Report:
    """What a board did: counts of messages by kind, of what they led to, and what went wrong."""

    served: Mapping[str, int]
    done: Mapping[str, int]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, eq=False)
class SoftwareBoard:
    """A board that serves at an address. Raises BackendError when it has ended."""

    address: str
    version: int
    process: subprocess.Popen[str]

    @property
    def config(self) -> str:
        """The lines of a sPyNNaker configuration file that lead to it."""
        return f"[Machine]\nmachine_name = {self.address}\nversion = {self.version}"

    def report(self) -> Report:
        """Return what it did so far."""
        with suppress(OSError):
            _stream(self.process.stdin).write("report\n")
            _stream(self.process.stdin).flush()
        return _report(self.process)

    def close(self) -> Report:
        """End it, and return what it did."""
        with suppress(OSError):
            _stream(self.process.stdin).close()
        report = _report(self.process)
        self.kill()
        return report

    def kill(self) -> None:
        """End it at once, if it has not ended."""
        self.process.kill()  # nothing is left behind: it has no files and no processes
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    def __enter__(self) -> SoftwareBoard:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()


def start(version: int = 5, address: str | None = None, lose: float = 0.0) -> SoftwareBoard:
    """Start a board; see `software_board`, which also ends it."""
    _check(version, address, lose)
    command = [sys.executable, "-m", f"{spinn_convert.__name__}.board_server"]
    folder = str(Path(spinn_convert.__file__).parents[1])
    path = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(
        [*command, address or "any", str(version), repr(lose)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        start_new_session=True,
    )
    try:
        said = _line(process)
        if "error" in said:
            fix = "end what uses it, or leave the address out" if address else ""
            raise BackendError([Problem(address or NAME, said["error"], fix)])
    except BaseException:
        SoftwareBoard("", version, process).kill()
        raise
    return SoftwareBoard(said["address"], version, process)


@contextmanager
def software_board(
    version: int = 5, address: str | None = None, lose: float = 0.0
) -> Iterator[str]:
    """Serve a SpiNNaker board in software, and yield its address; it ends with the block.

    version: 3 has 4 chips, 5 has 48. address: one of 127.0.0.0/8, else the first that is free from
    127.0.0.2 on. lose: share of the datagrams to lose, from 0 to 1.

    Point sPyNNaker to it with these lines of its configuration file:

        [Machine]
        machine_name = 127.0.0.2
        version = 5

    What goes wrong on a core stops that core, and its reason is printed to stderr at the end.
    Raises BackendError when unicorn is missing, an argument makes no sense, or an address is taken.
    """
    with start(version, address, lose) as board:
        try:
            yield board.address
        finally:
            try:
                said = [str(problem) for problem in board.close().problems]
            except BackendError as error:
                said = [str(error)]
            sys.stderr.writelines(f"{problem}\n" for problem in said)


def _check(version: int, address: str | None, lose: float) -> None:
    problems = []
    if version not in (3, 5):
        what = f"there is no board of version {version}"
        problems.append(Problem(NAME, what, "3 has 4 chips, 5 has 48"))
    if not 0 <= lose < 1:
        what = f"cannot lose a share of {lose}"
        problems.append(Problem(NAME, what, "give a number from 0 to below 1"))
    if address is not None and not _is_usable(address):
        what = "is no address at which a board can be served"
        fix = "give one from 127.0.0.2 to 127.255.255.254: sPyNNaker treats 127.0.0.1 differently"
        problems.append(Problem(address, what, fix))
    if problems:
        raise BackendError(problems)


def _is_usable(address: str) -> bool:
    try:
        return IPv4Address(address).is_loopback and address != "127.0.0.1"
    except ValueError:
        return False


def _stream(stream: IO[str] | None) -> IO[str]:
    if stream is None or stream.closed:
        raise BackendError([Problem(NAME, "has ended")])
    return stream


def _line(process: subprocess.Popen[str]) -> dict[str, Any]:
    line = _stream(process.stdout).readline()
    if not line:
        what = f"ended by itself, with code {process.wait(_PATIENCE)}"
        raise BackendError([Problem(NAME, what, "start it again")])
    content: dict[str, Any] = json.loads(line)
    return content


def _report(process: subprocess.Popen[str]) -> Report:
    content = _line(process)
    problems = tuple(Problem(**problem) for problem in content["problems"])
    return Report(content["served"], content["done"], problems)
