"""SDP messages and SCP requests as bytes.

Formats: spinnman/messages/sdp/sdp_header.py; spinnman/messages/scp/abstract_messages/scp_request.py
and spinnman/messages/scp/enums/scp_command.py, scp_result.py.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from spinn_convert.emulator.image import Chip

_HEADER = struct.Struct("<8B")
_REQUEST = struct.Struct("<2H3I")
_REPLY_EXPECTED = 0x80
HOST = 0xFF
"""Port and processor of the host in a header."""

Address = tuple[str, int]


class Command(IntEnum):
    """What a monitor is asked to do."""

    VER = 0
    READ = 2
    WRITE = 3
    FILL = 5
    COUNT = 15
    LINK_READ = 17
    LINK_WRITE = 18
    AR = 19
    NNP = 20
    APP_COPY_RUN = 21
    SIG = 22
    LED = 25
    IPTAG = 26
    ALLOC = 28
    RTR = 29
    INFO = 31
    SYNC = 32


class Result(IntEnum):
    """How it went."""

    OK = 0x80
    LENGTH = 0x81
    CHECKSUM = 0x82
    COMMAND = 0x83
    ARGUMENT = 0x84
    NO_ROUTE = 0x87


@dataclass(frozen=True)
class Message:
    """An SDP message. to, source: port in the upper 3 bits, processor in the lower 5."""

    flags: int
    tag: int
    to: int
    source: int
    to_chip: Chip
    source_chip: Chip
    body: bytes

    def __bytes__(self) -> bytes:
        (to_x, to_y), (x, y) = self.to_chip, self.source_chip
        head = self.flags, self.tag, self.to, self.source, to_y, to_x, y, x
        return _HEADER.pack(*head) + self.body

    @property
    def port(self) -> int:
        """Port that it is for."""
        return self.to >> 5

    @property
    def processor(self) -> int:
        """Processor that it is for."""
        return self.to & 0x1F

    @property
    def wants_reply(self) -> bool:
        """Whether its sender waits for an answer."""
        return bool(self.flags & _REPLY_EXPECTED)

    @property
    def command(self) -> int:
        """The command of its body, if that is an SCP request."""
        return int.from_bytes(self.body[:2], "little")

    @property
    def sequence(self) -> int:
        """The sequence number of its body, if that is an SCP request or an answer."""
        return int.from_bytes(self.body[2:4], "little")

    def answer(self, result: int, data: bytes) -> Message:
        """Return the answer to it."""
        body = struct.pack("<HH", result, self.sequence) + data
        return Message(0x07, self.tag, self.source, self.to, self.source_chip, self.to_chip, body)


def parse(content: bytes) -> Message | None:
    """Return the message of these bytes, or None where they are too few."""
    if len(content) < _HEADER.size:
        return None
    flags, tag, to, source, to_y, to_x, y, x = _HEADER.unpack_from(content)
    return Message(flags, tag, to, source, (to_x, to_y), (x, y), content[_HEADER.size :])


@dataclass(frozen=True)
class Request:
    """An SCP request to a monitor; what is missing reads as 0."""

    message: Message
    sender: Address
    arguments: tuple[int, int, int]
    data: bytes


def request(message: Message, sender: Address) -> Request:
    """Return a message as a request."""
    body = message.body.ljust(_REQUEST.size, b"\0")
    _, _, first, second, third = _REQUEST.unpack_from(body)
    return Request(message, sender, (first, second, third), body[_REQUEST.size :])
