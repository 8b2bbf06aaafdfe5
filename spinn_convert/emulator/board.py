"""Cores on several chips, advanced step by step: boot, run, next image on the same mapping."""

from __future__ import annotations

from collections.abc import Callable

from spinn_convert.emulator.core import Core
from spinn_convert.emulator.image import BoardImage, CoreImage
from spinn_convert.emulator.recording import BoardResult, collect
from spinn_convert.emulator.routing import Router
from spinn_convert.errors import BackendError, Problem

NAME = "emulated board"


def _ignore(step: int) -> None:
    """Report no progress."""


class Board:
    """Boots all cores of an image, which takes about 10 MB and 15 ms each.

    Raises BackendError when unicorn is missing, or when a core stops or is in an unexpected state.
    """

    def __init__(self, image: BoardImage) -> None:
        self._image = image
        self._router = Router(image)
        self._cores = {core.where: Core(core) for core in image.cores}
        self._step = 0
        self._steps_since_boot = 0

    def run(self, steps: int, on_step: Callable[[int], None] = _ignore) -> BoardResult:
        """Run time steps and return what they recorded.

        on_step: called with the number of each step when it is done. A further run goes on where
        the last one ended. Raises BackendError when the recordings have no room for that many
        steps.
        """
        if not 0 < steps <= self._image.steps:
            what = f"cannot run {steps} steps: the recordings have room for {self._image.steps}"
            raise BackendError([Problem(NAME, what, "take the snapshot for more steps")])
        first = self._step
        for core in self._cores.values():
            core.prepare(first, first + steps)
        for core in self._cores.values():
            core.release()
        for step in range(steps + 1):  # in the one after the last, the cores find that it is over
            self._tick()
            on_step(step)
        for core in self._cores.values():
            core.finish()
        self._step += steps
        self._steps_since_boot += steps
        return collect(self._image, list(self._cores.values()), first, steps)

    def _tick(self) -> None:
        """Let all cores do a step, then deliver packets until none is on its way."""
        for core in self._cores.values():
            core.tick()
        while self._deliver():
            pass

    def _deliver(self) -> bool:
        arriving: dict[Core, list[int]] = {}
        for (x, y, _), core in self._cores.items():
            for key in core.take_sent():
                for where in self._router.targets((x, y), key):
                    arriving.setdefault(self._cores[where], []).append(key)
        for core, keys in arriving.items():
            core.receive(keys)
        return bool(arriving)

    def reload(self, image: BoardImage) -> None:
        """Load new parameters for the same mapping, as sPyNNaker does for a run after a reset.

        Raises BackendError when the image differs in more than parameters, or when the next run
        would lose spikes: a reset does not set back the time step that binaries put into the keys
        of spikes (their colour), so the steps before must be a multiple of its period.
        """
        _check_same_mapping(self._image, image)
        bits = max((core.colour_bits for core in image.cores), default=0)
        if self._steps_since_boot % (1 << bits):
            what = f"a reset after {self._steps_since_boot} steps corrupts the next run"
            fix = f"run a multiple of {1 << bits} steps, or build with n_colour_bits=0"
            raise BackendError([Problem(NAME, what, fix)])
        for core in image.cores:
            for number in core.rewritten:
                self._cores[core.where].rewrite(number, core.regions[number].content)
        self._image, self._step = image, 0


def _check_same_mapping(old: BoardImage, new: BoardImage) -> None:
    same = old.steps == new.steps and [c.where for c in old.cores] == [c.where for c in new.cores]
    if not same:
        raise BackendError([Problem(NAME, "the next image has another mapping", "boot it afresh")])
    problems = [
        Problem(str(was), "its next image differs in more than parameters", "boot it afresh")
        for was, is_ in zip(old.cores, new.cores)
        if _fixed(was) != _fixed(is_)
    ]
    if problems:
        raise BackendError(problems)


def _fixed(core: CoreImage) -> tuple[object, ...]:
    """Return all data of a core that a reset does not change."""
    regions = {
        number: region.size if number in core.rewritten else region
        for number, region in core.regions.items()
    }
    return core.population, core.neurons, core.binary, regions
