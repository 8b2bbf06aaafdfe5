"""The processes that mpirun or srun has started: rank 0 leads, the others help where it asks.

A process that no launcher has started is alone; then nothing here imports mpi4py or costs time.
Otherwise all ranks call `led`, in which rank 0 works and the others sleep until it calls
`together`. Whoever fails in the middle of common work ends all, as the others would wait forever.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from spinn_convert.errors import BackendError, Problem, SpinnConvertError, install

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

P = ParamSpec("P")
T = TypeVar("T")

LAUNCHERS = {
    "OMPI_COMM_WORLD_SIZE": ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"),
    "PMI_SIZE": ("PMI_RANK", "MPI_LOCALNRANKS"),
    "SLURM_STEP_NUM_TASKS": ("SLURM_PROCID", "SLURM_STEP_TASKS_PER_NODE"),
}
"""Variables by which Open MPI, MPICH (and Intel MPI), and srun say how many processes there are;
which one this is, and how many are on this machine."""
NAP = 0.01
"""Seconds between two looks for work: MPI itself waits at full speed, on a core of the others."""
PATIENCE = 3.0
"""Seconds that rank 0 has to end all after the failure of another rank, before that does it."""
FAILED = 1
"""Tag of the message that says so."""
FAILURE = 2
"""Exit code, if it is not rank 0 that ends all."""


@dataclass
class _State:
    """Whether this process leads others, and whether it is in the middle of common work."""

    leading: bool = False
    busy: bool = False


@dataclass(frozen=True)
class _Task:
    function: Callable[..., Any]
    args: tuple[Any, ...]
    shared: bool


@dataclass(frozen=True)
class _End:
    """The end of `led`: what rank 0 has found, or raises."""

    found: Any = None
    error: BaseException | None = None


_state = _State()


def launched() -> int:
    """Return of how many processes a launcher says that this is one; 0 without a launcher."""
    return max(int(os.environ.get(name) or 0) for name in LAUNCHERS)


def speaks() -> bool:
    """Return whether this is the process that says what is wrong with all; asks no MPI."""
    told = (os.environ.get(rank) for size, (rank, _) in LAUNCHERS.items() if size in os.environ)
    return not any(int(rank or 0) for rank in told)


def on_this_machine() -> int:
    """Return how many of the processes are on this machine, as the launcher says; 1 without."""
    told = [os.environ.get(here) for size, (_, here) in LAUNCHERS.items() if size in os.environ]
    numbers = [re.match(r"\d+", text or "") for text in told]
    return max([1, *(int(number[0]) for number in numbers if number)])


def count() -> int:
    """Return on how many ranks `together` would work: on one, in the middle of common work."""
    comm = None if _state.busy else _comm()
    return 1 if comm is None else int(comm.Get_size())


@cache
def _comm() -> Any:
    """Return mpi4py's communicator, None without a launcher.

    Raises BackendError where mpi4py is missing, or made for another MPI than the launcher's.
    """
    expected = launched()
    if not expected:
        return None
    where = f"mpirun, {expected} ranks"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of another MPI, which is refused below
            from mpi4py import MPI
        from mpi4py.util import pkl5
    except (ImportError, RuntimeError) as error:
        what, fix = f"mpi4py cannot be imported ({error})", install("mpi")
        raise BackendError([Problem(where, what, f"{fix}; see docs/scaling.md")]) from error
    found = MPI.COMM_WORLD.Get_size()
    if found != expected:
        library = " ".join(re.split(r"[,\n]", MPI.Get_library_version())[0].strip("\0").split())
        what = f"mpi4py sees {found}: it uses another MPI than this mpirun, {library}"
        fix = (
            "with the mpicc of this mpirun first in PATH: pip install --force-reinstall"
            " --no-cache-dir --no-binary mpi4py mpi4py; see docs/scaling.md"
        )
        raise BackendError([Problem(where, what, fix)])
    return pkl5.Intracomm(MPI.COMM_WORLD)


def join() -> None:
    """Start MPI in a process that a launcher has started; raises BackendError as `_comm` does."""
    _comm()


def led(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return on every rank what the call returns on rank 0, whom the others help meanwhile.

    All ranks must call it; what rank 0 raises is raised on all.
    """
    comm = None if _state.leading or _state.busy else _comm()
    if comm is None:
        return function(*args, **kwargs)
    if comm.Get_rank():
        with _deaf():
            return _help(comm)  # type: ignore[no-any-return]
    end = _End()
    _state.leading = True
    try:
        end = _End(function(*args, **kwargs))
        return end.found  # type: ignore[no-any-return]
    except BaseException as error:
        end = _End(error=error)
        raise
    finally:
        _state.leading = False
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        if _state.busy:
            _end_all(comm, end)
        _call(comm, end)


