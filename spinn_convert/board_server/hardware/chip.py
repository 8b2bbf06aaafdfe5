"""One chip: memories and router as SCAMP leaves them.

Offsets of system variables: spinnman/messages/spinnaker_boot/system_variable_boot_values.py; of a
core's block: spinnman/model/cpu_info.py.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from spinn_convert.board_server.hardware import layout
from spinn_convert.board_server.hardware.geometry import ROOT, Geometry
from spinn_convert.board_server.hardware.heap import Heap
from spinn_convert.board_server.hardware.routing_table import RoutingTable
from spinn_convert.emulator.image import Chip
from spinn_convert.emulator.memory import SDRAM, SYSTEM_RAM, Memory, block, chip_memories
from spinn_convert.emulator.system_ram import CPU_BLOCKS, READY, RUNNING, SYNC0, SYNC1, VARIABLES

__all__ = ["READY", "RUNNING", "SYNC0", "SYNC1", "WATCHDOG", "ChipState"]

WATCHDOG, INITIALISING, IDLE = 3, 4, 15
"""States of a core: spinnman/model/enums/cpu_state.py."""
COUNTERS = 0x300 // 4
"""Of the router: word of the first of its 16 diagnostic counters."""


class RouterRegisters:
    """The router's registers, shared by the cores of a chip; the board counts packets in them."""

    def __init__(self) -> None:
        self.words = [0] * 1024

    def read(self, offset: int) -> int:
        """Read a register."""
        return self.words[offset // 4]

    def write(self, offset: int, value: int) -> None:
        """Write a register; the upper half of 0x2C clears counters."""
        if offset == 0x2C:
            for i in range(16):
                if value >> 16 >> i & 1:
                    self.words[COUNTERS + i] = 0
        self.words[offset // 4] = value


class ChipState:
    """Memory, heaps, router and fixed route of a chip. State, because it is hardware."""

    def __init__(self, where: Chip, geometry: Geometry, address: bytes) -> None:
        self.where, self.processors = where, geometry.processors[where]
        blocks = [*chip_memories(layout.SDRAM_BYTES)]
        blocks.append(block(layout.ROUTER_RAM, layout.ROUTER_RAM_BYTES, True))
        self.memory = Memory(blocks)
        self.router = RouterRegisters()
        self.routes = RoutingTable(self.memory)
        self.fixed_route = 0
        bounds = (
            (layout.USER_HEAP, layout.USER_HEAP_END),
            (layout.SYSTEM_HEAP, layout.SYSTEM_HEAP_END),
            (layout.RAM_HEAP, layout.RAM_HEAP_END),
        )
        self.heaps = tuple(Heap(self.memory, base) for base, _ in bounds)
        for heap, (_, end) in zip(self.heaps, bounds):
            heap.make(end)
        self._boot(geometry, address)

    @property
    def user_heap(self) -> Heap:
        """The heap from which applications and the host allocate."""
        return self.heaps[0]

    @property
    def ram_heap(self) -> Heap:
        """The heap of the system RAM."""
        return self.heaps[2]

    def _boot(self, geometry: Geometry, address: bytes) -> None:
        slots = [layout.MESSAGES + i * layout.MESSAGE_BYTES for i in range(layout.MESSAGE_COUNT)]
        for slot, following in zip(slots, [*slots[1:], 0]):
            self.memory.set_words(slot, following)
        variables = bytearray(256)
        for offset, form, values in _variables(self.where, geometry, address, slots[0]):
            struct.pack_into(form, variables, offset, *values)
        self.memory.write(VARIABLES, bytes(variables))
        for processor in range(self.processors):
            self.set_core(processor, IDLE, 0, b"sark")
        self.set_core(0, RUNNING, 0, b"scamp-4")
        self.routes.clear()
        self._write_point_to_point(geometry)

    def _write_point_to_point(self, geometry: Geometry) -> None:
        """Write 3 bits for each chip; only whether it is there, or is this one, is true.

        Format: spinn_machine's P2P table in spinnman/model/p2p_table.py.
        """
        nowhere, here, somewhere = 6, 7, 0
        for x in range(geometry.width):
            words = [0] * 32
            for y in range(256):
                route = somewhere if (x, y) in geometry.links else nowhere
                route = here if (x, y) == self.where else route
                words[y // 8] |= route << 3 * (y % 8)
            self.memory.set_words(layout.POINT_TO_POINT + 128 * x, *words)

    def set_core(self, processor: int, state: int, app_id: int, name: bytes) -> None:
        """Write the state of a core as its boot code does; leaves the user words alone."""
        at = CPU_BLOCKS + 128 * processor
        self.memory.write(at, bytes(112))
        self.memory.write(at + 45, bytes([processor, state, app_id]))
        self.memory.write(at + 72, name[:15].ljust(16, b"\0"))

    def state(self, processor: int) -> int:
        """Return the state of a core, as it or SCAMP wrote it."""
        return self.memory.read(CPU_BLOCKS + 128 * processor + 46, 1)[0]

    def count(self, app_id: int, state: int) -> int:
        """Return how many cores of an application are in a state."""
        wanted = bytes([state, app_id])
        blocks = (CPU_BLOCKS + 128 * p for p in range(1, self.processors))
        return sum(self.memory.read(at + 46, 2) == wanted for at in blocks)

    def read(self, address: int, length: int) -> bytes:
        """Read memory or router registers; raises IndexError where neither is."""
        if address & 0xEFFF_F000 != layout.ROUTER:
            return self.memory.read(address, length)
        start = (address & 0xFFF) // 4
        words = self.router.words[start : start + -(-length // 4)]
        return struct.pack(f"<{len(words)}I", *words)[:length]

    def write(self, address: int, content: bytes) -> None:
        """Write memory or router registers; raises IndexError where neither is."""
        if address & 0xEFFF_F000 != layout.ROUTER:
            self.memory.write(address, content)
            return
        for i in range(0, len(content) // 4 * 4, 4):
            self.router.write((address & 0xFFC) + i, *struct.unpack_from("<I", content, i))


def _variables(
    where: Chip, geometry: Geometry, address: bytes, first_message: int
) -> Iterator[tuple[int, str, tuple[int | bytes, ...]]]:
    """Yield (offset, format, values) of the system variables that somebody reads."""
    root, processors = where == ROOT, geometry.processors[where]
    numbers = bytes(range(processors)).ljust(20, b"\xff")
    yield 0x00, "<4B", (where[1], where[0], geometry.height, geometry.width)
    yield 0x06, "<B", (1,)  # the point-to-point table is there
    yield 0x0A, "<BB", (geometry.version, root)
    yield 0x24, "<HH", (200, 130)  # clocks of processor and SDRAM in MHz
    yield 0x40, "<B", (root,)
    yield 0x48, "<III", (layout.RAM_HEAP, layout.USER_HEAP, 16384)  # the last: bytes of a log
    yield 0x54, "<II", (layout.DEBUG_BUFFERS, layout.DEBUG_WORDS)
    yield 0x65, "<B", (sum(1 << link for link in geometry.links[where]),)
    yield 0x68, "<IHH", (first_message, 0, 0)
    yield 0x94, "20s", (numbers,)  # physical to virtual processors
    yield 0xA8, "20s", (numbers,)  # and back
    yield 0xBC, "<BB", (processors, processors)
    yield 0xC0, "<4I", (SDRAM, SYSTEM_RAM, layout.SYSTEM_BUFFER, CPU_BLOCKS)
    yield 0xD0, "<II", (layout.SYSTEM_HEAP, layout.ROUTER_COPY)
    yield 0xD8, "<II", (layout.HOPS, layout.TAGS)
    yield 0xE0, "<HH", (1, len(geometry.links))  # first free routing entry, chips
    yield 0xE8, "<I", (layout.MESSAGES,)
    yield 0xF0, "4s", (address if root else bytes(4),)
    yield 0xF4, "<I", (layout.FIXED_ROUTE_COPY,)
    yield 0xFC, "<I", (0x04_00_00,)  # version of SCAMP
