"""Reset to a constant, the only reset that PyNN's standard cells have: measures the constants."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spinn_convert.backends.board.arithmetic import measure_peaks
from spinn_convert.backends.board.delta.arithmetic import measure_overshoot
from spinn_convert.linear.maps import on_grid
from spinn_convert.linear.ops import Floats
from spinn_convert.network.recording import Settings
from spinn_convert.network.records import Network


def with_constant_reset(network: Network, values: Floats, settings: Settings) -> Network:
    """Return the network with v_reset of every channel, measured on images (B, *input shape).

    v_reset is the mean of V - 1 at a spike (the overshoot) while neurons still reset by
    subtraction; a reset to 0 would lose it. It lies halfway between two multiples of 2^-bits, as
    v_init does, so that V never equals the threshold.
    """
    peaks = measure_peaks(network, values, settings)
    overshoot = measure_overshoot(network, values, settings, peaks)
    half = np.float32(2.0 ** -(network.bits + 1))
    populations = []
    for population in network.populations:
        if population.kind == "spiking":
            ones = (1,) * (len(population.shape) - 1)
            v_reset = on_grid(overshoot[population.name].reshape(-1, *ones), network.bits) + half
            population = replace(population, v_reset=np.minimum(v_reset, 1 - half))
        populations.append(population)
    return replace(network, populations=tuple(populations))
