"""The simulators. A backend is a module with two functions:

check(network, settings) -> list[Problem]       what keeps it from running; builds nothing
run(network, stimulus, settings, progress) -> Recording
"""

from __future__ import annotations

from importlib import import_module
from typing import Protocol, cast

from spinn_convert.errors import BackendError, Problem
from spinn_convert.network.recording import Progress, Recording, Settings, Stimulus
from spinn_convert.network.records import Network

NAMES = ("reference", "nest", "spinnaker")


class Backend(Protocol):
    """What a backend module offers. DEFAULT_IMAGES: how many it presents in a minute or so."""

    DEFAULT_IMAGES: int | None

    def check(self, network: Network, settings: Settings) -> list[Problem]:
        """Return what keeps this network from running here."""

    def run(
        self, network: Network, stimulus: Stimulus, settings: Settings, progress: Progress
    ) -> Recording:
        """Simulate all images."""


MODULES = {
    ("reference", "float", "subtract"): "reference.backend",
    ("reference", "float", "zero"): "reference.backend",
    ("reference", "spinnaker", "subtract"): "board.arithmetic",
    ("reference", "spinnaker", "zero"): "board.delta_arithmetic",
    ("nest", "float", "subtract"): "nest.backend",
    ("nest", "float", "zero"): "nest.backend",
    ("spinnaker", "float", "subtract"): "spinnaker.backend",
    ("spinnaker", "float", "zero"): "spinnaker.delta",
}
"""By name, arithmetic and reset. Simulators have numbers of their own: there, "float" says no more
than that none were asked for."""


def find(name: str, arithmetic: str = "float", reset: str = "subtract") -> Backend:
    """Return the backend of this name; raises BackendError when there is none."""
    if name not in NAMES:
        raise BackendError(
            [Problem(f"backend {name}", "unknown", f"choose from {', '.join(NAMES)}")]
        )
    module = MODULES.get((name, arithmetic, reset))
    if module is None:
        what = f"has its own numbers; --arithmetic {arithmetic} is for the reference"
        fix = "use --backend reference with --arithmetic spinnaker"
        raise BackendError([Problem(f"backend {name}", what, fix)])
    return cast(Backend, import_module(f"spinn_convert.backends.{module}"))
