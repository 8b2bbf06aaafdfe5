"""One core: boots a binary with its data, obeys the host's commands, runs time steps."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from spinn_convert.emulator import system_ram
from spinn_convert.emulator.devices import (
    CPU,
    CommsController,
    Device,
    DmaController,
    InterruptController,
    Packet,
    SystemController,
    Timer,
    Unused,
)
from spinn_convert.emulator.image import CoreImage
from spinn_convert.emulator.memory import (
    SDRAM,
    UNBUFFERED,
    Memory,
    chip_memories,
    load_binary,
    own_memories,
)
from spinn_convert.emulator.processor import Processor
from spinn_convert.errors import BackendError, Problem

_APPLICATION = 17
"""Application id, which the host passes to a binary; any value works."""
_NEW_RUN_TIME = 7
"""Command of spinnman's SDP_RUNNING_MESSAGE_CODES."""
PACKETS_AT_ONCE = 100
"""Packets that arrive together before the core processes them; its buffer holds 256 by default."""


class Core:
    """A core with its own copy of SDRAM. It boots at once, and then waits for the run time.

    Its methods raise BackendError whenever the core is not in the state that they expect.
    """

    def __init__(self, image: CoreImage) -> None:
        self.image = image
        self._number = image.where[2]
        self._layout = system_ram.layout(image, system_ram.recording_bytes(image))
        self._memory = Memory([*own_memories(), *chip_memories(self._layout.end - SDRAM)])
        self._interrupts = InterruptController()
        self._timer = Timer(self._interrupts)
        self._comms = CommsController(self._interrupts)
        self._system = SystemController(
            self._interrupts, lambda: system_ram.take_message(self._memory, self._number)
        )
        entry = load_binary(self._memory, image.binary)
        system_ram.boot(self._memory, self._number, self._layout)
        system_ram.load_data(self._memory, image, self._layout)
        self._processor = Processor(str(image), self._memory, self._devices(), self._interrupts)
        self._processor.start(entry, _APPLICATION)
        self._expect(system_ram.PAUSED, system_ram.READY)

    def _devices(self) -> Mapping[int, Device]:
        dma = DmaController(self._interrupts, self._memory, self._number)
        buffered: dict[int, Device] = {
            0x1000_0000: self._comms,
            0x1100_0000: self._timer,
            0x1F00_0000: self._interrupts,
            0x3000_0000: dma,
            0xE100_0000: Unused(),  # router
            0xE200_0000: self._system,
            0xE300_0000: Unused(),  # watchdog
        }
        unbuffered = {base + UNBUFFERED: device for base, device in buffered.items()}
        return {**buffered, **unbuffered, 0xFFFF_F000: self._interrupts}

    def prepare(self, first: int, last: int) -> None:
        """Announce a run of the steps first to last - 1 and let the core wait for the others.

        Source: spinn_front_end_common/utilities/scp/update_runtime_process.py.
        """
        body = struct.pack("<4I", last, 0, first, 0)  # not infinite; no synchronisation in between
        x, y, number = self.image.where
        system_ram.post_message(self._memory, (x, y), number, _NEW_RUN_TIME, body)
        self._wake()
        self._expect(system_ram.SYNC0, system_ram.SYNC1)

    def release(self) -> None:
        """Start the prepared run by the signal that cores wait for, SYNC0 and SYNC1 in turn."""
        waits_for_set = self._state().state == system_ram.SYNC1
        flag = 1 << self._number
        self._system.flags = self._system.flags & ~flag | (flag if waits_for_set else 0)
        self._wake()
        self._expect(system_ram.RUNNING)

    def _wake(self) -> None:
        self._interrupts.set_line(CPU, True)
        self._processor.run_until_idle()

    def tick(self) -> None:
        """Begin the next time step; after the last one, the core writes its results and pauses."""
        self._timer.tick()
        self._processor.run_until_idle()

    def receive(self, keys: list[int]) -> None:
        """Let packets with these keys arrive, and let the core process them."""
        for start in range(0, len(keys), PACKETS_AT_ONCE):
            self._comms.receive([Packet(k) for k in keys[start : start + PACKETS_AT_ONCE]])
            self._processor.run_until_idle()

    def take_sent(self) -> list[int]:
        """Return the keys of the packets sent since the last call."""
        sent = list(self._comms.sent)
        self._comms.sent.clear()
        if any(packet.payload is not None for packet in sent):
            raise BackendError([Problem(str(self.image), "sends packets with payload")])
        return [packet.key for packet in sent]

    def finish(self) -> None:
        """Check that the run has ended."""
        self._expect(system_ram.PAUSED, system_ram.READY)

    def read(self, address: int, length: int) -> bytes:
        """Return bytes of the core's memory."""
        return self._memory.read(address, length)

    def region(self, number: int) -> int:
        """Return the address of a data region."""
        return self._layout.regions[number]

    def rewrite(self, number: int, content: bytes) -> None:
        """Write a data region again, as the host does after a reset."""
        self._memory.write(self.region(number), content)

    def _state(self) -> system_ram.CoreState:
        return system_ram.core_state(self._memory, self._number)

    def _expect(self, *states: int) -> None:
        state = self._state()
        if state.state not in states:
            log = _readable(system_ram.log_lines(self._memory, state.log))
            raise BackendError([Problem(str(self.image), f"{state}\n{log}".rstrip())])


def _readable(lines: list[str]) -> str:
    """Return a compressed log as text, if sPyNNaker's dictionary of messages is installed."""
    try:
        from spinn_utilities.make_tools.replacer import Replacer
    except ImportError:
        return "\n".join(lines)
    with Replacer() as replacer:
        return "\n".join(replacer.replace(line) for line in lines)
