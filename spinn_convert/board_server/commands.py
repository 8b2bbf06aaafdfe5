"""What the monitors of a board (SCAMP) do when a host asks them: SCP commands.

Arguments: one file per request in spinnman/messages/scp/impl. Each command returns its result and
data, or raises ValueError, IndexError or struct.error for arguments that make no sense.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping

from spinn_convert.board_server.hardware.board import Board
from spinn_convert.board_server.hardware.chip import ChipState
from spinn_convert.board_server.hardware.geometry import MOST_PROCESSORS, ROOT
from spinn_convert.board_server.hardware.layout import (
    FIXED_ROUTE_COPY,
    ROUTER,
    SYSTEM_BUFFER,
    SYSTEM_BUFFER_BYTES,
)
from spinn_convert.board_server.messages import Command, Request, Result
from spinn_convert.board_server.tags import Tags

Outcome = tuple[Result, bytes]
Handler = Callable[[ChipState, Request], Outcome]

LARGEST = 256
"""Bytes of data in a message: UDP_MESSAGE_MAX_SIZE in spinnman/constants.py."""
_DONE: Outcome = Result.OK, b""
_VERSION = b"SC&MP/SpiNNaker\0" + b"4.0.0\0"
"""Name and version that spinnman/model/version_info.py and base_transceiver.py ask for."""
_BUILT = 1_700_000_000
"""Seconds since 1970."""
_STOP, _START, _SYNC0, _SYNC1 = 2, 3, 4, 5
"""Of spinnman/messages/scp/enums/signal.py."""
_SIGNAL_PACKET = 5
"""Top bits of the second argument of NNP when it is a signal: .../scp/impl/app_stop.py."""
_WAIT, _READ_FIXED_ROUTE = 18, 31
"""Bits of an argument."""


class Monitors:
    """The commands of a board's monitors, by when they are done.

    at_once: only move bytes, so that the host never waits for cores. in_order: between two runs of
    cores. signals: acknowledged first, as hardware does, then done in order.
    """

    def __init__(self, board: Board, tags: Tags) -> None:
        self._board = board
        self.at_once: Mapping[int, Handler] = {
            Command.READ: self._read,
            Command.WRITE: self._write,
            Command.FILL: self._fill,
            Command.LINK_READ: self._link_read,
            Command.LINK_WRITE: self._link_write,
            Command.COUNT: self._count,
            Command.LED: lambda chip, request: _DONE,
            Command.SYNC: lambda chip, request: _DONE,
            Command.IPTAG: lambda chip, request: tags.command(request),
        }
        self.in_order: Mapping[int, Handler] = {
            Command.VER: self._version,
            Command.INFO: self._info,
            Command.AR: self._run,
            Command.APP_COPY_RUN: self._copy_run,
            Command.ALLOC: self._allocate,
            Command.RTR: self._router,
        }
        self.signals: Mapping[int, Handler] = {
            Command.SIG: self._signal,
            Command.NNP: self._signal,
        }

    def _version(self, chip: ChipState, request: Request) -> Outcome:
        x, y = chip.where
        processor = request.message.processor
        head = struct.pack("<4B2HI", processor, processor, y, x, 0, 0xFFFF, _BUILT)
        return Result.OK, head + _VERSION

    def _info(self, chip: ChipState, request: Request) -> Outcome:
        """Summarise a chip: spinnman/model/chip_summary_info.py."""
        geometry, root = self._board.geometry, chip.where == ROOT
        links = sum(1 << link for link in geometry.links[chip.where])
        flags = chip.processors | links << 8 | chip.routes.largest() << 14 | root << 25
        free = chip.user_heap.largest(), chip.ram_heap.largest()
        states = bytes(chip.state(p) for p in range(chip.processors)).ljust(MOST_PROCESSORS, b"\0")
        address = self._board.address if root else bytes(4)
        parent = 7 if root else geometry.parents[chip.where]
        head = struct.pack("<3I", flags, *free)
        return Result.OK, head + states + bytes(ROOT) + address + struct.pack("<H", parent)

    # memory

    def _read(self, chip: ChipState, request: Request) -> Outcome:
        address, length, _ = request.arguments
        if length > LARGEST:
            return Result.ARGUMENT, b""
        return Result.OK, chip.read(address, length)

    def _write(self, chip: ChipState, request: Request) -> Outcome:
        address, length, _ = request.arguments
        chip.write(address, request.data[:length])
        if address & 0xEFFF_0000 == ROUTER:
            self._board.routes.forget()
        return _DONE

    def _fill(self, chip: ChipState, request: Request) -> Outcome:
        address, word, size = request.arguments
        chip.memory.fill(address, word, size // 4)
        return _DONE

    def _neighbour(self, chip: ChipState, link: int) -> ChipState | None:
        other = self._board.geometry.links[chip.where].get(link)
        return None if other is None else self._board.chips[other]

    def _link_read(self, chip: ChipState, request: Request) -> Outcome:
        other = self._neighbour(chip, request.arguments[2])
        return (Result.NO_ROUTE, b"") if other is None else self._read(other, request)

    def _link_write(self, chip: ChipState, request: Request) -> Outcome:
        other = self._neighbour(chip, request.arguments[2])
        return (Result.NO_ROUTE, b"") if other is None else self._write(other, request)

    def _allocate(self, chip: ChipState, request: Request) -> Outcome:
        """Allocate or free SDRAM or routing entries: spinnman/messages/scp/enums/alloc_free.py."""
        first, second, tag = request.arguments
        operation, app_id = first & 0xFF, first >> 8 & 0xFF
        heap = chip.user_heap
        if operation == 0:
            found = heap.allocate(second, app_id, tag & 0xFF, bool(first >> 16 & 4))
        elif operation == 1:
            found = heap.free(second)
        elif operation == 2:
            found = heap.free_all(app_id)
        elif operation == 3:
            found = chip.routes.allocate(second, app_id)
        elif operation == 5:
            chip.routes.free(app_id)
            self._board.routes.forget()
            found = 1
        else:
            return Result.ARGUMENT, b""
        return Result.OK, struct.pack("<I", found)

    def _router(self, chip: ChipState, request: Request) -> Outcome:
        """Clear or load the multicast table, or set the fixed route."""
        first, second, third = request.arguments
        operation, app_id, count = first & 0xFF, first >> 8 & 0xFF, first >> 16
        if operation == 0:
            chip.routes.clear()
        elif operation == 2:
            chip.routes.load(second, count, third, app_id)
        elif operation == 3 and second >> _READ_FIXED_ROUTE:
            return Result.OK, struct.pack("<I", chip.fixed_route)
        elif operation == 3:
            chip.fixed_route = second
            chip.memory.set_words(FIXED_ROUTE_COPY, second)
        else:
            return Result.ARGUMENT, b""
        self._board.routes.forget()
        return _DONE

    # applications

    def _count(self, chip: ChipState, request: Request) -> Outcome:
        app_id, state, _ = request.arguments
        chips = self._board.chips.values()
        found = sum(one.count(app_id & 0xFF, state & 0xFF) for one in chips)
        return Result.OK, struct.pack("<I", found)

    def _run(self, chip: ChipState, request: Request) -> Outcome:
        return self._load(chip, request.arguments[0])

    def _copy_run(self, chip: ChipState, request: Request) -> Outcome:
        first, size, mask = request.arguments
        other = self._neighbour(chip, first & 7)
        if other is None:
            return Result.NO_ROUTE, b""
        if size > SYSTEM_BUFFER_BYTES or size % 4:
            return Result.ARGUMENT, b""
        content = other.memory.read(SYSTEM_BUFFER, size)
        total = sum(struct.unpack(f"<{size // 4}I", content))
        if total & 0x1FFF_FFFF != first >> 3:
            return Result.CHECKSUM, b""
        chip.memory.write(SYSTEM_BUFFER, content)
        return self._load(chip, mask)

    def _load(self, chip: ChipState, mask: int) -> Outcome:
        """Load what is in the system buffer; mask: application, whether to wait, processors."""
        processors = [n for n in range(1, chip.processors) if mask >> n & 1]
        binary = chip.memory.read(SYSTEM_BUFFER, SYSTEM_BUFFER_BYTES)
        self._board.load(chip, processors, mask >> 24, bool(mask >> _WAIT & 1), binary)
        return _DONE

    def _signal(self, chip: ChipState, request: Request) -> Outcome:
        word = request.arguments[1]
        if request.message.command == Command.NNP and word >> 28 != _SIGNAL_PACKET:
            return _DONE
        number, mask, app_id = word >> 16 & 0xFF, word >> 8 & 0xFF, word & 0xFF
        if number == _STOP:
            self._board.stop(app_id)
        elif number == _START:
            self._board.start(app_id)
        elif number in (_SYNC0, _SYNC1):
            self._board.synchronise(app_id, number == _SYNC1)
        else:
            self._board.signal(app_id, mask, number)
        return _DONE
