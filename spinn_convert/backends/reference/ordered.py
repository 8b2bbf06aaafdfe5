"""Work on threads whose results come in the order of the work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


def in_order(
    chunks: Iterable[Iterable[Item]], threads: int, work: Callable[[Item], Outcome]
) -> Iterator[Outcome]:
    """Yield work(item) for all items of all chunks; a chunk is made while the last is worked on.

    At most two chunks are in memory. An error in the work is raised, and what waits is dropped.
    """
    pool = ThreadPoolExecutor(threads)
    running: list[Future[Outcome]] = []
    try:
        for chunk in chunks:
            ahead = [pool.submit(work, item) for item in chunk]
            yield from (future.result() for future in running)
            running = ahead
        yield from (future.result() for future in running)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
