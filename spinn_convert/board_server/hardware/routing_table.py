"""The multicast table of a chip's router, and SARK's copy of it, which also lists what is free.

An entry of the copy is (end, free, route, key, mask); of a block's first entry, `end` is where the
block ends and `free` the next free block, or 0x8000 | application of a used one. Source: rtr_alloc
and rtr_free in SARK; spinnman/messages/scp/impl/router_init.py says how the host loads one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from spinn_convert.board_server.hardware.layout import ENTRIES, KEYS, MASKS, ROUTER_COPY, ROUTES
from spinn_convert.emulator.memory import Memory
from spinn_convert.emulator.system_ram import VARIABLES

_FIRST_FREE = VARIABLES + 0xE0
_USED, _NO_ROUTE = 0x8000, 0xFF00_0000
_ENTRY = struct.Struct("<2H3I")


class RoutingTable:
    """The table of one chip; entry 0 stays SCAMP's."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def clear(self) -> None:
        """Empty the table."""
        memory = self._memory
        memory.fill(ROUTES, _NO_ROUTE, ENTRIES)
        memory.fill(KEYS, 0xFFFF_FFFF, ENTRIES)
        memory.fill(MASKS, 0, ENTRIES)
        memory.write(ROUTER_COPY, _ENTRY.pack(0, 0, _NO_ROUTE, 0xFFFF_FFFF, 0) * ENTRIES)
        self._set_block(0, 1, _USED)
        self._set_block(1, ENTRIES, 0)
        self._set_first_free(1)

    def _block(self, i: int) -> tuple[int, int]:
        end, mark = struct.unpack("<HH", self._memory.read(ROUTER_COPY + 16 * i, 4))
        return end, mark

    def _set_block(self, i: int, end: int, mark: int) -> None:
        self._memory.write(ROUTER_COPY + 16 * i, struct.pack("<HH", end, mark))

    def _set_first_free(self, i: int) -> None:
        self._memory.write(_FIRST_FREE, struct.pack("<H", i))

    def _free_blocks(self) -> Iterator[tuple[int, int, int]]:
        """Yield (first entry, end, next free block) of each free block."""
        i = int.from_bytes(self._memory.read(_FIRST_FREE, 2), "little")
        while i:
            end, following = self._block(i)
            if not i < end <= ENTRIES or (following and following <= i):
                raise ValueError(f"the list of routing entries is damaged at {i}")
            yield i, end, following
            i = following

    def largest(self) -> int:
        """Return how many entries could be allocated at once."""
        return max((end - i for i, end, _ in self._free_blocks()), default=0)

    def allocate(self, count: int, app_id: int) -> int:
        """Return the first of so many new entries, or 0."""
        before, found = 0, None
        for free in self._free_blocks():
            if 0 < count <= free[1] - free[0]:
                found = free
                break
            before = free[0]
        if found is None:
            return 0
        i, end, following = found
        if end - i > count:
            self._set_block(i + count, end, following)
            end = following = i + count
        if before:
            self._set_block(before, self._block(before)[0], following)
        else:
            self._set_first_free(following)
        self._set_block(i, end, _USED | app_id)
        return i

    def load(self, source: int, count: int, first: int, app_id: int) -> None:
        """Write entries that lie at an address to `first` and those behind it."""
        if not 0 < first <= first + count <= ENTRIES:
            raise ValueError(f"no routing entries {first} to {first + count}")
        for i in range(count):
            _, _, route, key, mask = _ENTRY.unpack(self._memory.read(source + 16 * i, 16))
            self._set(first + i, _USED | app_id, route & 0xFF_FFFF, key, mask)

    def _set(self, i: int, mark: int, route: int, key: int, mask: int) -> None:
        memory, copy = self._memory, ROUTER_COPY + 16 * i
        memory.write(copy + 2, struct.pack("<HIII", mark, route, key, mask))
        for base, word in ((ROUTES, route), (KEYS, key), (MASKS, mask)):
            memory.set_words(base + 4 * i, word)

    def free(self, app_id: int) -> None:
        """Free and clear the entries of an application; join neighbouring free blocks."""
        blocks: list[list[int]] = []  # start, end, mark
        i = 1
        while i < ENTRIES:
            end, mark = self._block(i)
            end = end if i < end <= ENTRIES else ENTRIES
            if mark == _USED | app_id:
                for n in range(i, end):
                    self._set(n, 0, _NO_ROUTE, 0xFFFF_FFFF, 0)
                    self._set_block(n, 0, 0)
                mark = 0
            mark = mark if mark & _USED else 0
            if blocks and not mark and not blocks[-1][2]:
                blocks[-1][1] = end
            else:
                blocks.append([i, end, mark])
            i = end
        following = 0
        for start, end, mark in reversed(blocks):
            self._set_block(start, end, mark or following)
            following = start if not mark else following
        self._set_first_free(following)

    def find(self, key: int) -> int | None:
        """Return the route of the first matching entry: a bit for each of 6 links, 18 cores."""
        masks, keys = (
            np.frombuffer(self._memory.read(base, 4 * ENTRIES), "<u4") for base in (MASKS, KEYS)
        )
        matches = np.flatnonzero(np.uint32(key) & masks == keys)
        return self._memory.word(ROUTES + 4 * int(matches[0])) if len(matches) else None
