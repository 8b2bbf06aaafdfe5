"""Where things are in a chip's memory once its boot software (SCAMP) runs.

SDRAM below SYSTEM_BUFFER is free for applications; the binaries and the host find everything else
through the system variables, so that only the addresses with a source are fixed.
"""

from __future__ import annotations

from spinn_convert.emulator.memory import SDRAM, SYSTEM_RAM

SDRAM_BYTES = 1 << 27
ROUTER = 0xE100_0000
"""Registers: spinnman/constants.py, ROUTER_REGISTER_BASE_ADDRESS."""
ROUTER_RAM, ROUTER_RAM_BYTES = 0xE100_4000, 0x1_C000
ROUTES, KEYS, MASKS, POINT_TO_POINT = 0xE100_4000, 0xE100_8000, 0xE100_C000, 0xE101_0000
"""Tables of the router: SpiNNaker datasheet, section 10; the last also in spinnman/constants.py."""
ENTRIES = 1024

SYSTEM_BUFFER, SYSTEM_BUFFER_BYTES = 0x6780_0000, 0x4_0000
"""Where the host puts binaries and routing tables (sdram_sys of the system variables)."""
ROUTER_COPY = 0x6784_0000
TAGS = 0x6785_0000
"""For each of 256 applications x 256 tags, the tagged block."""
HOPS = 0x678A_0000
FIXED_ROUTE_COPY = 0x678B_0000
DEBUG_BUFFERS, DEBUG_WORDS = 0x6790_0000, 0x2000
FAILURES, FAILURE_BYTES = 0x6798_0000, 1024
"""Per core, a log that says why it was stopped."""
SYSTEM_HEAP, SYSTEM_HEAP_END = 0x67A0_0000, 0x6800_0000
USER_HEAP, USER_HEAP_END = SDRAM, SDRAM + 123_469_792 + 32
"""Its largest block has max_sdram_per_chip bytes: spinn_machine/version/version_spin1.py."""
RAM_HEAP, RAM_HEAP_END = SYSTEM_RAM + 0x2000, SYSTEM_RAM + 0x6000
MESSAGES, MESSAGE_BYTES, MESSAGE_COUNT = SYSTEM_RAM + 0x200, 292, 16
"""Buffers of SDP messages; their size is that of sdp_msg_t in SARK's sark.h."""
