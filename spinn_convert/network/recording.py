"""What a simulation is given (Stimulus, Settings) and what it returns (Recording)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from spinn_convert.linear.ops import Floats
from spinn_convert.network.records import Stop

Progress = Callable[[int, int], None]
"""Called with (done, total), in images or parts of images."""


def silent(done: int, total: int) -> None:
    """Report no progress: a Progress that does nothing."""


Watch = Callable[[str], Progress]
"""Called with the name of a phase that begins; returns what to call with its progress."""


def unwatched(phase: str) -> Progress:
    """Report no phases: a Watch that does nothing."""
    return silent


@dataclass(frozen=True, eq=False)
class Stimulus:
    """The input of the network, one image after another, each as constant currents.

    values: of `Model.core_input`, float32 (B, *input shape). calibration: the same of other images,
    on which a board backend measures the ranges of its fixed-point numbers; None for `values`.
    """

    values: Floats
    calibration: Floats | None = None


@dataclass(frozen=True)
class Settings:
    """How to simulate. steps: per image. record: names of populations whose spikes to return.

    board: sPyNNaker's configuration file of the machine, only for the backend spinnaker; None for
    ~/.spynnaker.cfg. connectors: how that backend stores synapses, as "lists" (None: the same), as
    kernels where possible ("convolutions"), or as what takes less ("auto"). sampled: numbers of
    steps, ascending, after which the readouts' potentials are kept; None for all of them. A
    detector has thousands of outputs, which would fill gigabytes. stop: end an image as soon as the
    network is sure; None to take all steps.
    """

    steps: int
    threads: int = 1
    record: tuple[str, ...] = ()
    board: Path | None = None
    connectors: Literal["lists", "convolutions", "auto"] | None = None
    sampled: tuple[int, ...] | None = None
    stop: Stop | None = None

    @property
    def rows(self) -> NDArray[np.int64]:
        """Under which number, from 0, potentials after each step are kept, (T,); -1: not at all."""
        found = np.full(self.steps, -1, np.int64)
        kept = range(1, self.steps + 1) if self.sampled is None else self.sampled
        found[np.array(kept) - 1] = np.arange(len(kept))
        return found

    def kept(self, potentials: Floats) -> Floats:
        """Return of potentials after every step (..., T, N) those that are kept (..., S, N)."""
        if self.sampled is None:
            return potentials
        return np.ascontiguousarray(potentials[..., np.array(self.sampled) - 1, :])


@dataclass(frozen=True, eq=False)
class Recording:
    """What a backend measured; B images, T steps.

    spike_counts: per spiking population, int64 (B,), of the spikes that can still reach an output.
    synaptic_events: int64 (B,), these spikes delivered, one for each synapse of the neuron that
    fires. readout: per readout population, float32 (B, T, *shape), membrane potential after each
    step, or each of `settings.sampled`, in units of the ANN's output; after an image has ended, its
    last. spikes: per recorded population, int32 (n, 3) rows (image, step, neuron), sorted in this
    order. timing: seconds by phase. details: measurements that only this backend has, for
    report.json. steps_taken: after which an image ended, (B,). events_within: synaptic events (T,)
    of a run of 1, 2 ... T steps, the mean over images; None where only the total was counted.
    """

    backend: str
    settings: Settings
    spike_counts: Mapping[str, NDArray[np.int64]]
    synaptic_events: NDArray[np.int64]
    readout: Mapping[str, Floats]
    spikes: Mapping[str, NDArray[np.int32]] = field(default_factory=dict)
    timing: Mapping[str, float] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    steps_taken: NDArray[np.int64] | None = None
    events_within: NDArray[np.float64] | None = None

    @property
    def taken(self) -> NDArray[np.int64]:
        """After how many steps each image ended (B,)."""
        if self.steps_taken is not None:
            return self.steps_taken
        return np.full(len(self.synaptic_events), self.settings.steps)

    @property
    def events_of_all(self) -> NDArray[np.float64]:
        """Synaptic events of all images in runs of 1, 2 ... T steps (T,).

        Raises ValueError where only the total was counted.
        """
        if self.events_within is None:
            raise ValueError(f"{self.backend} counts events in total only")
        return self.events_within * len(self.synaptic_events)
