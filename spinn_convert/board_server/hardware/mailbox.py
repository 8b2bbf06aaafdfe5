"""Messages between a chip's monitor and its cores, by the mailboxes in the cores' blocks.

Fields of a block: spinnman/model/cpu_info.py (arguments at 48 and 52, commands at 56 and 57). Kinds
of commands: SHM_MSG and SHM_SIGNAL in SARK's sark.h; a message buffer is (next, length, checksum,
SDP header and data), sdp_msg_t there.
"""

from __future__ import annotations

import struct

from spinn_convert.emulator.memory import Memory
from spinn_convert.emulator.system_ram import CPU_BLOCKS, VARIABLES

_NOTHING, _MESSAGE, _SIGNAL = b"\0", b"\1", b"\3"
_FREE_MESSAGES, _MESSAGES_IN_USE = VARIABLES + 0x68, VARIABLES + 0xEC
LARGEST_MESSAGE = 8 + 16 + 256
"""SDP header, SCP header and arguments, data: sdp_msg_t in SARK's sark.h."""


def put_message(memory: Memory, processor: int, message: bytes) -> bool:
    """Put an SDP message into a core's mailbox; return whether there was room."""
    block, slot = CPU_BLOCKS + 128 * processor, memory.word(_FREE_MESSAGES)
    if not slot or memory.read(block + 56, 1) != _NOTHING:
        return False
    memory.set_words(_FREE_MESSAGES, memory.word(slot))
    memory.write(slot, struct.pack("<IHH", 0, len(message), 0) + message)
    memory.set_words(block + 48, slot)
    memory.write(block + 56, _MESSAGE)
    return True


def put_signal(memory: Memory, processor: int, number: int) -> None:
    """Put a signal into a core's mailbox."""
    block = CPU_BLOCKS + 128 * processor
    memory.set_words(block + 48, number)
    memory.write(block + 56, _SIGNAL)


def take_message(memory: Memory, processor: int) -> bytes | None:
    """Take the SDP message of a core for the monitor, if there is one, and free its buffer."""
    block = CPU_BLOCKS + 128 * processor
    if memory.read(block + 57, 1) == _NOTHING:
        return None
    slot = memory.word(block + 52)
    length = int.from_bytes(memory.read(slot + 4, 2), "little")
    message = memory.read(slot + 8, min(length, LARGEST_MESSAGE))
    memory.write(block + 57, _NOTHING)
    memory.set_words(_MESSAGES_IN_USE, 0)
    memory.set_words(slot, memory.word(_FREE_MESSAGES))
    memory.set_words(_FREE_MESSAGES, slot)
    return message
