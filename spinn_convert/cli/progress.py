"""Show progress on stderr, as bars or plain lines, and stop at the next report after Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import rich_click as click

from spinn_convert import ranks

EVERY = 10.0
"""Seconds between two lines if stderr is no terminal."""


class DeferredInterrupt:
    """Remembers Ctrl-C until `check` raises KeyboardInterrupt; a second Ctrl-C raises it at once.

    An exception in the middle of native code that calls back into Python can abort the process
    before the output folder is cleaned up.
    """

    def __init__(self) -> None:
        self._noted = False

    def note(self, signum: int, frame: FrameType | None) -> None:
        """Remember one signal; raise KeyboardInterrupt on another."""
        self.check()
        self._noted = True

    def check(self) -> None:
        """Raise KeyboardInterrupt if Ctrl-C was pressed."""
        if self._noted:
            raise KeyboardInterrupt


class Lines:
    """Plain lines about the current phase, one every EVERY seconds.

    A thread prints them, so that a phase which reports no progress is shown, too.
    """

    def __init__(self) -> None:
        self._phase, self._begun, self._share = "", time.monotonic(), (0, 0)
        self._ended, self._stream = threading.Event(), sys.stderr  # which a phase may redirect
        self._thread = threading.Thread(target=self._print_all, daemon=True)

    def begin(self, phase: str) -> None:
        """Begin another phase."""
        self._phase, self._begun, self._share = phase, time.monotonic(), (0, 0)

    def report(self, done: int, total: int) -> None:
        """Remember how much of the phase is done."""
        self._share = done, total

    def __enter__(self) -> Lines:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _print_all(self) -> None:
        while not self._ended.wait(EVERY):
            if self._phase:
                click.echo(self._line(), file=self._stream)

    def _line(self) -> str:
        (done, total), taken = self._share, time.monotonic() - self._begun
        if not done or not total:
            return f"{self._phase}: {taken:.0f} s"
        left = taken * (total - done) / done
        share = f"{done:,} of {total:,}"
        return f"{self._phase}: {share} after {taken:.0f} s, about {left:.0f} s left"


@contextmanager
def deferring_interrupts() -> Iterator[DeferredInterrupt]:
    """Yield a DeferredInterrupt that handles Ctrl-C, which mpirun turns into SIGTERM, inside."""
    interrupt = DeferredInterrupt()
    signals = [signal.SIGINT, *([signal.SIGTERM] if ranks.launched() else [])]
    usual = {number: signal.signal(number, interrupt.note) for number in signals}
    try:
        yield interrupt
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)


@contextmanager
def watching() -> Iterator[Any]:
    """Yield a `network.recording.Watch` that shows every phase on stderr and acts on Ctrl-C."""
    with deferring_interrupts() as interrupt:
        shown = _bars(interrupt) if sys.stderr.isatty() else _lines(interrupt)
        with shown as watch:
            yield watch


@contextmanager
def _lines(interrupt: DeferredInterrupt) -> Iterator[Any]:
    with Lines() as lines:

        def watch(phase: str) -> Any:
            interrupt.check()
            lines.begin(phase)

            def report(done: int, total: int) -> None:
                interrupt.check()
                lines.report(done, total)

            return report

        yield watch


@contextmanager
def _bars(interrupt: DeferredInterrupt) -> Iterator[Any]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:>16}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:

        def watch(phase: str) -> Any:
            interrupt.check()
            task = bars.add_task(phase, total=None)

            def report(done: int, total: int) -> None:
                interrupt.check()
                bars.update(task, completed=done, total=total)

            return report

        yield watch
