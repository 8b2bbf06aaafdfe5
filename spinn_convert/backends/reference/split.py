"""Share images among the ranks that a launcher has started, and return results in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

from spinn_convert import ranks
from spinn_convert.linear.ops import Floats
from spinn_convert.network.recording import Progress

Outcome = TypeVar("Outcome")


def over_ranks(
    simulate: Callable[..., Iterator[Outcome]], *args: Any, values: Floats, progress: Progress
) -> Iterator[Outcome]:
    """Yield simulate(*args, values), a result for each image, in order.

    Each rank calls it with its share of the images; a single process keeps no result that was
    yielded. progress: called with (done, total) images.
    """
    count, total = ranks.count(), len(values)
    if count == 1:
        for number, outcome in enumerate(simulate(*args, values)):
            yield outcome
            progress(number + 1, total)
        return
    for outcomes in ranks.together(
        _share,
        simulate,
        args,
        each=np.array_split(values, count),
        progress=lambda done, share: progress(total * done // share, total),
    ):
        yield from outcomes


def _share(
    simulate: Callable[..., Iterator[Outcome]],
    args: tuple[Any, ...],
    values: Floats,
    progress: Progress,
) -> list[Outcome]:
    """Return the results of this rank's images."""
    found = []
    for outcome in simulate(*args, values):
        found.append(outcome)
        progress(len(found), len(values))
    return found
