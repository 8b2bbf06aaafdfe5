"""NEST through PyNN: one build presents all images, exactly.

Gives the same spikes as the reference. The neuron is NEST's own `eprop_iaf` without its learning,
which subtracts the threshold at a spike (for a reset to a constant, `iaf_psc_delta`). With C_m = 1,
E_L = 0, no leak and delta synapses, a weight of 1 or a current of 1 is one threshold per spike or
step. Weights and currents are multiples of 2^-bits, so NEST's sums of doubles are exact, too.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType

import psutil

from spinn_convert.backends.nest.session import NAME, Session
from spinn_convert.errors import BackendError, Problem, install
from spinn_convert.linear.threads import torch_threads
from spinn_convert.network.rate import CHUNK, input_currents
from spinn_convert.network.recording import Progress, Recording, Settings, Stimulus, silent
from spinn_convert.network.records import Network, neurons, synapse_counts

DEFAULT_IMAGES = 25
BYTES_PER_SYNAPSE = 56
BYTES_PER_NEURON = 2_500
BYTES_PER_RECORDED_NEURON = 35_000
"""Memory of NEST and PyNN, measured; a spike recorder takes most of the last."""


def check(network: Network, settings: Settings) -> list[Problem]:
    """Return what keeps this network from running: NEST missing, or too little memory."""
    problems = []
    missing = [name for name in ("nest", "pyNN") if find_spec(name) is None]
    if missing:
        fix = install("nest")
        problems.append(Problem(NAME, f"not installed: {', '.join(missing)}", fix))
    recorded = sum(p.size for p in network.spiking if p.name in settings.record)
    connected = sum(synapse_counts(network).values())
    parts = {
        f"{connected:,} synapses": BYTES_PER_SYNAPSE * connected,
        f"{neurons(network):,} neurons": BYTES_PER_NEURON * neurons(network),
        f"{recorded:,} recorded neurons": BYTES_PER_RECORDED_NEURON * recorded,
    }
    needed, available = sum(parts.values()), psutil.virtual_memory().available
    if needed > available:
        shares = ", ".join(f"{bytes_ / 1e9:.1f} GB for {what}" for what, bytes_ in parts.items())
        what = f"needs about {needed / 1e9:.1f} GB ({shares}); {available / 1e9:.1f} GB are free"
        problems.append(Problem(NAME, what, "use --backend reference, or a larger machine"))
    return problems


def run(
    network: Network, stimulus: Stimulus, settings: Settings, progress: Progress = silent
) -> Recording:
    """Simulate all images, one after another, on one build; progress counts steps.

    Raises BackendError when `check` finds a problem.
    """
    problems = check(network, settings)
    if problems:
        raise BackendError(problems)
    objects = imported()
    started = time.perf_counter()
    with kernel(objects), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"\s*SetStatus")  # which PyNN still calls
        total = len(stimulus.values) * settings.steps
        session = Session(objects, network, settings, lambda: progress(0, total))
        built = time.perf_counter()
        _present_all(session, network, stimulus, settings.steps, progress)
        timing = {"build": built - started, "simulate": time.perf_counter() - built}
        return session.recording(timing)


@contextmanager
def kernel(objects: ModuleType) -> Iterator[None]:
    """Let NEST have the threads of OpenMP, which torch shares; then give them back.

    NEST crashes, even when it is only emptied, where their number is not the one that it was told
    last. So it is left empty, with as many threads as torch had.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(objects.nest.local_num_threads)
    try:
        yield
    finally:
        objects.sim.end()
        objects.nest.ResetKernel()
        objects.nest.local_num_threads = before
        torch.set_num_threads(before)


def _present_all(
    session: Session, network: Network, stimulus: Stimulus, steps: int, progress: Progress
) -> None:
    total = len(stimulus.values) * steps
    for start in range(0, len(stimulus.values), CHUNK):
        currents = input_currents(network, stimulus.values[start : start + CHUNK])
        for image in range(len(stimulus.values[start : start + CHUNK])):
            done = (start + image) * steps
            session.present(
                {name: current[image] for name, current in currents.items()},
                lambda step, done=done: progress(done + step, total),  # type: ignore[misc]
            )


def imported() -> ModuleType:
    """Import NEST and PyNN without their banners and without compiling PyNN's extensions.

    The environment and torch's threads, which NEST sets to one when it is imported, stay as they
    are.
    """
    variables = {"PYNEST_QUIET": "1", "PATH": ""}  # PyNN compiles extensions if it finds cmake
    before = {name: os.environ.get(name) for name in variables}
    with torch_threads(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        os.environ.update(variables)
        try:
            from spinn_convert.backends.nest import objects as nest_objects
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name)
                else:
                    os.environ[name] = value
    return nest_objects
