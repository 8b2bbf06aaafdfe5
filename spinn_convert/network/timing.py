"""How long a network needs, and from when its output is read, where the user does not say."""

from __future__ import annotations

from math import ceil
from typing import Literal

from spinn_convert.network.records import Network

ReadOut = Literal["all", "late"]

STEPS_AFTER_CLAMP = 48
STEPS_WITHOUT_CLAMP = 32
"""And the depth: the first spikes have passed the sooner, the fewer layers there are."""
STEPS_FROM_ZERO = 300
"""Where membranes start at 0 and nothing is held, as in the basic conversion."""
STEPS_ON_BOARD = 72
"""And the depth; a board's integers and late read-out take some more."""
BOARD_CYCLE = 16
"""A board presents the next image after a multiple of so many steps."""


def default_steps(network: Network, on_board: bool = False) -> int:
    """Return the time steps per image: those the network was tuned for, or enough of them."""
    if network.steps is not None:
        return network.steps
    if on_board:
        return ceil((network.depth + STEPS_ON_BOARD) / BOARD_CYCLE) * BOARD_CYCLE
    released = max(population.release for population in network.readouts)
    if network.clamp_delay:
        return released + STEPS_AFTER_CLAMP
    if _starts_at_zero(network):
        return released + STEPS_FROM_ZERO
    return released + STEPS_WITHOUT_CLAMP + network.depth


def default_read_out(network: Network) -> ReadOut:
    """Return "late" where the first spikes may come before their inhibition, else "all".

    They cannot where layers are held until their inputs have settled, and hardly where membranes
    start at 0.
    """
    if network.read_out is not None:
        return network.read_out
    return "all" if network.clamp_delay or _starts_at_zero(network) else "late"


def _starts_at_zero(network: Network) -> bool:
    grid = 2.0**-network.bits
    return all(bool((population.v_init < grid).all()) for population in network.spiking)
