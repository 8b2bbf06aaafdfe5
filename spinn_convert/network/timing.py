"""Default time steps per image, and default read-out, of a network."""

from __future__ import annotations

from math import ceil
from typing import Literal

from spinn_convert.network.records import Network

ReadOut = Literal["all", "late"]
"""Read what an output has integrated since step 0, or leave out the first steps: see `readout`."""

STEPS_AFTER_CLAMP = 48
"""Steps after the output's release, for networks with a clamp delay."""
STEPS_WITHOUT_CLAMP = 32
"""Steps after the output's release, for networks without a clamp delay. The depth is added: in
deeper networks, the early spikes that come before their inhibition last longer."""
STEPS_OF_DETECTOR = 74
"""Steps after the release without a clamp, for networks with several outputs: the heads of a
detector fire rarely, and small errors of a score decide which of two boxes stays."""
STEPS_FROM_ZERO = 300
"""Steps after the output's release where membranes start at 0 without a clamp, as in the basic
conversion."""
STEPS_ON_BOARD = 72
"""Steps on a board, to which the depth is added; its integer arithmetic and late read-out need
more than the float simulators."""
BOARD_CYCLE = 16
"""A board starts every image at a multiple of so many steps."""


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
    if len(network.readouts) > 1:
        return released + STEPS_OF_DETECTOR
    return released + STEPS_WITHOUT_CLAMP + network.depth


def default_read_out(network: Network) -> ReadOut:
    """Return the network's own read-out, else "late" where spikes may come before their inhibition.

    They cannot with a clamp delay, which holds every layer until its inputs have settled, and
    hardly do where membranes start at 0: there it is "all".
    """
    if network.read_out is not None:
        return network.read_out
    return "all" if network.clamp_delay or _starts_at_zero(network) else "late"


def needed_steps(network: Network, steps: int) -> dict[str, int]:
    """Return for how many of the steps each population has to run, by name.

    Its last spikes would reach no output before the end; without them, all outputs are the same.
    """
    latest = {population.name: steps for population in network.readouts}
    for population in reversed(network.populations):
        for projection in network.incoming(population):
            ends = max(0, latest.get(population.name, 0) - projection.delay)
            latest[projection.source] = max(latest.get(projection.source, 0), ends)
    return latest


def _starts_at_zero(network: Network) -> bool:
    grid = 2.0**-network.bits
    return all(bool((population.v_init < grid).all()) for population in network.spiking)
