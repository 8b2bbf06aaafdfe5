"""Map a plan with sPyNNaker and run image after image, on a real board or on the emulated one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from spinn_convert.backends.board.drive import Drive
from spinn_convert.backends.board.planned import AnyPlan
from spinn_convert.backends.pynn import TIME_STEP_MS
from spinn_convert.backends.spinnaker import build as spinnaker_build
from spinn_convert.backends.spinnaker import losses as spinnaker_losses
from spinn_convert.backends.spinnaker.build import (
    SILENT_TICKS,
    build_plan,
    record_all,
    set_constant_drives,
    set_drives,
    silence,
    ticks,
)
from spinn_convert.backends.spinnaker.failures import explained
from spinn_convert.backends.spinnaker.fastlist import fast_rows
from spinn_convert.backends.spinnaker.home import spinnaker_home
from spinn_convert.backends.spinnaker.kernels.channels import Where, merged, places
from spinn_convert.backends.spinnaker.kernels.layers import Connectors, chosen, holds_late_input
from spinn_convert.backends.spinnaker.losses import Losses
from spinn_convert.backends.spinnaker.machine import Machine
from spinn_convert.backends.spinnaker.software import served
from spinn_convert.errors import BackendError, Problem

NAME = "spinnaker"
PROVENANCE: Mapping[str, str] = {
    "read_placements_provenance_data": "True",
    "read_router_provenance_data": "True",
    "write_provenance": "True",
}
"""Options of [Reports] that make sPyNNaker read its counters and write them to its database, which
by default it does in debugging modes only."""

OnStep = Callable[[int], None]
"""Called with the number of steps done."""


@dataclass(frozen=True, eq=False)
class Presented:
    """What was recorded for one image; T time steps of the board, the first being the network's.

    spikes: per spiking population, int64 (n, 2), rows (step, neuron), sorted. potentials: per
    readout, float64 (T, N), mV, before each step's update. losses: the counters of `losses` that
    are not 0 for this image, by population or "router".
    """

    spikes: Mapping[str, NDArray[np.int64]]
    potentials: Mapping[str, NDArray[np.float64]]
    losses: Losses


class Session:
    """A plan that is built once, and mapped by its first run. sPyNNaker keeps state, so this does.

    ticks: time steps per image, see `build.ticks`. split: names of the layers built with kernels.
    """

    def __init__(
        self,
        plan: AnyPlan,
        machine: Machine,
        steps: int,
        log: TextIO,
        split: frozenset[str] = frozenset(),
    ) -> None:
        """Set up an empty simulation; sPyNNaker's own messages go to `log`."""
        self._machine = machine
        self._before: Losses = {}
        self._plan, self.ticks, self._log, self.split = plan, ticks(steps), log, split
        self._presented = False
        self.populations: Mapping[str, Any] = {}
        self.places: dict[str, Where] = {}
        with self._calling():
            import pyNN.spiNNaker as sim

            self._sim = sim
            sim.setup(timestep=TIME_STEP_MS)

    def build(self) -> None:
        """Create all populations and projections, and say what to record."""
        with self._calling():
            self.populations = build_plan(self._sim, self._plan, self.split).populations
            record_all(self.populations, self._plan)
            self.places = places(self.populations)

    def go(self) -> None:
        """Run with the current parameters; the first time, map and load the network before."""
        with self._calling():
            self._sim.run(self.ticks)

    def present(self, drives: Mapping[str, Drive], on_step: OnStep) -> Presented:
        """Run an image, independently of those before, and return what was recorded.

        drives: constant currents by population. Raises BackendError for whatever sPyNNaker or the
        board raises.
        """
        with self._calling():
            if self._presented:
                self._sim.reset()
                if holds_late_input(self._plan, self.split):
                    self._drain()
            set_drives(self.populations, self._plan, drives)
        again, self._presented = self._presented, True
        return self._execute(again, on_step)

    def _drain(self) -> None:
        """Run without spikes, then reset again: a reset keeps delayed input on cores with kernels.

        See `kernels.layers.holds_late_input`.
        """
        silence(self.populations)
        self._run_silent()
        self._sim.reset()
        set_constant_drives(self.populations, self._plan)

    def _run_silent(self) -> None:
        self._sim.run(SILENT_TICKS)

    def _execute(self, again: bool, on_step: OnStep) -> Presented:
        raise NotImplementedError

    def end(self) -> None:
        """End the simulation, which releases the board."""
        with self._calling():
            self._sim.end()

    @contextmanager
    def _calling(self) -> Iterator[None]:
        """Call sPyNNaker with its output in the log; turn its exceptions into BackendError."""
        try:
            with redirect_stdout(self._log), redirect_stderr(self._log):
                yield
        except BackendError:
            raise
        except Exception as error:  # of six packages, without a common base
            raise BackendError([explained(error, self._machine)]) from error


