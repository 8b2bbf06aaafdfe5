"""The spiking network: populations and projections, with potentials in units of the threshold.

A population holds integrate-and-fire neurons. At step t >= release a neuron updates

    V <- V + bias + sum over projections of weight * spike(t - delay);  spike if V >= 1, V <- V - 1

or V <- v_reset at a spike, if the population has one. Before its release a neuron holds V at
v_init and ignores its input (voltage clamping by delayed gating; Mueller et al. 2021). A readout
integrates in the same way and never spikes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf, prod
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from spinn_convert.linear.maps import LinearMap, fan_out
from spinn_convert.linear.ops import Floats, Shape

if TYPE_CHECKING:
    from nir import NIRGraph

    from spinn_convert.backends.in_pynn import PyNNNetwork


@dataclass(frozen=True, eq=False)
class Population:
    """Neurons of one kind: "input" (analog values), "spiking" or "readout".

    shape: (C, H, W) or (N,). bias: in thresholds per step, and v_init: initial potential, in
    thresholds; both broadcast to `shape`. scale: (C,), the activation that a rate of one spike per
    step stands for. depth: number of spiking layers before it on the longest path; -1 for the
    input. release: first step at which it integrates. ceiling: value at which the ANN clips the
    activation (Clip, ReLU6), in its units. v_reset: potential after a spike, in thresholds,
    broadcasts to `shape`; None for reset by subtraction.
    """

    name: str
    kind: str
    shape: Shape
    bias: Floats
    v_init: Floats
    scale: Floats
    depth: int
    release: int
    ceiling: float = inf
    v_reset: Floats | None = None

    @property
    def size(self) -> int:
        """Number of neurons."""
        return prod(self.shape)


@dataclass(frozen=True, eq=False)
class Projection:
    """Synapses between two populations, given by their names; `map` makes weights of them.

    map: from the shape of the source to that of the target; its weights are in thresholds per
    spike (from the input: thresholds per step and unit). delay: steps from a spike to its arrival.
    """

    source: str
    target: str
    map: LinearMap
    delay: int


@dataclass(frozen=True)
class Stop:
    """When an image ends: as soon as the network is sure of its class (see `network.stopping`).

    bound: least lead of the best class, in activation of the output times steps. first: number of
    steps before which no image ends. read_out: how the output is read, which the bound was chosen
    for. wanted: agreement with the ANN, a fraction of the images.

    What it did to `images` calibration images: agreement, steps and synaptic events per image,
    beside those of `fixed_steps` steps for every image; 0 if it was not tried.
    """

    bound: float
    first: int
    read_out: Literal["all", "late"]
    wanted: float
    images: int = 0
    agreement: float = 0.0
    steps: float = 0.0
    events: float = 0.0
    fixed_steps: int = 0
    fixed_agreement: float = 0.0
    fixed_events: float = 0.0


@dataclass(frozen=True, eq=False)
class Network:
    """Populations in topological order and their projections.

    A simulator rounds weights, biases and input currents to multiples of 2^-bits, so that sums are
    exact in any order and every simulator computes the same spikes. clamp_delay: d in
    release = (1 + d) * depth. made_from: the model's path and SHA-256, and the method, as text.
    steps: time steps per image. read_out: "all" to read what the outputs have integrated since
    step 0, "late" to leave out the first steps. Both are set if the network was tuned for them;
    None for the defaults of `network.timing`. stop: when an image may end earlier, if calibrated.
    """

    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    clamp_delay: int
    bits: int
    made_from: Mapping[str, str] = field(default_factory=dict)
    steps: int | None = None
    read_out: Literal["all", "late"] | None = None
    stop: Stop | None = None

    @property
    def reset(self) -> Literal["subtract", "constant"]:
        """What a spike does: subtract the threshold, or set V to the channel's constant."""
        constant = any(p.v_reset is not None for p in self.populations)
        return "constant" if constant else "subtract"

    @property
    def calibrated(self) -> bool:
        """Whether the scales come from images; in a draft all are 1, and weights mean nothing."""
        return not all(bool((p.scale == 1).all()) for p in self.populations)

    @property
    def input(self) -> Population:
        """The population of analog inputs."""
        return next(p for p in self.populations if p.kind == "input")

    @property
    def spiking(self) -> tuple[Population, ...]:
        """All spiking populations, in topological order."""
        return tuple(p for p in self.populations if p.kind == "spiking")

    @property
    def readouts(self) -> tuple[Population, ...]:
        """All readout populations, one per output of the model."""
        return tuple(p for p in self.populations if p.kind == "readout")

    @property
    def depth(self) -> int:
        """Depth of the deepest population: steps from the first layer to the output."""
        return max(p.depth for p in self.populations)

    def save(self, path: Path | str) -> None:
        """Write the network as an .npz file that `load` reads; an existing file is replaced.

        Raises OSError if the file cannot be written.
        """
        from spinn_convert.network import store

        store.save(self, Path(path))

    @staticmethod
    def load(path: Path | str) -> Network:
        """Read a network that `save` wrote; raises DataError if the file holds something else."""
        from spinn_convert.network import store

        return store.load(Path(path))

    def summary(self) -> str:
        """Return a table as text: shape, neurons, synapses, scales and release by population."""
        from spinn_convert.network import summary

        return summary.text(self)

    def to_pynn(self, sim: ModuleType, calibration: Floats | None = None) -> PyNNNetwork:
        """Return the network as PyNN populations and projections in the caller's own simulation.

        sim: pyNN.nest or pyNN.spiNNaker, set up by the caller with timestep=1.0 (ms), and on NEST
        with min_delay=1.0, spike_precision="on_grid" and a max_delay of the longest shortcut.
        calibration: rows of `Model.core_input` (B, *input shape), on which the ranges of a board's
        fixed-point numbers are measured; NEST needs none. The result has `populations` and
        `projections` by name, to be recorded, inspected, perturbed and connected, and
        `present(image, steps)`, which runs the simulation for one image, a row of
        `Model.core_input`. Raises BackendError if `sim` is another simulator or set up otherwise.
        """
        from spinn_convert.backends.in_pynn import to_pynn

        return to_pynn(self, sim, calibration)

    def to_nir(
        self, steps: int | None = None, read_out: Literal["all", "late"] | None = None
    ) -> NIRGraph:
        """Return the network as a graph of NIR, which `nir.write` writes to a file.

        Populations become nir.IF with a threshold of 1 and r = 1, in time steps (dt = 1); maps
        become nir.Conv2d and nir.Affine. The input is constant, a row of `Model.core_input`. The
        mean of the output over the steps, from its metadata's `mean_from_step` on, is the ANN's
        output. Metadata of a nir.IF has `reset` ("subtract" or "constant"), `v_init`, and
        `held_steps`, before which it ignores its input. steps, read_out: as for a run; None for
        the network's own. Raises BackendError that names every part which NIR cannot express, or if
        the package nir is not installed.
        """
        from spinn_convert.network import nir_graph

        return nir_graph.to_nir(self, steps, read_out)

    def incoming(self, population: Population) -> tuple[Projection, ...]:
        """Projections onto a population, those from the input included."""
        return tuple(p for p in self.projections if p.target == population.name)

    def synaptic(self) -> tuple[Projection, ...]:
        """Projections made of synapses: all but those of the analog input, which is a current."""
        return tuple(p for p in self.projections if p.source != self.input.name)


def neurons(network: Network) -> int:
    """Return the number of neurons, readouts included, analog inputs not."""
    return sum(p.size for p in network.populations if p.kind != "input")


def out_degrees(network: Network) -> dict[str, NDArray[np.int64]]:
    """Return how many synapses each neuron of each spiking population has, in the shape of it."""
    degrees = {p.name: np.zeros(p.shape, np.int64) for p in network.spiking}
    for projection in network.synaptic():
        degrees[projection.source] += fan_out(projection.map, network.bits)
    return degrees


def synapse_counts(network: Network) -> dict[str, int]:
    """Return the number of synapses onto each population."""
    counts = {p.name: 0 for p in network.populations if p.kind != "input"}
    for projection in network.synaptic():
        counts[projection.target] += int(fan_out(projection.map, network.bits).sum())
    return counts
