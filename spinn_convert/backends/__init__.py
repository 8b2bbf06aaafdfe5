"""The simulators. A backend is a module with two functions:

check(network, settings) -> list[Problem]       what keeps it from running; builds nothing
run(network, stimulus, settings, progress) -> Recording
"""

from __future__ import annotations

from importlib import import_module
from typing import Protocol, cast

from spinn_convert import ranks
from spinn_convert.errors import BackendError, Problem
from spinn_convert.network.recording import Progress, Recording, Settings, Stimulus
from spinn_convert.network.records import Network

MODULES = {
    "reference": "reference.backend",
    "nest": "nest.backend",
    "spinnaker": "spinnaker.backend",
    "spinnaker-integers": "board.backend",
}
NAMES = tuple(MODULES)
BOARDS = ("spinnaker", "spinnaker-integers")
"""Backends that compute in a board's fixed-point numbers."""


class Backend(Protocol):
    """What a backend module offers.

    DEFAULT_IMAGES: how many images to present if the user does not say, so that a run takes
    minutes; None for all.
    """

    DEFAULT_IMAGES: int | None

    def check(self, network: Network, settings: Settings) -> list[Problem]:
        """Return what keeps this network from running here."""

    def run(
        self, network: Network, stimulus: Stimulus, settings: Settings, progress: Progress
    ) -> Recording:
        """Simulate all images; raises BackendError when `check` finds a problem or it fails."""


def find(name: str) -> Backend:
    """Return the backend of this name; raises BackendError when there is none."""
    if name not in MODULES:
        raise BackendError(
            [Problem(f"backend {name}", "unknown", f"choose from {', '.join(NAMES)}")]
        )
    return cast(Backend, import_module(f"spinn_convert.backends.{MODULES[name]}"))


def check(name: str, network: Network, settings: Settings) -> list[Problem]:
    """Return what keeps a network from running on a backend, settings without effect included."""
    if name == "spinnaker" and ranks.launched() > 1:
        what, fix = "a board is driven by one process", "start it without mpirun"
        return [Problem(f"mpirun, {ranks.launched()} ranks", what, fix)]
    problems = find(name).check(network, settings)
    if name == "spinnaker":
        return problems
    fix = "use --backend spinnaker, or leave it out"
    for option, value in (("--board", settings.board), ("--connectors", settings.connectors)):
        if value is not None:
            problems.append(Problem(f"{option} {value}", f"has no effect on {name}", fix))
    return problems


def check_stop(name: str) -> None:
    """Raise BackendError for a backend that cannot end an image early."""
    if name in BOARDS:
        what = f"{name} presents all images for the same number of steps"
        raise BackendError([Problem("--stop-when-sure", what, "leave it out, or use nest")])
