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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType

from spinn_convert import ranks
from spinn_convert.backends.nest.memory import Place, fits, room
from spinn_convert.backends.nest.session import NAME, Session
from spinn_convert.errors import BackendError, Problem, install
from spinn_convert.linear.threads import torch_threads
from spinn_convert.network.gathered import added
from spinn_convert.network.rate import CHUNK, input_currents
from spinn_convert.network.recording import Progress, Recording, Settings, Stimulus, silent
from spinn_convert.network.records import Network, neurons

DEFAULT_IMAGES = 25
BUILD = "pip install --no-binary nest-simulator -C cmake.define.with-mpi=ON nest-simulator"


def check(network: Network, settings: Settings) -> list[Problem]:
    """Return what keeps this network from running.

    That is: NEST is missing, or has no MPI although there are several ranks; there are more ranks
    than neurons; or memory is too little on one of them.
    """
    missing = [name for name in ("nest", "pyNN") if find_spec(name) is None]
    if missing:
        return [Problem(NAME, f"not installed: {', '.join(missing)}", install("nest"))]
    places = ranks.together(_place, progress=silent)
    return _unfit_ranks(network, places) or fits(network, settings, places)


def _place(progress: Progress) -> Place:
    """Return what NEST has to run in on this rank; imports NEST if there are several."""
    processes = imported().nest.num_processes if ranks.launched() else 1
    return room(processes)


def _unfit_ranks(network: Network, places: list[Place]) -> list[Problem]:
    where, count = f"mpirun, {len(places)} ranks", len(places)
    if any(place.processes != count for place in places):
        what = f"NEST is built without MPI: each of the {count} ranks would simulate everything"
        fix = (
            f"build it with MPI: {BUILD}; docs/scaling.md says what that needs. Or leave mpirun out"
        )
        return [Problem(where, what, fix)]
    if count > neurons(network):
        what = f"the network has {neurons(network)} neurons"
        return [Problem(where, what, f"start {neurons(network)} ranks at most")]
    return []


def run(
    network: Network, stimulus: Stimulus, settings: Settings, progress: Progress = silent
) -> Recording:
    """Simulate all images, one after another, on one build; progress counts steps.

    Raises BackendError when `check` finds a problem.
    """
    problems = check(network, settings)
    if problems:
        raise BackendError(problems)
    given = Stimulus(stimulus.values)
    return added(ranks.together(_run, network, given, settings, progress=progress))


def _run(network: Network, stimulus: Stimulus, settings: Settings, progress: Progress) -> Recording:
    """Simulate the neurons of this rank, together with all others."""
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
        some = stimulus.values[start : start + CHUNK]
        currents = ranks.from_first(lambda some=some: input_currents(network, some))  # type: ignore[misc]
        for image in range(len(some)):
            done = (start + image) * steps
            session.present(
                {name: current[image] for name, current in currents.items()},
                lambda step, done=done: progress(done + step, total),  # type: ignore[misc]
            )


def imported() -> ModuleType:
    """Import NEST and PyNN without their banners and without compiling PyNN's extensions.

    The environment and torch's threads, which NEST sets to one when it is imported, stay as they
    are. Under a launcher, MPI is started before; a NEST without MPI would end the process as soon
    as it sees one, so the variables by which it does are hidden from it.
    """
    ranks.join()
    with torch_threads(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with _environment(PYNEST_QUIET="1", PMIX_RANK=None, PMI_RANK=None):
            import nest  # noqa: F401  one with MPI finds its programs in PATH
        with _environment(PYNEST_QUIET="1", PATH=""):  # PyNN compiles extensions if it finds cmake
            from spinn_convert.backends.nest import objects as nest_objects
    return nest_objects


@contextmanager
def _environment(**variables: str | None) -> Iterator[None]:
    """Set variables of the environment, or remove them (None), within the block."""
    before = {name: os.environ.get(name) for name in variables}
    _set(variables)
    try:
        yield
    finally:
        _set(before)


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
