"""Where packets go: routing tables or fixed routes, followed chip by chip, and counted.

Counters: spinnman/model/router_diagnostics.py, in the order of the router's registers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from spinn_convert.board_server.hardware.chip import COUNTERS, ChipState
from spinn_convert.board_server.hardware.geometry import MOST_PROCESSORS
from spinn_convert.emulator.devices import FIXED_ROUTE, MULTICAST, Packet
from spinn_convert.emulator.image import Chip, CoreId

_LOCAL, _EXTERNAL, _DUMPED = 0, 1, 8
"""Counters of multicast packets; other kinds are not counted."""


@dataclass(frozen=True)
class Tree:
    """Where a packet ends, and the counters (chip, number) that it moves on its way."""

    targets: tuple[CoreId, ...]
    counted: tuple[tuple[Chip, int], ...]


class Routes:
    """Finds the cores that a packet reaches; remembers trees until `forget`."""

    def __init__(
        self, chips: Mapping[Chip, ChipState], links: Mapping[Chip, Mapping[int, Chip]]
    ) -> None:
        self._chips, self._links = chips, links
        self._known: dict[tuple[Chip, int], Tree] = {}

    def forget(self) -> None:
        """Look at the tables again: they have changed."""
        self._known.clear()

    def targets(self, source: Chip, packet: Packet) -> tuple[CoreId, ...]:
        """Return the cores that a packet of a chip reaches, and count it on its way."""
        if packet.kind == FIXED_ROUTE:
            return self._follow(source, lambda chip: chip.fixed_route).targets
        if packet.kind != MULTICAST:
            return ()
        key = packet.key
        tree = self._known.get((source, key))
        if tree is None:
            tree = self._follow(source, lambda chip: chip.routes.find(key))
            self._known[source, key] = tree
        for where, counter in tree.counted:
            self._chips[where].router.words[COUNTERS + counter] += 1
        return tree.targets

    def _follow(self, source: Chip, route_of: Callable[[ChipState], int | None]) -> Tree:
        """Walk the tree; hardware drops what goes round in circles, so does the bound."""
        ahead: list[tuple[Chip, int | None]] = [(source, None)]
        targets: list[CoreId] = []
        counted = []
        for _ in range(4 * len(self._chips)):
            if not ahead:
                break
            where, heading = ahead.pop()
            route = route_of(self._chips[where])
            counter = _LOCAL if heading is None else _EXTERNAL
            if route is None:
                route = 0 if heading is None else 1 << heading  # default route: straight on
                counter = counter if route else _DUMPED
            counted.append((where, counter))
            targets += [(*where, p) for p in range(MOST_PROCESSORS) if route >> 6 + p & 1]
            links = self._links[where].items()
            ahead += [(other, link) for link, other in links if route >> link & 1]
        return Tree(tuple(targets), tuple(counted))
