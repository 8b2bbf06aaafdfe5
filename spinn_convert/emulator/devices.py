"""The peripherals of one core, as far as the binaries use them.

Registers and interrupt numbers: SpiNNaker datasheet, sections 5 to 13, and spinnaker.h of SARK.
Every device has `read(offset)` and `write(offset, value)`; unknown registers read as 0.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

from spinn_convert.emulator.memory import Memory
from spinn_convert.errors import BackendError, Problem

TIMER_1, CPU, DMA_DONE, PACKET, FIXED_ROUTE_PACKET = 4, 18, 12, 24, 27
"""Interrupt lines; spinnaker.h: TIMER1_INT, CPU_INT, DMA_DONE_INT, CC_MC_INT, CC_FR_INT."""
MULTICAST, FIXED_ROUTE = 0, 3
"""Kinds of packets."""

_WORD = 0xFFFF_FFFF
_COUNTS = 0xA0
"""Bits of a timer's control: it is enabled, and it interrupts."""


class Device(Protocol):
    """A page of registers."""

    def read(self, offset: int) -> int:
        """Read a register."""

    def write(self, offset: int, value: int) -> None:
        """Write a register."""


class InterruptController:
    """Vectored interrupt controller (ARM PL190): lines from devices, one vector per slot.

    Reading the vector takes its slot into service: until software writes to the vector register,
    only lines of lower slots interrupt. Handlers of SARK that unmask early depend on it.
    """

    def __init__(self) -> None:
        self._raised = self._software = self._enabled = self._fast = self._default = 0
        self._vectors = [0] * 16
        self._slots = [0] * 16
        self._service: list[int] = []

    def set_line(self, line: int, high: bool) -> None:
        """Raise or lower the line of a device."""
        self._raised = self._raised | 1 << line if high else self._raised & ~(1 << line)

    def pending(self) -> int:
        """Return a bit for each enabled line that is high."""
        return (self._raised | self._software) & self._enabled

    def pending_fast(self) -> int:
        """Return a bit for each pending line that is wired to the fast interrupt."""
        return self.pending() & self._fast

    def pending_normal(self) -> int:
        """Return a bit for each line that may cause a normal interrupt now."""
        pending = self.pending() & ~self._fast
        if not pending or not self._service:
            return pending
        below = self._slots[: self._service[-1]]
        return pending & sum(1 << (slot & 0x1F) for slot in below if slot & 0x20)

    def _take_vector(self) -> int:
        pending = self.pending_normal()
        for number, slot in enumerate(self._slots):
            if slot & 0x20 and pending >> (slot & 0x1F) & 1:
                self._service.append(number)
                return self._vectors[number]
        self._service.append(len(self._slots))
        return self._default

    def read(self, offset: int) -> int:
        """Read a register."""
        if offset == 0x30:
            return self._take_vector()
        simple = {
            0x00: self.pending_normal(),
            0x04: self.pending_fast(),
            0x08: self._raised | self._software,
            0x0C: self._fast,
            0x10: self._enabled,
            0x18: self._software,
        }
        return simple.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        """Write a register."""
        if offset == 0x0C:
            self._fast = value
        elif offset == 0x10:
            self._enabled |= value
        elif offset == 0x14:
            self._enabled &= ~value & _WORD
        elif offset == 0x18:
            self._software |= value
        elif offset == 0x1C:
            self._software &= ~value & _WORD
        elif offset == 0x30 and self._service:
            self._service.pop()
        elif offset == 0x34:
            self._default = value
        elif 0x100 <= offset < 0x140:
            self._vectors[(offset - 0x100) // 4] = value
        elif 0x200 <= offset < 0x240:
            self._slots[(offset - 0x200) // 4] = value


class Timer:
    """Timer 1; timer 2 must not interrupt.

    `tick` is the end of a period; between ticks, only looking at it lets time pass.
    """

    CYCLES_PER_READ = 50
    """By which the count falls at every read, so that loops that wait for it end."""

    def __init__(self, interrupts: InterruptController) -> None:
        self._interrupts = interrupts
        self._load = self._count = self._control = 0

    @property
    def enabled(self) -> bool:
        """Whether it counts and interrupts."""
        return self._control & _COUNTS == _COUNTS

    def tick(self) -> None:
        """Start a period."""
        self._count = self._load
        self._interrupts.set_line(TIMER_1, True)

    def read(self, offset: int) -> int:
        """Read a register; reading the count (0x04) lowers it by CYCLES_PER_READ."""
        if offset == 0x04:
            passed = self._count - self.CYCLES_PER_READ
            self._count = passed if passed > 0 else self._load
            return self._count
        return {0x00: self._load, 0x08: self._control}.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        """Write a register."""
        if offset == 0x00:
            self._load = self._count = value
        elif offset == 0x08:
            self._control = value
        elif offset == 0x0C:
            self._interrupts.set_line(TIMER_1, False)
        elif offset == 0x28 and value & _COUNTS == _COUNTS:
            what = "needs the interrupt of timer 2, which is not modelled"
            fix = "leave out splitters that give a population synapse and neuron cores of its own"
            raise BackendError([Problem("emulated core", what, fix)])


class DmaController:
    """Copies between SDRAM and the core's memory, in no time."""

    def __init__(self, interrupts: InterruptController, memory: Memory, processor: int) -> None:
        self._interrupts, self._memory = interrupts, memory
        self._processor = processor
        self._system = self._local = self._control = 0
        self._done = False

    def read(self, offset: int) -> int:
        """Read a register; the status (0x14) also says which processor this is."""
        if offset == 0x14:
            return self._processor << 24 | self._done << 10
        return {0x04: self._system, 0x08: self._local, 0x18: self._control}.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        """Write a register; the description (0x0C) starts the copy."""
        if offset == 0x04:
            self._system = value
        elif offset == 0x08:
            self._local = value
        elif offset == 0x0C:
            self._copy(value)
        elif offset == 0x10 and value & 8:
            self._set_done(False)
        elif offset == 0x18:
            self._control = value

    def _copy(self, description: int) -> None:
        length, to_system = description & 0x1FFFF, description >> 19 & 1
        target, source = (self._system, self._local) if to_system else (self._local, self._system)
        self._memory.write(target, self._memory.read(source, length))
        self._set_done(True)

    def _set_done(self, done: bool) -> None:
        self._done = done
        self._interrupts.set_line(DMA_DONE, done and bool(self._control >> 10 & 1))


class Packet(NamedTuple):
    """A packet: key, payload if it has one, and kind (the top bits of its control byte)."""

    key: int
    payload: int | None = None
    kind: int = MULTICAST


class CommsController:
    """Sends and receives multicast and fixed-route packets, with or without payload."""

    TRANSMITTER_FREE = 1 << 31 | 1 << 28  # empty, and not full
    RECEIVED = 1 << 31

    def __init__(self, interrupts: InterruptController) -> None:
        self._interrupts = interrupts
        self._received: deque[Packet] = deque()
        self._control = 0
        self._payload: int | None = None
        self.sent: list[Packet] = []

    def receive(self, packets: list[Packet]) -> None:
        """Let packets arrive."""
        self._received.extend(packets)
        self._set_lines()

    def _set_lines(self) -> None:
        kind = self._received[0].kind if self._received else None
        self._interrupts.set_line(PACKET, kind == MULTICAST)
        self._interrupts.set_line(FIXED_ROUTE_PACKET, kind == FIXED_ROUTE)

    def read(self, offset: int) -> int:
        """Read a register; reading the received key (0x14) takes the packet."""
        if offset == 0x00:
            return self.TRANSMITTER_FREE | self._control & 0x0FFF_FFFF
        if not self._received:
            return 0
        packet = self._received[0]
        if offset == 0x0C:
            has_payload = packet.payload is not None
            return self.RECEIVED | (packet.kind << 6 | has_payload << 1) << 16
        if offset == 0x10:
            return packet.payload or 0
        if offset == 0x14:
            self._received.popleft()
            self._set_lines()
            return packet.key
        return 0

    def write(self, offset: int, value: int) -> None:
        """Write a register; writing the key (0x08) sends a packet, with a payload if one waits."""
        if offset == 0x00:
            self._control = value
        elif offset == 0x04:
            self._payload = value
        elif offset == 0x08:
            self.sent.append(Packet(value, self._payload, self._control >> 22 & 3))
            self._payload = None


class SystemController:
    """Interrupts between processors, flags for synchronisation, and locks, which are always free.

    flags: one bit per processor. on_message: called when the core has a message for the monitor.
    """

    def __init__(self, interrupts: InterruptController, on_message: Callable[[], None]) -> None:
        self._interrupts, self._on_message = interrupts, on_message
        self.flags = 0

    def read(self, offset: int) -> int:
        """Read a register."""
        return self.flags if offset == 0x58 else 0

    def write(self, offset: int, value: int) -> None:
        """Write a register."""
        if offset == 0x08:
            self._on_message()
        elif offset == 0x0C:
            self._interrupts.set_line(CPU, False)
        elif offset == 0x58:
            self.flags |= value
        elif offset == 0x5C:
            self.flags &= ~value & _WORD


class Unused:
    """A device whose registers the binaries use without effect here: router, watchdog."""

    def read(self, offset: int) -> int:
        """Read as 0."""
        return 0

    def write(self, offset: int, value: int) -> None:
        """Ignore."""
