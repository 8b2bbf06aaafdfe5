"""The last answers, so that a request that comes again is answered but not done again.

A host repeats a request, with the same sequence number and bytes, when it has heard nothing for a
second (spinnman/connections/scp_request_pipeline.py): its request was lost, the answer was lost, or
the board is still busy. Done twice, a signal or an allocation would be another one.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from threading import Lock

from spinn_convert.board_server.messages import Address

MOST = 4096


@dataclass(frozen=True)
class Seen:
    """A request, and its answer once there is one."""

    request: bytes
    answer: bytes | None = None


class Answers:
    """Requests by sender and sequence number. State with a lock: two threads answer."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[Address, int], Seen] = OrderedDict()
        self._lock = Lock()

    def begin(self, sender: Address, sequence: int, request: bytes) -> Seen | None:
        """Note a request; return what is known of it if it came before."""
        key = sender, sequence
        with self._lock:
            known = self._seen.get(key)
            if known is not None and known.request == request:
                return known
            self._seen[key] = Seen(request)
            self._seen.move_to_end(key)
            while len(self._seen) > MOST:
                self._seen.popitem(last=False)
        return None

    def finish(self, sender: Address, sequence: int, answer: bytes) -> None:
        """Note the answer to a request, if there was one."""
        key = sender, sequence
        with self._lock:
            if key in self._seen:
                self._seen[key] = replace(self._seen[key], answer=answer)

    def forget(self) -> None:
        """Forget all."""
        with self._lock:
            self._seen.clear()
