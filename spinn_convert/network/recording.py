"""What goes into a simulation and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from spinn_convert.linear.ops import Floats

Progress = Callable[[int, int], None]
"""Called with (done, total) images or parts of images."""


def silent(done: int, total: int) -> None:
    """Report no progress."""


Watch = Callable[[str], Progress]
"""Called with the name of a phase that begins; returns where to report its progress."""


def unwatched(phase: str) -> Progress:
    """Watch nothing."""
    return silent


@dataclass(frozen=True, eq=False)
class Stimulus:
    """What the core gets, (B, *input shape), each presented as a constant current.

    calibration: the same of images that a backend may size its numbers with.
    """

    values: Floats
    calibration: Floats | None = None


@dataclass(frozen=True)
class Settings:
    """How to simulate: time steps per image, CPU threads, populations whose spikes to keep.

    board: sPyNNaker's configuration file of the machine, for the backend that needs one, None for
    ~/.spynnaker.cfg. connectors: "lists" of synapses there (None says the same), or "convolutions",
    or "auto" for what takes less.
    """

    steps: int
    threads: int = 1
    record: tuple[str, ...] = ()
    board: Path | None = None
    connectors: Literal["lists", "convolutions", "auto"] | None = None


@dataclass(frozen=True, eq=False)
class Recording:
    """What a backend measured; B images, T steps.

    spike_counts: per spiking population, int64 (B,). synaptic_events: int64 (B,), deliveries to
    synapses. readout: per readout, float32 (B, T, *shape), membrane potential after each step, in
    units of the output. spikes: per recorded population, int32 (n, 3) rows (image, step, neuron)
    in that order. timing: seconds by phase. details: what else this backend says, for report.json.
    """

    backend: str
    settings: Settings
    spike_counts: Mapping[str, NDArray[np.int64]]
    synaptic_events: NDArray[np.int64]
    readout: Mapping[str, Floats]
    spikes: Mapping[str, NDArray[np.int32]] = field(default_factory=dict)
    timing: Mapping[str, float] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
