"""Compute in several threads, and return the results in the order of the items."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


def in_order(
    chunks: Iterable[Iterable[Item]], threads: int, work: Callable[[Item], Outcome]
) -> Iterator[Outcome]:
    """Yield work(item) for all items of all chunks, in order.

    The next chunk is made while the last is computed, so at most two are in memory. An exception in
    `work` is raised here, and the items that wait are dropped.
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
