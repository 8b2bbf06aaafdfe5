"""The part of a population's neurons that one of several ranks has."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """Neurons `first`, first + ranks, first + 2 ranks ...; all of them by default."""

    first: int = 0
    ranks: int = 1


ALL = Share()
