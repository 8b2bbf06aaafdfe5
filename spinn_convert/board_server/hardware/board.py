"""All chips of a board: applications on their cores, time steps, and packets between them.

One thread calls the methods that change something; any may read and write memory.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from functools import partial

from spinn_convert.board_server.hardware.chip import INITIALISING, READY, ChipState
from spinn_convert.board_server.hardware.core import Core
from spinn_convert.board_server.hardware.geometry import Geometry
from spinn_convert.board_server.hardware.routes import Routes
from spinn_convert.board_server.hardware.watch import Watch
from spinn_convert.emulator.devices import Packet
from spinn_convert.emulator.image import Chip, CoreId
from spinn_convert.errors import Problem

MOST_PROBLEMS = 100


def _nothing() -> None:
    """Do nothing between two cores."""


class Board:
    """Chips in step. Messages of cores for the monitor gather in `outbox`, failures in `problems`.

    address: the 4 bytes of its own address, which the host reads.
    """

    def __init__(self, geometry: Geometry, address: bytes, watch: Watch) -> None:
        self.geometry, self.address, self._watch = geometry, address, watch
        self.outbox: deque[bytes] = deque()
        self.problems: deque[Problem] = deque(maxlen=MOST_PROBLEMS)
        self.done: Counter[str] = Counter()
        self._stepping = False
        self.boot()

    def boot(self) -> None:
        """Forget everything, as after power-on and a boot."""
        self._cores: dict[CoreId, Core] = {}
        self.outbox.clear()
        self.chips = {
            where: ChipState(where, self.geometry, self.address) for where in self.geometry.links
        }
        self.routes = Routes(self.chips, self.geometry.links)
        self.done["boots"] += 1

    def core(self, chip: Chip, processor: int) -> Core | None:
        """Return the core that executes an application there, if there is one."""
        return self._cores.get((*chip, processor))

    def _of(self, app_id: int) -> Iterator[Core]:
        """Yield the cores of an application that are there when it begins."""
        for core in list(self._cores.values()):
            if core.app_id == app_id:
                yield core

    def _run(self, core: Core, action: Callable[[], None]) -> None:
        """Let a core do something, watched, and note when that stops it."""
        failed = core.failure
        with self._watch.over(core):
            action()
        if core.failure is not failed and core.failure is not None:
            self.problems.append(core.failure)

    # applications

    def load(
        self, chip: ChipState, processors: list[int], app_id: int, wait: bool, binary: bytes
    ) -> None:
        """Put a binary on cores; start it unless it is to wait. Raises ValueError for no binary."""
        for number in processors:
            where = (*chip.where, number)
            if where in self._cores:
                self._cores.pop(where).stop()
            core = Core(chip, number, app_id, binary, self.outbox.append)
            chip.set_core(number, READY if wait else INITIALISING, app_id, b"loading")
            self._cores[where] = core
            self.done["binaries loaded"] += 1
            if not wait:
                self._run(core, core.start)
        self.settle()

    def start(self, app_id: int) -> None:
        """Run what was loaded to wait (START)."""
        for core in self._of(app_id):
            self._run(core, core.start)
        self.settle()

    def stop(self, app_id: int) -> None:
        """End an application, and free what it owns on all chips (STOP)."""
        for core in self._of(app_id):
            self._cores.pop(core.where).stop()
        for chip in self.chips.values():
            for heap in chip.heaps:
                heap.free_all(app_id)
            chip.routes.free(app_id)
        self.routes.forget()

    def synchronise(self, app_id: int, flag: bool) -> None:
        """Let waiting cores go (SYNC0, SYNC1)."""
        self.routes.forget()
        waiting = [core for core in self._of(app_id) if core.started]
        for core in waiting:
            core.release(flag)
        for core in waiting:
            self._run(core, core.wake)
        self.settle()

    def signal(self, app_id: int, mask: int, number: int) -> None:
        """Pass another signal to the cores of applications whose number agrees where mask is 1."""
        for core in list(self._cores.values()):
            if core.started and (core.app_id ^ app_id) & mask == 0:
                self._run(core, partial(core.signal, number))
        self.settle()

    def post(self, core: Core, message: bytes) -> None:
        """Deliver an SDP message to a core."""
        self._run(core, partial(core.post, message))
        self.settle()

    # time and packets

    @property
    def simulating(self) -> bool:
        """Whether any core runs time steps."""
        return any(core.simulates for core in self._cores.values())

    def step(self, between: Callable[[], None] = _nothing) -> None:
        """Do a time step on all cores; `between` is called after each core.

        Packets wait until every core has begun the step, so that none arrives a step too early.
        """
        self._stepping = True
        for core in list(self._cores.values()):
            if core.simulates:
                self._run(core, core.tick)
                between()
        self._stepping = False
        self.settle(between)
        self.done["time steps"] += 1

    def settle(self, between: Callable[[], None] = _nothing) -> None:
        """Deliver packets until none is on its way."""
        while not self._stepping and self._deliver(between):
            pass

    def _deliver(self, between: Callable[[], None]) -> bool:
        arriving: dict[Core, list[Packet]] = {}
        for core in list(self._cores.values()):
            sent, core.comms.sent = core.comms.sent, []
            self.done["packets"] += len(sent)
            for packet in sent:
                for where in self.routes.targets(core.where[:2], packet):
                    if where in self._cores:
                        arriving.setdefault(self._cores[where], []).append(packet)
        for core, packets in arriving.items():
            self._run(core, partial(core.receive, packets))
            between()
        return bool(arriving)
