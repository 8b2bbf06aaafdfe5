"""The sockets of a board: boot port, SCP port, and those of reverse tags.

Ports: spinnman/constants.py. Boot messages: spinnman/messages/spinnaker_boot.
"""

from __future__ import annotations

import random
import select
import socket
import struct
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from ipaddress import IPv4Address
from typing import Any

from spinn_convert.board_server.hardware.board import Board
from spinn_convert.board_server.hardware.geometry import geometry
from spinn_convert.board_server.hardware.watch import Watch
from spinn_convert.board_server.messages import Address, Command, parse
from spinn_convert.board_server.monitor import Postmaster
from spinn_convert.board_server.tags import Reverse
from spinn_convert.errors import Problem

SCP_PORT, BOOT_PORT = 17893, 54321
_BOOT_HEADER = struct.Struct(">H4I")
_BOOT_VERSION, _BOOT_END = 1, 5
"""FLOOD_FILL_CONTROL ends it: spinnaker_boot_op_code.py."""
_LARGEST_DATAGRAM = 4096
_MOST_AT_ONCE = 100
"""Datagrams of one socket before the others have their turn."""
_MOST_SENDERS = 64
_SECONDS_BETWEEN_LOOKS = 2.0
_HARMLESS = {Command.VER, Command.READ, Command.LINK_READ, Command.COUNT, Command.INFO}


class Server:
    """One board at an address of the loopback; answers as if it had been booted already.

    lose: share of the datagrams of the SCP port that get lost, both ways. Raises OSError when the
    address is taken.
    """

    def __init__(self, address: str, version: int, lose: float = 0.0) -> None:
        self._lose, self._random = lose, random.Random(1)
        self._address = address
        self._scp, self._boot = self._bound(SCP_PORT), self._bound(BOOT_PORT)
        self._watch = Watch()
        self._board = Board(geometry(version), IPv4Address(address).packed, self._watch)
        self._post = Postmaster(self._board, self._send)
        self._reverse: dict[Reverse, socket.socket] = {}
        self._senders: OrderedDict[Address, None] = OrderedDict()
        self._next_look = 0.0
        self._used = False

    def _bound(self, port: int) -> socket.socket:
        bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            bound.setblocking(False)
            bound.bind((self._address, port))
        except OSError:
            bound.close()
            raise
        return bound

    def _is_lost(self) -> bool:
        return self._lose > 0 and self._random.random() < self._lose

    def _send(self, address: Address, content: bytes) -> None:
        if not self._is_lost():
            with suppress(OSError):  # the host may be gone
                self._scp.sendto(content, address)

    def poll(self, control: int, patience: float) -> bool:
        """Handle all datagrams that are there; return whether `control` can be read.

        control: a file descriptor. patience: how many seconds to wait for something to do.
        """
        sockets = [self._scp, *self._reverse.values()]
        waited: list[socket.socket | int] = [*sockets, self._boot, control]
        ready, _, _ = select.select(waited, [], [], patience)
        self._drain(self._boot)  # whatever was sent before a request that is there by now
        for bound in sockets:
            if bound in ready:
                self._drain(bound)
        if time.monotonic() > self._next_look:
            self._look_after_hosts()
            self._next_look = time.monotonic() + _SECONDS_BETWEEN_LOOKS
        if set(self._post.tags.reverse.values()) != set(self._reverse):
            self._bind_reverse()
        return control in ready

    def _drain(self, bound: socket.socket) -> None:
        for _ in range(_MOST_AT_ONCE):
            try:
                content, sender = bound.recvfrom(_LARGEST_DATAGRAM)
            except OSError:  # nothing more, or a host that is gone
                return
            self._board.guarded(partial(self._handle, bound, content, sender))

    def _handle(self, bound: socket.socket, content: bytes, sender: Address) -> None:
        if bound is self._boot:
            self._boot_message(content)
        elif bound is self._scp:
            if not self._is_lost():
                self._from_host(content, sender)
        else:
            for reverse, its in self._reverse.items():
                if its is bound:
                    self._post.enter(reverse, content)

    def _boot_message(self, content: bytes) -> None:
        if len(content) < _BOOT_HEADER.size:
            return
        version, code, *_ = _BOOT_HEADER.unpack_from(content)
        if version == _BOOT_VERSION and code == _BOOT_END:
            self._restart()

    def _restart(self) -> None:
        """Boot, in order with all else; forget the hosts."""
        self._post.forget()
        self._senders.clear()
        self._used = False
        self._post.executor.submit(self._board.boot)

    def _look_after_hosts(self) -> None:
        """Boot when all hosts have gone: the next one finds a fresh board, and none runs on."""
        if self._used and not any(_is_there(host) for host in self._senders):
            self._restart()

    def _from_host(self, content: bytes, sender: Address) -> None:
        """Handle a datagram."""
        if sender not in self._senders:
            self._look_after_hosts()
            self._senders[sender] = None
            if len(self._senders) > _MOST_SENDERS:
                self._senders.popitem(last=False)
        message = parse(content[2:])
        self._used |= message is not None and message.command not in _HARMLESS
        self._post.receive(content, sender)

    def _bind_reverse(self) -> None:
        """Listen at the ports of the reverse tags."""
        wanted = set(self._post.tags.reverse.values())
        for reverse in set(self._reverse) - wanted:
            self._reverse.pop(reverse).close()
        for reverse in wanted - set(self._reverse):
            try:
                self._reverse[reverse] = self._bound(reverse.port)
            except OSError as error:
                what = f"port {reverse.port} for datagrams to cores cannot be had: {error.strerror}"
                self._board.problems.append(Problem("software board", what))
                self._post.tags.drop(reverse)

    def report(self) -> dict[str, Any]:
        """Return what was served so far, as JSON: counts by name, and problems."""
        done = {name: count for name, count in self._board.done.items() if count}
        return {
            "served": dict(sorted(self._post.seen.items())),
            "done": done,
            "problems": [asdict(problem) for problem in list(self._board.problems)],
        }

    def close(self) -> None:
        """Close all sockets and end the threads."""
        self._post.executor.close()
        self._watch.close()
        for bound in (self._scp, self._boot, *self._reverse.values()):
            bound.close()


def _is_there(host: Address) -> bool:
    """Say whether a host on this computer still has its socket: then nobody else can bind it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(host)
        except OSError:
            return True
    return False
