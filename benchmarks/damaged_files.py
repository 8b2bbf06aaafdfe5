"""Claim: a damaged ONNX file never gives a traceback, a crash, a hang, or more than 2 GB.

    PYTHONPATH=. python benchmarks/damaged_files.py --count 600

Every file is inspected in a child process of its own, forked after the imports, with limits of
time and address space; the peak RSS includes what the imports take.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from rich.console import Console
from support.damage import damaged

from spinn_convert.cli import tables as cli_tables
from spinn_convert.conversion import steps as conversion
from spinn_convert.errors import SpinnConvertError

HARD_LIMIT = 12 * 2**30
"""Bytes of address space: protects the machine, is no part of the claim."""
SIGNALS = {signal.SIGALRM: "hang"}


@dataclass(frozen=True)
class Outcome:
    """What became of one file: "read", "refused", "traceback", "crash" or "hang"."""

    name: str
    kind: str
    text: str
    seconds: float
    peak: float


def inspected(path: Path) -> tuple[str, str]:
    """Return kind and text of an outcome, as the command line would have it."""
    try:
        network, real = conversion.inspect(path, None)
        Console(file=io.StringIO()).print(cli_tables.population_table(network, real))
    except SpinnConvertError as error:
        return "refused", str(error)
    except BaseException:
        return "traceback", traceback.format_exc()
    return "read", ", ".join(population.name for population in network.populations)


def in_child(name: str, path: Path, seconds: int) -> Outcome:
    """Inspect a file in a forked process; peak is in GB."""
    started = time.perf_counter()
    answer, report = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(seconds)
        resource.setrlimit(resource.RLIMIT_AS, (HARD_LIMIT, HARD_LIMIT))
        kind, text = inspected(path)
        with os.fdopen(report, "w", errors="replace") as stream:
            stream.write(f"{kind}\n{text}"[:60_000])
        os._exit(0)
    os.close(report)
    with os.fdopen(answer, errors="replace") as stream:
        kind, _, text = stream.read().partition("\n")
    _, status, usage = os.wait4(child, 0)
    if os.WIFSIGNALED(status):
        kind, text = SIGNALS.get(os.WTERMSIG(status), "crash"), f"signal {os.WTERMSIG(status)}"
    peak = usage.ru_maxrss / 2**20
    return Outcome(name, kind, text, time.perf_counter() - started, peak)


def main() -> None:
    """Inspect all files and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=int, default=20, help="limit per file")
    parser.add_argument("--only", default="", help="files whose name contains this")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    outcomes = []
    with tempfile.TemporaryDirectory() as folder:
        inside = Path(folder) / "models"
        inside.mkdir()
        (inside / "weights.bin").write_bytes(bytes(4096))
        (Path(folder) / "outside.bin").write_bytes(bytes(4096))
        path = inside / "damaged.onnx"
        for name, content in damaged(arguments.count, arguments.seed):
            if arguments.only not in name:
                continue
            path.write_bytes(content)
            outcome = in_child(name, path, arguments.seconds)
            outcomes.append(outcome)
            if arguments.verbose:
                print(f"{name}: {outcome.kind} {outcome.seconds:.1f} s {outcome.peak:.2f} GB")
                print("   ", outcome.text.replace("\n", "\n    ")[-2000:], flush=True)
    counts = Counter(outcome.kind for outcome in outcomes)
    for outcome in outcomes:
        if outcome.kind not in ("read", "refused") or outcome.peak > 2:
            print(f"{outcome.name}: {outcome.kind}, {outcome.peak:.2f} GB: {outcome.text[-300:]}")
    print(f"files {len(outcomes)}, refused with a message {counts['refused']}", end=", ")
    print(", ".join(f"{kind} {counts[kind]}" for kind in ("read", "traceback", "crash", "hang")))
    print(f"slowest {max(outcome.seconds for outcome in outcomes):.1f} s", end=", ")
    print(f"peak RSS {max(outcome.peak for outcome in outcomes):.2f} GB")


if __name__ == "__main__":
    main()