def by_first(function: Callable[P, T]) -> Callable[P, T]:
    """Return the function as `led` calls it."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return led(function, *args, **kwargs)

    return call


def together(
    function: Callable[..., T],
    *args: Any,
    each: Sequence[Any] | None = None,
    progress: Callable[[int, int], None],
) -> list[T]:
    """Call function(*args, each[rank], progress) on every rank; return the results by rank.

    each: left out if None. progress: called with (done, total) on rank 0 alone; may raise. Raises
    on rank 0 what any rank raises; all that is left to do then is to end.
    """
    comm = None if _state.busy else _comm()
    if comm is None:
        return [function(*args, *(each or ())[:1], progress)]
    if not _state.leading:
        return led(together, function, *args, each=each, progress=progress)

    last = 0, 1

    def checked(done: int, total: int) -> None:
        nonlocal last
        last = done, total
        _raise_failure(comm)
        progress(done, total)

    _call(comm, _Task(function, args, each is not None))
    own = () if each is None else (comm.scatter(each),)
    _state.busy = True
    found = function(*args, *own, checked)
    _wait(comm, lambda: checked(*last))
    results = comm.gather(found)
    _state.busy = False
    return list(results)


def from_first(make: Callable[[], T]) -> T:
    """Return on every rank, in the middle of common work, what rank 0 makes."""
    comm = _comm()
    if comm is None:
        return make()
    return comm.bcast(None if comm.Get_rank() else make())  # type: ignore[no-any-return]


def summed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return on every rank, in the middle of common work, the sum of all ranks' arrays."""
    comm = _comm()
    if comm is None:
        return values
    total = values.copy()
    comm.Allreduce(values, total)
    return total


def _call(comm: Any, message: _Task | _End) -> None:
    """Wake the others, and tell them what to do."""
    _wait(comm, lambda: None)
    comm.bcast(message)


def _wait(comm: Any, awake: Callable[[], None]) -> None:
    """Sleep until all ranks are here; `awake` is called now and then, and may raise."""
    waiting = comm.Ibarrier()
    while not waiting.Test():
        time.sleep(NAP)
        awake()


def _help(comm: Any) -> Any:
    """Work as rank 0 says, until its end, which is returned or raised."""
    while True:
        _wait(comm, lambda: None)
        message = comm.bcast(None)
        if isinstance(message, _End):
            if message.error is not None:
                raise message.error
            return message.found
        own = (comm.scatter(None),) if message.shared else ()
        _state.busy = True
        try:
            found = message.function(*message.args, *own, lambda done, total: None)
        except BaseException as error:
            _fail(comm, error)
        _state.busy = False
        _wait(comm, lambda: None)
        comm.gather(found)


def _fail(comm: Any, error: BaseException) -> None:
    """Tell rank 0, which ends all; end all where it does not, as it waits for this rank."""
    where = f"rank {comm.Get_rank()} on {socket.gethostname()}"
    if not isinstance(error, SpinnConvertError):
        fix = "start more ranks, or on larger machines" if isinstance(error, MemoryError) else ""
        what = "out of memory" if isinstance(error, MemoryError) else type(error).__name__
        said = f"{what}: {error}" if str(error) else what
        error = BackendError([Problem(where, said, fix)])
    telling = comm.isend(error, 0, FAILED)
    begun = time.monotonic()
    while time.monotonic() - begun < PATIENCE:
        telling.test()
        time.sleep(NAP)
    print(f"error: {error}", file=sys.stderr, flush=True)  # noqa: T201  rank 0 cannot say it
    comm.Abort(FAILURE)


def _raise_failure(comm: Any) -> None:
    """Raise the error of another rank, if one has failed."""
    if comm.iprobe(tag=FAILED):
        raise comm.recv(tag=FAILED)


def _end_all(comm: Any, end: _End) -> None:
    """End all ranks, with rank 0's exit code or error."""
    code = end.found if isinstance(end.found, int) else FAILURE
    if end.error is not None:
        traceback.print_exception(end.error)
        sys.stderr.flush()
    comm.Abort(code)


@contextmanager
def _deaf() -> Iterator[None]:
    """Leave Ctrl-C to rank 0."""
    usual = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
