"""Which chips, links and cores a board has.

Sources: version_3.py, version_5.py and version_48_chips.py in spinn_machine/version; links of a
SpiNN-3 that lead to connectors: spinn_machine/virtual_machine.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from spinn_convert.emulator.image import Chip
from spinn_convert.errors import BackendError, Problem

VERSIONS = 3, 5
ROOT: Chip = (0, 0)
"""The chip with the board's Ethernet port."""
STEPS = ((1, 0), (1, 1), (0, 1), (-1, 0), (-1, -1), (0, -1))
"""Where links 0 to 5 lead: LINK_ADD_TABLE in spinn_machine/machine.py."""
MOST_PROCESSORS = 18
_17_PROCESSORS = {(1, 1), (1, 3), (3, 1), (3, 3), (3, 5), (5, 2), (5, 4), (5, 6)}


@dataclass(frozen=True)
class Geometry:
    """Chips of one board.

    links: per chip, the chip at the other end of each link. parents: per chip but the root, the
    link towards its parent in the tree along which binaries are copied. processors: per chip, how
    many it has.
    """

    version: int
    width: int
    height: int
    links: Mapping[Chip, Mapping[int, Chip]]
    parents: Mapping[Chip, int]
    processors: Mapping[Chip, int]


def geometry(version: int) -> Geometry:
    """Return the geometry of a board; raises BackendError for a version that there is not."""
    if version == 3:
        side, chips = 2, {(x, y) for x in range(2) for y in range(2)}
        few: set[Chip] = set()
    elif version == 5:
        side, few = 8, _17_PROCESSORS
        chips = {(x, y) for y in range(8) for x in range(max(0, y - 3), min(7, y + 4) + 1)}
    else:
        what = f"there is no software board of version {version}"
        raise BackendError([Problem("software board", what, "3 has 4 chips, 5 has 48")])
    links = {chip: dict(_links(version, chips, chip)) for chip in sorted(chips)}
    processors = {chip: MOST_PROCESSORS - (chip in few) for chip in links}
    return Geometry(version, side, side, links, _parents(links), processors)


def _links(version: int, chips: set[Chip], chip: Chip) -> Iterator[tuple[int, Chip]]:
    for link, (dx, dy) in enumerate(STEPS):
        x, y = chip[0] + dx, chip[1] + dy
        if version == 3:
            sideways = (3, 4) if chip[0] == 0 else (0, 1)
            if link in sideways:
                continue  # leads to a connector
            x, y = x % 2, y % 2
        if (x, y) in chips:
            yield link, (x, y)


def _parents(links: Mapping[Chip, Mapping[int, Chip]]) -> dict[Chip, int]:
    """Return a tree from the root, broad rather than deep."""
    parents: dict[Chip, int] = {}
    ahead = deque([ROOT])
    while ahead:
        chip = ahead.popleft()
        for link, other in sorted(links[chip].items()):
            back = (link + 3) % 6
            if other != ROOT and other not in parents and links[other].get(back) == chip:
                parents[other] = back
                ahead.append(other)
    return parents
