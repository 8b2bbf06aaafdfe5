"""The number of usable cores, and torch's number of threads within a block of code."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from spinn_convert import ranks


def available_cores() -> int:
    """Return the number of cores that this process may use; ranks on one machine share them."""
    cores = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if sys.platform == "linux" else cores
    return max(1, min(usable, cores // ranks.on_this_machine()))


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Let torch compute with so many threads; afterwards it has as many as before."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
