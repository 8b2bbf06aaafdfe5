"""Find where a multicast packet goes, by the routing tables of the chips, link by link."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from spinn_convert.emulator.image import BoardImage, Chip, CoreId
from spinn_convert.errors import BackendError, Problem


class Router:
    """Finds the cores that a packet reaches; caches them by source chip and key."""

    def __init__(self, image: BoardImage) -> None:
        self._image = image
        self._found: dict[tuple[Chip, int], tuple[CoreId, ...]] = {}

    def targets(self, chip: Chip, key: int) -> tuple[CoreId, ...]:
        """Return the cores reached by a packet with this key, sent on a chip.

        Raises BackendError when an entry is missing or the packet would run in a circle.
        """
        found = self._found.get((chip, key))
        if found is None:
            found = self._found[chip, key] = tuple(self._follow(chip, key))
        return found

    def _follow(self, source: Chip, key: int) -> Iterator[CoreId]:
        """Walk the tree. A chip without an entry passes a packet straight on: default routing."""
        ahead: list[tuple[Chip, int | None]] = [(source, None)]
        for _ in range(len(self._image.links) + 1):
            if not ahead:
                return
            chip, heading = ahead.pop()
            processors, links = self._entry(chip, key) or ((), (heading,))
            for processor in processors:
                yield (*chip, processor)
            for link in links:
                following = None if link is None else self._image.links[chip].get(link)
                if following is None:
                    what = f"a packet with key {key:#x} has nowhere to go from chip {chip}"
                    raise BackendError([Problem("routing tables", what)])
                ahead.append((following, link))
        what = f"packets with key {key:#x} from chip {source} go round in circles"
        raise BackendError([Problem("routing tables", what)])

    def _entry(self, chip: Chip, key: int) -> tuple[tuple[int, ...], tuple[int | None, ...]] | None:
        """Return processors and links of the first matching entry of a chip."""
        table = self._image.tables.get(chip)
        if table is None:
            return None
        matches = np.flatnonzero(np.uint32(key) & table.masks == table.keys)
        if not len(matches):
            return None
        return table.processors[matches[0]], table.links[matches[0]]
