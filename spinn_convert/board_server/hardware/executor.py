"""The thread that runs the cores: time steps, and in between what the host asked for, in order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

from spinn_convert.board_server.hardware.board import Board
from spinn_convert.errors import Problem

Work = Callable[[], None]


class Executor:
    """A queue of work and its thread. `on_messages` is called when cores may have sent messages."""

    def __init__(self, board: Board, on_messages: Work) -> None:
        self._board, self._on_messages = board, on_messages
        self._queue: SimpleQueue[Work] = SimpleQueue()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="cores", daemon=True)
        self._thread.start()

    def submit(self, work: Work) -> None:
        """Do something between two runs of cores."""
        self._queue.put(work)

    def close(self) -> None:
        """End the thread once the core that runs now sleeps; a core that never does is left."""
        self._closing = True
        self._queue.put(lambda: None)
        self._thread.join(timeout=1)

    def _work(self) -> None:
        while not self._closing:
            if self._board.simulating:
                self._guarded(lambda: self._board.step(self._between))
                self._between()
            else:
                self._guarded(self._queue.get())
                self._on_messages()

    def _between(self) -> None:
        """Do all that waits."""
        try:
            while True:
                self._guarded(self._queue.get_nowait())
        except Empty:
            self._on_messages()

    def _guarded(self, work: Work) -> None:
        """Do something; a fault of this program must not end the board."""
        try:
            work()
        except Exception as error:
            what = f"a fault of this program: {type(error).__name__}: {error}"
            self._board.problems.append(Problem("software board", what, "please report it"))