class RealSession(Session):
    """Runs on the machine that the configuration names."""

    def _execute(self, again: bool, on_step: OnStep) -> Presented:
        self.go()
        on_step(self.ticks)
        with self._calling():
            spikes, potentials = {}, {}
            for board in self._plan.populations:
                if board.kind == "readout":
                    potentials[board.name] = self._potentials(board.name)
                else:
                    spikes[board.name] = self._spikes(board.name)
            totals = spinnaker_losses.read(self._plan, self.places)
        lost, self._before = spinnaker_losses.since(totals, self._before), totals
        return Presented(spikes, potentials, lost)

    def _spikes(self, name: str) -> NDArray[np.int64]:
        """Return rows (step, neuron); sPyNNaker gives (neuron, ms)."""
        rows = self.populations[name].spinnaker_get_data("spikes").reshape(-1, 2)
        found = np.stack([np.rint(rows[:, 1] / TIME_STEP_MS), rows[:, 0]], axis=1)
        found = found.astype(np.int64)
        return found[np.lexsort((found[:, 1], found[:, 0]))]

    def _potentials(self, name: str) -> NDArray[np.float64]:
        population = self.populations[name]
        found = np.asarray(population.spinnaker_get_data("v", as_matrix=True), np.float64)
        expected = self.ticks, population.size
        if found.shape != expected or not np.isfinite(found).all():
            what = f"{name} returned potentials of shape {found.shape}, not {expected}, or NaN"
            raise BackendError([Problem(NAME, what, "run again: data were lost on the network")])
        return found


class EmulatedSession(Session):
    """Maps on a virtual board, and executes the binaries with the data that a board would get."""

    def __init__(
        self,
        plan: AnyPlan,
        machine: Machine,
        steps: int,
        log: TextIO,
        split: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(plan, machine, steps, log, split)
        self._image: Any = None
        self._board: Any = None

    def _run_silent(self) -> None:
        from spinn_convert.emulator.snapshot import after_reset

        image = after_reset(self._image)
        super()._run_silent()
        self._board.reload(image)
        self._board.run(SILENT_TICKS)

    def _execute(self, again: bool, on_step: OnStep) -> Presented:
        from spinn_convert.emulator.board import Board
        from spinn_convert.emulator.snapshot import after_reset, snapshot

        if again:
            with self._calling():
                image = after_reset(self._image)
            self.go()
            self._board.reload(image)
        else:
            self.go()
            with self._calling():
                image = snapshot(self.ticks)
            self._board = Board(image)
        self._image = image
        result = self._board.run(self.ticks, lambda step: on_step(min(step + 1, self.ticks)))
        totals = spinnaker_losses.of_emulated(image, result, self.places)
        lost, self._before = spinnaker_losses.since(totals, self._before), totals
        return Presented(merged(result.spikes, self.places), result.potentials, lost)


@contextmanager
def opened(
    plan: AnyPlan,
    machine: Machine,
    steps: int,
    directory: Path,
    connectors: Connectors = "lists",
) -> Iterator[RealSession | EmulatedSession]:
    """Yield a session of this kind of machine, built; sPyNNaker's files go below `directory`."""
    split = chosen(plan, connectors, spinnaker_build.NEURONS_PER_CORE, ticks(steps))
    kind = EmulatedSession if machine.on_host else RealSession
    logging = {"instantiate": "False", **machine.config.get("Logging", {})}
    reports = {**PROVENANCE, **machine.config.get("Reports", {})}
    directory.mkdir(parents=True, exist_ok=True)
    log = (directory / "spynnaker.log").open("w")
    with log, served(machine) as there:
        config = {**there.config, "Logging": logging, "Reports": reports}
        with spinnaker_home(directory, config), fast_rows():
            session = kind(plan, there, steps, log, split)
            try:
                session.build()
                yield session
            except BaseException:
                with suppress(BackendError):  # the first error tells more
                    session.end()
                raise
            session.end()
