"""Stops cores that never sleep.

Hardware has a watchdog for them. Counting instructions would make every core several times slower,
so what counts is the processor time that the executing thread spends on one run of one core: a
busy machine makes no difference. 20 s are several thousand million ARM instructions; a time step
has 200 million at real time and a scale factor of 1000.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

LONGEST = 20.0
"""Seconds of processor time."""
_EVERY = 0.25


class Stoppable(Protocol):
    """What can be stopped from another thread."""

    def interrupt_for_good(self) -> None:
        """Stop it."""


class Watch:
    """A thread that looks at the core which runs now. State, because time passes."""

    def __init__(self, longest: float = LONGEST) -> None:
        self._longest = longest
        self._running: tuple[Stoppable, int, float] | None = None  # core, clock, its time then
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)
        self._thread.start()

    @contextmanager
    def over(self, core: Stoppable) -> Iterator[None]:
        """Watch a core that this thread runs inside."""
        outer, clock = self._running, time.pthread_getcpuclockid(threading.get_ident())
        self._running = core, clock, time.clock_gettime(clock)
        try:
            yield
        finally:
            self._running = outer

    def _look(self) -> None:
        while not self._ended.wait(_EVERY):
            running = self._running
            if running is not None:
                core, clock, began = running
                if time.clock_gettime(clock) - began > self._longest:
                    core.interrupt_for_good()

    def close(self) -> None:
        """End the thread."""
        self._ended.set()
        self._thread.join()
