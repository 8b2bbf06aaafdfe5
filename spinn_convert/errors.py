"""Every error that spinn_convert raises on purpose.

SpinnConvertError
├── ModelError(ValueError)        the ONNX file is missing, broken, or has no spiking form
├── ConversionError(ValueError)   settings or calibration images do not give a correct network
├── DataError(ValueError)         images, labels, or an output folder cannot be used
└── BackendError(RuntimeError)    a simulator is missing, or cannot run this network
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where it is, what it is, and what the user can do."""

    where: str
    what: str
    fix: str = ""

    def __str__(self) -> str:
        said = f"{printable(self.where)}: {printable(self.what)}"
        return said + (f"\n  -> {printable(self.fix)}" if self.fix else "")


class SpinnConvertError(Exception):
    """Base of all; `problems` (tuple of Problem) lists everything found, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)

    def __reduce__(self) -> tuple[type[SpinnConvertError], tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)


class ModelError(SpinnConvertError, ValueError):
    """The ONNX file is missing, broken, or holds what has no spiking form."""


class ConversionError(SpinnConvertError, ValueError):
    """The network cannot be converted with these settings or this calibration set."""


class DataError(SpinnConvertError, ValueError):
    """Images, labels or an output directory cannot be used."""


class BackendError(SpinnConvertError, RuntimeError):
    """A backend is not installed, or cannot run this network on this machine."""


def install(extra: str) -> str:
    """Return the command that installs an extra of setup.cfg, for a package that is on no index."""
    return f"in a checkout of spinn_convert: pip install '.[{extra}]'"


def printable(text: str) -> str:
    """Return text from a file in one line, what is not printable as its escape sequence."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
