"""IP tags: where SDP messages of cores leave the board, and where datagrams enter it.

Requests: iptag_set.py, reverse_iptag_set.py, iptag_get.py, iptag_clear.py and iptag_get_info.py in
spinnman/messages/scp/impl.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv4Address

from spinn_convert.board_server.messages import Address, Request, Result
from spinn_convert.emulator.image import Chip

FIXED = 8
"""Tags below are set by hosts (MAX_TAG_ID in spinnman/constants.py), those above by senders."""
_SET, _GET, _CLEAR, _TIMEOUT = 1, 2, 3, 4
_REVERSE, _SENDER, _STRIP = 29, 30, 28
_INFORMATION = struct.Struct("<4s6s3HIH3B")
_USED, _IS_REVERSE = 0x8000, 0x8200


@dataclass(frozen=True)
class Tag:
    """Where messages go. strip: without their headers."""

    address: Address
    strip: bool = False


@dataclass(frozen=True)
class Reverse:
    """Which core gets the datagrams that arrive at a port. to: SDP port and processor."""

    port: int
    chip: Chip
    to: int


class Tags:
    """The tags of a board, by number. State; only the thread of the network changes it."""

    def __init__(self) -> None:
        self._tags: OrderedDict[int, Tag] = OrderedDict()
        self.reverse: dict[int, Reverse] = {}

    def find(self, number: int) -> Tag | None:
        """Return a tag."""
        return self._tags.get(number)

    def of_sender(self, address: Address) -> int:
        """Return the number of the tag for answers to an address."""
        for number, tag in self._tags.items():
            if number >= FIXED and tag.address == address:
                return number
        used = [number for number in self._tags if number >= FIXED]
        free = (number for number in range(FIXED, 255) if number not in self._tags)
        number = next(free, None) or used[0]  # the oldest
        self._tags[number] = Tag(address)
        self._tags.move_to_end(number)
        return number

    def drop(self, reverse: Reverse) -> None:
        """Forget a reverse tag."""
        self.reverse = {n: other for n, other in self.reverse.items() if other != reverse}

    def clear(self) -> None:
        """Forget all."""
        self._tags.clear()
        self.reverse.clear()

    def command(self, request: Request) -> tuple[Result, bytes]:
        """Do what a request for tags says; raises ValueError for a host that is not this one."""
        first, second, address = request.arguments
        operation, number = first >> 16 & 0xF, first & 0xFF
        if operation == _GET:
            return Result.OK, self._information(number)
        if operation in (_SET, _CLEAR) and number >= FIXED:
            return Result.ARGUMENT, b""
        if operation == _CLEAR:
            self._tags.pop(number, None)
            self.reverse.pop(number, None)
            return Result.OK, b""
        if operation == _TIMEOUT:
            return Result.OK, struct.pack("<4B", 9, 0, FIXED, FIXED)
        if operation != _SET:
            return Result.ARGUMENT, b""
        if first >> _REVERSE & 1:
            chip = second >> 24, second >> 16 & 0xFF
            to = (first >> 13 & 7) << 5 | first >> 8 & 0x1F
            self.reverse[number] = Reverse(second & 0xFFFF, chip, to)
        else:
            there = struct.pack("<I", address)
            sender = bool(first >> _SENDER & 1)
            where = request.sender if sender else (_loopback(there), second & 0xFFFF)
            self._tags[number] = Tag(where, bool(first >> _STRIP & 1))
        return Result.OK, b""

    def _information(self, number: int) -> bytes:
        """Return a tag in the form that spinnman's iptag_get.py reads."""
        if number in self._tags:
            tag = self._tags[number]
            host, flags = IPv4Address(tag.address[0]).packed, _USED | tag.strip << 8
            return _INFORMATION.pack(host, bytes(6), tag.address[1], 0, flags, 0, 0, 0, 0, 0)
        if number in self.reverse:
            entry = self.reverse[number]
            x, y = entry.chip
            rest = entry.port, y, x, entry.to
            return _INFORMATION.pack(bytes(4), bytes(6), 0, 0, _IS_REVERSE | 0x100, 0, *rest)
        return bytes(_INFORMATION.size)


def _loopback(address: bytes) -> str:
    host = IPv4Address(address)
    if not host.is_loopback:
        raise ValueError(f"a tag leads to {host}, which is another computer")
    return str(host)
