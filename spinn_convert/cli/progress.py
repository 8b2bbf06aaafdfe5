"""Progress bars on stderr, and Ctrl-C as a note that they act on."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class DeferredInterrupt:
    """Ctrl-C as a note that `check` acts on; a second Ctrl-C acts at once.

    An exception in the middle of native code that calls back into Python can abort the process
    before the output folder is cleaned up. State, because a signal can only leave a note.
    """

    def __init__(self) -> None:
        self._noted = False

    def note(self, signum: int, frame: FrameType | None) -> None:
        """Remember one SIGINT; raise KeyboardInterrupt on another."""
        self.check()
        self._noted = True

    def check(self) -> None:
        """Raise KeyboardInterrupt if one is due."""
        if self._noted:
            raise KeyboardInterrupt


@contextmanager
def deferring_interrupts() -> Iterator[DeferredInterrupt]:
    """Yield the note of Ctrl-C; the usual handler returns afterwards."""
    interrupt = DeferredInterrupt()
    usual = signal.signal(signal.SIGINT, interrupt.note)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, usual)


@contextmanager
def watching() -> Iterator[Any]:
    """Yield a pipeline.Watch that shows one bar per phase on stderr and acts on Ctrl-C."""
    columns = (
        TextColumn("{task.description:>16}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with (
        deferring_interrupts() as interrupt,
        Progress(*columns, console=Console(stderr=True)) as bars,
    ):

        def watch(phase: str) -> Any:
            interrupt.check()
            task = bars.add_task(phase, total=None)

            def report(done: int, total: int) -> None:
                interrupt.check()
                bars.update(task, completed=done, total=total)

            return report

        yield watch
