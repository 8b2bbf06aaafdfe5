"""The ways of messages: from the host to monitors and cores, from cores to the host.

Two threads: that of the network answers at once what only moves bytes; the executor's does the
rest in order. A host waits a second for each answer, so the first never waits for the second.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from spinn_convert.board_server.answers import Answers
from spinn_convert.board_server.commands import Handler, Monitors, Outcome
from spinn_convert.board_server.hardware.board import Board
from spinn_convert.board_server.hardware.chip import ChipState
from spinn_convert.board_server.hardware.executor import Executor
from spinn_convert.board_server.hardware.geometry import ROOT
from spinn_convert.board_server.hardware.mailbox import LARGEST_MESSAGE
from spinn_convert.board_server.messages import (
    HOST,
    Address,
    Command,
    Message,
    Request,
    Result,
    parse,
    request,
)
from spinn_convert.board_server.tags import Reverse, Tags

_PADDING = b"\0\0"
_ANYWHERE = 255, 255
"""Chip of messages for whichever is at the other end: scp_request.py in spinnman."""
_NO_REPLY = 0x07
_COMMANDS = frozenset(Command)


class Postmaster:
    """Knows what came from whom. `send` sends a datagram from the board's SCP port."""

    def __init__(self, board: Board, send: Callable[[Address, bytes], None]) -> None:
        self._board, self._send = board, send
        self.tags, self.seen = Tags(), Counter[str]()
        self._answers = Answers()
        self._monitors = Monitors(board, self.tags)
        self.executor = Executor(board, self.send_messages)

    def forget(self) -> None:
        """Forget all hosts."""
        self.tags.clear()
        self._answers.forget()

    def receive(self, content: bytes, sender: Address) -> None:
        """Handle a datagram that arrived at the SCP port; one that makes no sense is dropped."""
        message = parse(content[len(_PADDING) :])
        if message is None or len(content) > len(_PADDING) + LARGEST_MESSAGE:
            self.seen["datagrams that are no SDP messages"] += 1
            return
        where = ROOT if message.to_chip == _ANYWHERE else message.to_chip
        chip = self._board.chips.get(where)
        if chip is None:
            self.seen["messages for chips that there are not"] += 1
            return  # as on hardware, nobody answers
        if message.wants_reply:
            known = self._answers.begin(sender, message.sequence, content)
            if known is not None:
                self.seen["requests that came again"] += 1
                if known.answer is not None:
                    self._send(sender, known.answer)
                return
        self._route(chip, message, sender)

    def enter(self, reverse: Reverse, content: bytes) -> None:
        """Send a datagram that arrived at the port of a reverse tag on to its core."""
        message = Message(_NO_REPLY, 0, reverse.to, HOST, reverse.chip, (0, 0), content)
        if reverse.chip in self._board.chips and len(content) <= LARGEST_MESSAGE - 8:
            self.executor.submit(partial(self._to_core, message))

    def _route(self, chip: ChipState, message: Message, sender: Address) -> None:
        """Give a message to a monitor, or to a core with a tag for its answer."""
        core = self._board.core(chip.where, message.processor)
        if message.processor and (message.port or core is not None):
            self.seen[f"messages to port {message.port} of cores"] += 1
            tag = self.tags.of_sender(sender) if message.tag == 0xFF else message.tag
            addressed = replace(message, tag=tag, to_chip=chip.where)
            self.executor.submit(partial(self._to_core, addressed))
        else:
            self._to_monitor(chip, request(message, sender))

    def _to_core(self, message: Message) -> None:
        core = self._board.core(message.to_chip, message.processor)
        if core is not None:
            self._board.post(core, bytes(message))

    def _to_monitor(self, chip: ChipState, asked: Request) -> None:
        command, monitors = asked.message.command, self._monitors
        name = Command(command).name if command in _COMMANDS else "unknown"
        self.seen[f"SCP {name}"] += 1
        if handler := monitors.at_once.get(command):
            self._answer(chip, asked, self._outcome(handler, chip, asked))
        elif handler := monitors.in_order.get(command):
            self.executor.submit(partial(self._do, handler, chip, asked))
        elif handler := monitors.signals.get(command):
            self._answer(chip, asked, (Result.OK, b""))
            self.executor.submit(partial(self._signal, handler, chip, asked))
        else:
            self._answer(chip, asked, (Result.COMMAND, b""))

    def _do(self, handler: Handler, chip: ChipState, asked: Request) -> None:
        chip = self._board.chips[chip.where]  # which may have been booted since
        self._answer(chip, asked, self._outcome(handler, chip, asked))

    def _signal(self, handler: Handler, chip: ChipState, asked: Request) -> None:
        self._outcome(handler, chip, asked)

    def _outcome(self, handler: Handler, chip: ChipState, asked: Request) -> Outcome:
        try:
            return handler(chip, asked)
        except (ValueError, IndexError, struct.error):
            self.seen["requests that make no sense"] += 1
            return Result.ARGUMENT, b""

    def _answer(self, chip: ChipState, asked: Request, outcome: Outcome) -> None:
        message = asked.message
        if message.wants_reply:
            answer = _PADDING + bytes(message.answer(*outcome))
            self._answers.finish(asked.sender, message.sequence, answer)
            self._send(asked.sender, answer)

    def send_messages(self) -> None:
        """Send on what cores have written: to the host, or to other cores."""
        while self._board.outbox:
            message = parse(self._board.outbox.popleft())
            if message is None:
                continue
            tag = self.tags.find(message.tag)
            if message.to != HOST:
                self._to_core(message)
            elif tag is None:
                self.seen["messages for tags that there are not"] += 1
            else:
                content = _PADDING + bytes(message)
                self._answers.finish(tag.address, message.sequence, content)
                self._send(tag.address, message.body if tag.strip else content)
