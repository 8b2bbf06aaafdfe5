"""What the benchmarks share: claims and their limits, the example network, other processes."""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import spinn_convert as sc
from benchmarks import ROOT

EXAMPLE = ROOT / "examples" / "resnet18.onnx"
BOARDS = ROOT / "boards"
T = TypeVar("T")


@dataclass(frozen=True)
class Claim:
    """A figure that was measured, and the limit that it keeps. most: if the limit is the most."""

    what: str
    measured: float
    limit: float
    most: bool

    @property
    def holds(self) -> bool:
        """Whether the figure keeps its limit."""
        return self.measured <= self.limit if self.most else self.measured >= self.limit

    def __str__(self) -> str:
        relation = f"{'<=' if self.most else '>='} {self.limit:,.4g}"
        verdict = "ok" if self.holds else "FALLS SHORT"
        return f"{self.what}: {self.measured:,.4g} (claim: {relation}) {verdict}"


def at_most(what: str, measured: float, limit: float) -> Claim:
    """Return the claim that a figure is the limit or less."""
    return Claim(what, measured, limit, most=True)


def at_least(what: str, measured: float, limit: float) -> Claim:
    """Return the claim that a figure is the limit or more."""
    return Claim(what, measured, limit, most=False)


def settle(claims: Iterable[Claim]) -> int:
    """Print every claim as soon as it is measured; return the exit code, 1 if any falls short."""
    failed = False
    for claim in claims:
        print(claim, flush=True)
        failed |= not claim.holds
    return int(failed)


def parser_of(text: str | None) -> argparse.ArgumentParser:
    """Return a parser whose help is the text of a module."""
    return argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )


@dataclass(frozen=True, eq=False)
class Example:
    """The shipped ResNet-18 with its images, and its network."""

    model: sc.Model
    data: sc.Dataset
    network: sc.Network


def prepare(method: sc.Method | str = "default", threads: int = 2) -> Example:
    """Return the example, converted by a method or the name of one."""
    model = sc.load(EXAMPLE)
    data = sc.load_dataset(EXAMPLE.with_suffix(".npz"), model)
    return Example(model, data, sc.convert(model, data.calibration, method, threads))


def alone(function: Callable[..., T], *arguments: Any) -> T:
    """Return what a function returns in a process of its own; raise an error if that dies."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


@dataclass(frozen=True)
class Finished:
    """A command that has run.

    seconds: of all its threads together, which work beside it does not change. peak: of its memory,
    bytes. printed: on stdout.
    """

    seconds: float
    peak: int
    printed: str


def processor_seconds() -> float:
    """Return what the processes that this one started, and that have ended, took of the cores."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


RUNNER = """
import atexit, pathlib, runpy, sys
peak = pathlib.Path(sys.argv.pop(1))
atexit.register(lambda: peak.write_text(pathlib.Path("/proc/self/status").read_text()))
runpy.run_module("spinn_convert", run_name="__main__")
"""
"""Linux reports a child's peak as its parent's where that is larger; /proc does not."""


def command(*words: str | Path) -> Finished:
    """Run spinn-convert in a process of its own; its progress goes to stderr."""
    with tempfile.TemporaryDirectory() as folder:
        status = Path(folder) / "status"
        called = [sys.executable, "-c", RUNNER, str(status), *map(str, words)]
        started = processor_seconds()
        done = subprocess.run(called, stdout=subprocess.PIPE, text=True, check=True)
        seconds = processor_seconds() - started
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return Finished(seconds, int(lines["VmHWM"].split()[0]) * 1024, done.stdout)
