"""One core that executes an application: the emulated ARM, its peripherals and its mailbox."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Mapping

from spinn_convert.board_server.hardware.chip import (
    IDLE,
    RUNNING,
    SYNC0,
    SYNC1,
    WATCHDOG,
    ChipState,
)
from spinn_convert.board_server.hardware.layout import FAILURE_BYTES, FAILURES, ROUTER
from spinn_convert.board_server.hardware.mailbox import put_message, put_signal, take_message
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
from spinn_convert.emulator.image import CoreId
from spinn_convert.emulator.memory import UNBUFFERED, Memory, load, own_memories
from spinn_convert.emulator.processor import Processor
from spinn_convert.emulator.system_ram import CPU_BLOCKS
from spinn_convert.errors import BackendError, Problem

PACKETS_AT_ONCE = 100
"""Packets that wait at most while the core sleeps; its buffer holds 256 unless told otherwise."""


class Core:
    """A core that SCAMP was told to load. Raises ValueError when the binary makes no sense.

    What goes wrong while it runs stops this core only, and stands in `failure`; the host sees the
    state that hardware would show, and finds the reason in the core's log.
    """

    def __init__(
        self,
        chip: ChipState,
        processor: int,
        app_id: int,
        binary: bytes,
        on_message: Callable[[bytes], None],
    ) -> None:
        self.where: CoreId = (*chip.where, processor)
        self.processor, self.app_id = processor, app_id
        self.started = self.stopped = self.released = False
        self.failure: Problem | None = None
        self._on_message = on_message
        self._chip, self._inbox = chip, deque[bytes]()
        self._memory = Memory([*own_memories(), *chip.memory.blocks])
        self._interrupts = InterruptController()
        self._timer, self.comms = Timer(self._interrupts), CommsController(self._interrupts)
        self._system = SystemController(self._interrupts, self._take_message)
        self._entry = load(self._memory, binary)
        name = "core {},{},{}".format(*self.where)
        self._arm = Processor(name, self._memory, self._devices(), self._interrupts)

    def _devices(self) -> Mapping[int, Device]:
        dma = DmaController(self._interrupts, self._memory, self.processor)
        buffered: dict[int, Device] = {
            0x1000_0000: self.comms,
            0x1100_0000: self._timer,
            0x1F00_0000: self._interrupts,
            0x3000_0000: dma,
            ROUTER: self._chip.router,
            0xE200_0000: self._system,
            0xE300_0000: Unused(),  # watchdog
        }
        unbuffered = {base + UNBUFFERED: device for base, device in buffered.items()}
        return {**buffered, **unbuffered, 0xFFFF_F000: self._interrupts}

    def _take_message(self) -> None:
        message = take_message(self._memory, self.processor)
        if message is not None:
            self._on_message(message)

    @property
    def name(self) -> str:
        """Name of the application, as it wrote it itself."""
        text = self._memory.read(CPU_BLOCKS + 128 * self.processor + 72, 16)
        return text.split(b"\0")[0].decode(errors="replace")

    @property
    def simulates(self) -> bool:
        """Whether time steps matter to it now.

        Monitors use their timer to look for dropped packets, of which there are none.
        """
        running = self.released and not self.stopped and self._timer.enabled
        return running and self._chip.state(self.processor) == RUNNING

    def start(self) -> None:
        """Run the binary from its entry until it sleeps."""
        if not self.started:
            self.started = True
            self._run(lambda: self._arm.start(self._entry, self.app_id))

    def _run(self, action: Callable[[], None]) -> None:
        if self.stopped or not self.started:
            return
        try:
            action()
        except (BackendError, IndexError) as error:
            self._fail(error)

    def _fail(self, error: BackendError | IndexError) -> None:
        """Stop, and tell the host: by its state, and by what it would have logged."""
        problem = error.problems[0] if isinstance(error, BackendError) else None
        what, fix = (problem.what, problem.fix) if problem else (str(error), "")
        self.failure = Problem("core {},{},{} ({})".format(*self.where, self.name), what, fix)
        self.stopped = True
        at = CPU_BLOCKS + 128 * self.processor
        text = f"[ERROR] (software board): {self.name} {what}; {fix}\n".encode()
        text = text[: FAILURE_BYTES - 16]
        log = FAILURES + FAILURE_BYTES * self.processor
        earlier = self._memory.word(at + 88)
        self._memory.write(log, struct.pack("<4I", earlier, 0, 0, len(text)) + text)
        self._memory.set_words(at + 88, log)
        self._memory.write(at + 46, bytes([WATCHDOG]))

    def interrupt_for_good(self) -> None:
        """Stop a core that never sleeps; called from another thread while it runs."""
        self._arm.stop()

    def tick(self) -> None:
        """Begin the next time step."""
        self._timer.tick()
        self._run(self._arm.run_until_idle)

    def receive(self, packets: list[Packet]) -> None:
        """Let packets arrive, and process them."""
        for start in range(0, len(packets), PACKETS_AT_ONCE):
            self.comms.receive(packets[start : start + PACKETS_AT_ONCE])
            self._run(self._arm.run_until_idle)

    def release(self, flag: bool) -> None:
        """Let it go on if it waits for SYNC0 (flag 0) or SYNC1 (flag 1).

        The flags are those of the system controller: sark_wait_sync in SARK.
        """
        bit = 1 << self.processor
        self._system.flags = self._system.flags & ~bit | (bit if flag else 0)
        self.released |= self._chip.state(self.processor) in (SYNC0, SYNC1)

    def wake(self) -> None:
        """Interrupt the core as the monitor does, and run it."""
        self._interrupts.set_line(CPU, True)
        self._run(self._arm.run_until_idle)

    def signal(self, number: int) -> None:
        """Pass a signal through the mailbox."""
        put_signal(self._memory, self.processor, number)
        self.wake()

    def post(self, message: bytes) -> None:
        """Deliver an SDP message (header and data), as soon as the core takes it."""
        if self.stopped or not self.started:
            return
        self._inbox.append(message)
        self.deliver()

    def deliver(self) -> None:
        """Deliver what waits, as long as the core takes it."""
        while self._inbox and put_message(self._memory, self.processor, self._inbox[0]):
            self._inbox.popleft()
            self.wake()

    def stop(self) -> None:
        """Give the core back to SCAMP."""
        self.stopped = True
        self._chip.set_core(self.processor, IDLE, 0, b"sark")
