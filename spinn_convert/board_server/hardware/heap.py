"""SARK's heaps, in the chip's memory, because cores allocate from the same ones.

Format: SARK's sark_alloc.c; spinnman/processes/get_heap_process.py reads it. A heap is (first free
block, first block, last block, free bytes), a block (following block, next free block or a mark of
its owner) and its bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from spinn_convert.board_server.hardware.layout import TAGS
from spinn_convert.emulator.memory import Memory

_USED = 0xFFFF_0000
_MOST_BLOCKS = 100_000
_BLOCK = struct.Struct("<2I")

Wanted = Callable[[int, int], bool]
"""Of a block's address and mark."""


class Heap:
    """A heap at an address. Raises ValueError when somebody has written over it."""

    def __init__(self, memory: Memory, base: int) -> None:
        self._memory, self._base = memory, base

    def make(self, end: int) -> None:
        """Write an empty heap."""
        first, last = self._base + 16, end - 8
        self._memory.set_words(self._base, first, first, last, last - first - 8, last, 0)
        self._memory.set_words(last, 0, 0)

    def _block(self, address: int) -> tuple[int, int]:
        """Return where a block ends, and its second word."""
        following, second = _BLOCK.unpack(self._memory.read(address, 8))
        if following <= address:
            raise ValueError(f"the heap at {self._base:#x} is damaged at {address:#x}")
        return following, second

    def _free_blocks(self) -> Iterator[tuple[int, int, int, int]]:
        """Yield (address of the pointer to it, address, end, next free) of each free block."""
        pointer, block = self._base, self._memory.word(self._base)
        for _ in range(_MOST_BLOCKS):
            if not block:
                return
            following, next_free = self._block(block)
            yield pointer, block, following, next_free
            pointer, block = block + 4, next_free
        raise ValueError(f"the heap at {self._base:#x} is damaged: its free blocks form a ring")

    def largest(self) -> int:
        """Return the bytes of the largest free block."""
        return max((end - block - 8 for _, block, end, _ in self._free_blocks()), default=0)

    def allocate(self, size: int, app_id: int, tag: int, again: bool) -> int:
        """Return the address of a new block, or 0 when there is none (sark_xalloc).

        again: return the block that has this tag already, if there is one.
        """
        memory, entry, size = self._memory, TAGS + 4 * (app_id << 8 | tag), -(-size // 4) * 4
        if tag and (old := memory.word(entry)):
            return old if again else 0
        fitting = (free for free in self._free_blocks() if free[2] - free[1] - 8 >= size)
        found = next(fitting, None)
        if found is None:
            return 0
        pointer, block, end, next_free = found
        spare = end - block - 8 - size
        if spare >= 8:
            rest = block + 8 + size
            memory.set_words(rest, end, next_free)
            memory.set_words(block, rest)
            next_free = rest
        else:
            size += spare
        memory.set_words(pointer, next_free)
        memory.set_words(block + 4, _USED | app_id << 8 | tag)
        memory.set_words(self._base + 12, memory.word(self._base + 12) - size - 8)
        if tag:
            memory.set_words(entry, block + 8)
        return block + 8

    def free(self, address: int) -> int:
        """Free the block with this content; return how many there were."""
        return self._free(lambda block, _: block + 8 == address)

    def free_all(self, app_id: int) -> int:
        """Free all blocks of an application; return how many there were."""
        return self._free(lambda _, mark: mark >> 8 & 0xFF == app_id)

    def _free(self, wanted: Wanted) -> int:
        """Free blocks, join neighbours, and write the list of free blocks anew."""
        memory, freed = self._memory, 0
        kept: list[tuple[int, bool]] = []  # address, whether it is used
        block, last = memory.word(self._base + 4), memory.word(self._base + 8)
        while block != last:
            following, mark = self._block(block)
            used = mark & _USED == _USED
            if used and wanted(block, mark):
                used, freed = False, freed + 1
                if mark & 0xFF:
                    memory.set_words(TAGS + 4 * (mark & 0xFFFF), 0)
            if used or not kept or kept[-1][1]:
                kept.append((block, used))
            block = following
        self._link(kept, last)
        return freed

    def _link(self, blocks: list[tuple[int, bool]], last: int) -> None:
        memory, pointer, space = self._memory, self._base, 0
        ends = [address for address, _ in blocks[1:]] + [last]
        for (block, used), end in zip(blocks, ends):
            memory.set_words(block, end)
            if not used:
                memory.set_words(pointer, block)
                pointer, space = block + 4, space + end - block - 8
        memory.set_words(pointer, 0)
        memory.set_words(self._base + 12, space)
