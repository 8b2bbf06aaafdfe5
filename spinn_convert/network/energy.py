"""Energy of an image on SpiNNaker 1, from figures that others measured on a SpiNN-5 board.

C. Ostrau, C. Klarhorst, M. Thies, U. Rueckert 2022, "Benchmarking Neuromorphic Hardware and Its
Energy Expenditure", Frontiers in Neuroscience 16:873935. The figures are those in the file
config_energy/spinnaker_energy_spinn5.json of its software, SNABSuite, at steps of 1 ms. None was
measured here.
"""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = (
    "SNABSuite, config_energy/spinnaker_energy_spinn5.json; Ostrau et al. 2022,"
    " doi 10.3389/fnins.2022.873935"
)
IDLE_WATTS_PER_BOARD = 23.0
"""Of 48 chips, booted, without a network: power.idle, 23.05. By spinn_machine, 26.84."""
JOULES_PER_NEURON_STEP = 92.6e-9
"""To update a neuron: power.idle_neurons."""
JOULES_PER_SPIKE = 10e-9
"""To send it: energy.spike, 10.04 nJ."""
JOULES_PER_EVENT = 8e-9
"""To deliver a spike to one synapse: energy.Transmission_S2A and _random, 7.3 and 7.6 nJ; on a
SpiNN-3 board, 7.5 and 9.6 nJ."""


@dataclass(frozen=True)
class Energy:
    """Estimated energy of one image, joules: idle boards, neurons, spikes, synaptic events."""

    idle: float
    neurons: float
    spikes: float
    events: float

    @property
    def total(self) -> float:
        """Sum of all parts, joules."""
        return self.idle + self.neurons + self.spikes + self.events


def of_image(
    boards: int, seconds: float, neuron_steps: float, spikes: float, events: float
) -> Energy:
    """Return the energy of an image that takes `seconds`; boards draw idle power all the time."""
    return Energy(
        IDLE_WATTS_PER_BOARD * boards * seconds,
        JOULES_PER_NEURON_STEP * neuron_steps,
        JOULES_PER_SPIKE * spikes,
        JOULES_PER_EVENT * events,
    )
