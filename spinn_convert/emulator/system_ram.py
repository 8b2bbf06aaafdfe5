"""Write what the boot software (SCAMP) and the host's loader leave in a core's memory; mailbox.

Only the fields that the binaries read are set. Offsets: spinnman's
messages/spinnaker_boot/system_variable_boot_values.py and model/cpu_info.py, and SARK's sark.h.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from spinn_convert.emulator.image import Chip, CoreImage, Region
from spinn_convert.emulator.memory import SDRAM, SYSTEM_RAM, Memory

PROCESSORS = 18
CPU_BLOCKS = SYSTEM_RAM + 0x7000
VARIABLES = SYSTEM_RAM + 0x7F00
_MESSAGES, _MESSAGE_BYTES, _MESSAGE_COUNT = SYSTEM_RAM + 0x200, 292, 8
_SCAMP_VERSION = 0x04_00_00
"""SARK, the run-time library of the binaries, stops with error 20 if this is too old."""

# These addresses may be chosen freely: the binaries find all data through the system variables.
_DEBUG_BUFFERS, _DEBUG_BUFFER_WORDS = SDRAM, 0x2000
_SYSTEM_HEAP = SDRAM + 0x10_0000
_USER_HEAP = SDRAM + 0x20_0000
_USER_HEAP_SPARE = 0x10_0000

_DATA_MAGIC, _DATA_VERSION, _MAX_REGIONS = 0xAD13_0AD6, 0x0001_0000, 32
_DATA_HEADER_BYTES = 8 + 12 * _MAX_REGIONS

RUN_TIME_ERROR, PAUSED, READY, RUNNING, SYNC0, SYNC1 = 2, 10, 5, 7, 8, 9
"""States of a core; spinnman's CPUState."""


@dataclass(frozen=True)
class Layout:
    """Addresses of a core's data in SDRAM: table of regions, each region by number, and the end."""

    table: int
    regions: dict[int, int]
    end: int


def layout(image: CoreImage, recording_bytes: int) -> Layout:
    """Place the regions of a core behind a heap that holds its recordings."""
    table = _aligned(_USER_HEAP + _USER_HEAP_SPARE + recording_bytes)
    end = table + _DATA_HEADER_BYTES
    regions = {}
    for number, region in sorted(image.regions.items()):
        regions[number] = end
        end = _aligned(end + region.size)
    return Layout(table, regions, end)


def boot(memory: Memory, processor: int, where: Layout) -> None:
    """Write system variables, heaps, free messages, and the pointer to the core's data."""
    variables = bytearray(256)
    numbers = bytes(range(PROCESSORS))
    for offset, format_, *values in (
        (0x24, "<HH", 200, 130),  # clocks of processor and SDRAM in MHz
        (0x4C, "<I", _heap(memory, _USER_HEAP, where.table)),
        (0x50, "<I", 16384),  # bytes of a core's log
        (0x54, "<II", _DEBUG_BUFFERS, _DEBUG_BUFFER_WORDS),
        (0x68, "<IHH", _free_messages(memory), 0, 0),
        (0x94, "18s", numbers),  # physical to virtual processors
        (0xA8, "18s", numbers),  # and back
        (0xBC, "<B", PROCESSORS),
        (0xCC, "<II", CPU_BLOCKS, _heap(memory, _SYSTEM_HEAP, _USER_HEAP)),
        (0xFC, "<I", _SCAMP_VERSION),
    ):
        struct.pack_into(str(format_), variables, int(offset), *values)
    memory.write(VARIABLES, bytes(variables))
    memory.set_words(_cpu_block(processor) + 112, where.table)  # user 0


def _heap(memory: Memory, base: int, top: int) -> int:
    """Make an empty heap of SARK: free list, first and last block, free bytes; return its base."""
    first, last = base + 16, top - 8
    memory.set_words(base, first, first, last, last - first - 8, last, 0)
    memory.set_words(last, 0, 0)
    return base


def _free_messages(memory: Memory) -> int:
    """Chain the free message buffers; return the first."""
    addresses = [_MESSAGES + i * _MESSAGE_BYTES for i in range(_MESSAGE_COUNT)]
    for address, following in zip(addresses, [*addresses[1:], 0]):
        memory.set_words(address, following)
    return addresses[0]


def load_data(memory: Memory, image: CoreImage, where: Layout) -> None:
    """Write the regions and their table of (address, checksum, words) as the host does.

    Source: spinn_front_end_common/interface/interface_functions/load_data_specification.py.
    """
    table = np.zeros((_MAX_REGIONS, 3), np.uint32)
    for number, region in image.regions.items():
        words = np.frombuffer(region.content + b"\0" * (-len(region.content) % 4), "<u4")
        memory.write(where.regions[number], words.tobytes())
        table[number] = where.regions[number], words.sum(dtype=np.uint32), len(words)
    memory.set_words(where.table, _DATA_MAGIC, _DATA_VERSION)
    memory.write(where.table + 8, table.tobytes())


def recording_bytes(image: CoreImage) -> int:
    """Return the bytes that a core allocates for its recordings, from the header of their region.

    The header is the number of channels, then (space, size, address) for each.
    """
    header = np.frombuffer(image.regions[image.number(Region.RECORDING)].content, "<u4")
    return int((header[1::3] + 8).sum())


def _cpu_block(processor: int) -> int:
    return CPU_BLOCKS + 128 * processor


@dataclass(frozen=True)
class CoreState:
    """State of a core; error and link register if it stopped, and the address of its log."""

    state: int
    error: int
    link_register: int
    log: int

    def __str__(self) -> str:
        if self.state == RUN_TIME_ERROR:
            return f"stopped with run-time error {self.error} near {self.link_register:#x}"
        return f"is in state {self.state}"


def core_state(memory: Memory, processor: int) -> CoreState:
    """Read a core's own block."""
    block = memory.read(_cpu_block(processor), 128)
    link, error, state = struct.unpack_from("<IBxB", block, 40)
    return CoreState(state, error, link, int.from_bytes(block[88:92], "little"))


def log_lines(memory: Memory, address: int) -> list[str]:
    """Return what the core logged, in the compressed form in which binaries store it."""
    text = b""
    while address:
        following, _, _, length = struct.unpack("<4I", memory.read(address, 16))
        text += memory.read(address + 16, length)
        address = following
    return text.decode(errors="replace").split("\n")


def post_message(memory: Memory, chip: Chip, processor: int, command: int, body: bytes) -> None:
    """Put a command for port 3 (running commands) into the core's mailbox."""
    message = memory.word(VARIABLES + 0x68)
    memory.set_words(VARIABLES + 0x68, memory.word(message))
    to_chip = chip[0] << 8 | chip[1]
    header = struct.pack(
        "<IHHBBBBHHHH",
        0,
        12 + len(body),
        0,
        0x87,
        17,
        3 << 5 | processor,
        0xFF,
        to_chip,
        0,
        command,
        0,
    )
    memory.write(message, header + body)
    block = _cpu_block(processor)
    memory.set_words(block + 48, message)
    memory.write(block + 56, b"\1")  # a message waits


def take_message(memory: Memory, processor: int) -> None:
    """Discard a message of the core to the monitor, and free its buffer."""
    block = _cpu_block(processor)
    if memory.read(block + 57, 1) == b"\0":
        return
    message = memory.word(block + 52)
    memory.write(block + 57, b"\0")
    memory.set_words(VARIABLES + 0xEC, 0)
    memory.set_words(message, memory.word(VARIABLES + 0x68))
    memory.set_words(VARIABLES + 0x68, message)


def _aligned(address: int) -> int:
    return -(-address // 4) * 4
