"""The memories of one core, shared with the emulated processor, and the loader of .aplx files.

Addresses: SpiNNaker datasheet, section 4 (memory map). Bytes are little-endian.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from mmap import mmap
from pathlib import Path

from spinn_convert.errors import BackendError, Problem

ITCM, ITCM_BYTES = 0x0000_0000, 0x8000
DTCM, DTCM_BYTES = 0x0040_0000, 0x1_0000
SDRAM = 0x6000_0000
SYSTEM_RAM, SYSTEM_RAM_BYTES = 0xE500_0000, 0x8000
UNBUFFERED = 0x1000_0000
"""SDRAM and system RAM appear a second time at this distance."""
PAGE = 4096

_COPY, _FILL, _EXECUTE = 2, 3, 4
"""Commands of .aplx files: (2, address, offset, length), (3, address, length, word), (4, entry)."""


@dataclass(frozen=True, eq=False)
class Block:
    """Memory of one kind, at one or more addresses; unwritten pages take no memory of the host."""

    bases: tuple[int, ...]
    size: int
    data: mmap = field(repr=False)

    def pointer(self) -> int:
        """Return the address in this process, for the emulated processor."""
        return ctypes.addressof(ctypes.c_char.from_buffer(self.data))


def block(base: int, size: int, twice: bool = False) -> Block:
    """Return an empty memory; twice: whether it appears a second time, unbuffered."""
    size = -(-size // PAGE) * PAGE
    return Block((base, base + UNBUFFERED) if twice else (base,), size, mmap(-1, size))


def own_memories() -> list[Block]:
    """Return the memories that no other core sees, empty."""
    return [block(ITCM, ITCM_BYTES), block(DTCM, DTCM_BYTES)]


def chip_memories(sdram_bytes: int) -> list[Block]:
    """Return the memories that the cores of a chip share, empty."""
    return [block(SDRAM, sdram_bytes, True), block(SYSTEM_RAM, SYSTEM_RAM_BYTES, True)]


class Memory:
    """Read and write by the core's own addresses. Raises IndexError outside of all memories."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.blocks = tuple(blocks)

    def _find(self, address: int, length: int) -> tuple[mmap, int]:
        for block in self.blocks:
            for base in block.bases:
                if base <= address and address + length <= base + block.size:
                    return block.data, address - base
        raise IndexError(f"no memory of {length} bytes at {address:#x}")

    def read(self, address: int, length: int) -> bytes:
        """Return bytes."""
        data, start = self._find(address, length)
        return data[start : start + length]

    def write(self, address: int, content: bytes) -> None:
        """Write bytes."""
        data, start = self._find(address, len(content))
        data[start : start + len(content)] = content

    def word(self, address: int) -> int:
        """Return 32 bits."""
        return int.from_bytes(self.read(address, 4), "little")

    def set_words(self, address: int, *words: int) -> None:
        """Write 32-bit words one after another."""
        self.write(address, struct.pack(f"<{len(words)}I", *words))

    def fill(self, address: int, word: int, count: int) -> None:
        """Write the same 32-bit word so many times."""
        data, start = self._find(address, 4 * count)
        data[start : start + 4 * count] = struct.pack("<I", word) * count


def load_binary(memory: Memory, path: Path) -> int:
    """Copy an .aplx file to where it says; return the address of its first instruction.

    Raises BackendError when it is unreadable.
    """
    try:
        return load(memory, path.read_bytes())
    except (OSError, ValueError) as error:
        raise BackendError([Problem(str(path), f"is not a SpiNNaker binary: {error}")]) from error


def load(memory: Memory, content: bytes) -> int:
    """Copy the content of an .aplx file to where it says; return its first instruction's address.

    Raises ValueError when it makes no sense. Format: spinnman's and SARK's loader, aplx.h.
    """
    try:
        for start in range(0, len(content), 16):
            command, address, first, second = struct.unpack_from("<4I", content, start)
            if command == _COPY:
                memory.write(address, content[start + first : start + first + second])
            elif command == _FILL:
                memory.fill(address, second, first // 4)
            elif command == _EXECUTE:
                return int(address)
            else:
                raise ValueError(f"unknown command {command}")
    except (struct.error, IndexError) as error:
        raise ValueError(str(error)) from error
    raise ValueError("it has no entry")
