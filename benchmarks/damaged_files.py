"""Claim: a damaged ONNX file never gives a traceback, a crash, a hang, or more than 2 GB.

    python -m benchmarks.damaged_files --count 600

Every file is inspected in a child process of its own, forked after the imports, with limits of
time and address space; the peak of its memory includes what the imports take.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from support.damage import damaged

from benchmarks.common import Claim, at_most, parser_of, settle
from spinn_convert.errors import SpinnConvertError
from spinn_convert.jobs import inspect
from spinn_convert.jobs.prepare import Source
from spinn_convert.network.summary import text

HARD_LIMIT = 12 * 2**30
"""Bytes of address space: protects the machine, is no part of the claim."""
SIGNALS: dict[int, str] = {signal.SIGALRM: "hang"}
BAD = ("traceback", "crash", "hang")


@dataclass(frozen=True)
class Outcome:
    """What became of one file: "read", "refused", or one of BAD; seconds, and GB at the peak."""

    name: str
    kind: str
    text: str
    seconds: float
    peak: float


def inspected(path: Path) -> tuple[str, str]:
    """Return kind and text of an outcome, as the command line would have it."""
    try:
        return "read", text(inspect.execute(Source(path)).network)
    except SpinnConvertError as error:
        return "refused", str(error)
    except BaseException:
        return "traceback", traceback.format_exc()


def in_child(name: str, path: Path, seconds: int) -> Outcome:
    """Inspect a file in a forked process."""
    started = time.perf_counter()
    answer, report = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(seconds)
        resource.setrlimit(resource.RLIMIT_AS, (HARD_LIMIT, HARD_LIMIT))
        kind, said = inspected(path)
        with os.fdopen(report, "w", errors="replace") as stream:
            stream.write(f"{kind}\n{said}"[:60_000])
        os._exit(0)
    os.close(report)
    with os.fdopen(answer, errors="replace") as stream:
        kind, _, said = stream.read().partition("\n")
    _, status, usage = os.wait4(child, 0)
    if os.WIFSIGNALED(status):
        kind, said = SIGNALS.get(os.WTERMSIG(status), "crash"), f"signal {os.WTERMSIG(status)}"
    peak = usage.ru_maxrss * 1024 / 1e9
    return Outcome(name, kind, said, time.perf_counter() - started, peak)


def outcomes(arguments: argparse.Namespace) -> Iterator[Outcome]:
    """Yield what becomes of each file."""
    with tempfile.TemporaryDirectory() as folder:
        inside = Path(folder) / "models"
        inside.mkdir()
        for place in (inside / "weights.bin", Path(folder) / "outside.bin"):
            place.write_bytes(bytes(4096))
        path = inside / "damaged.onnx"
        for name, content in damaged(arguments.count, arguments.seed):
            if arguments.only in name:
                path.write_bytes(content)
                yield in_child(name, path, arguments.seconds)


def claims(arguments: argparse.Namespace) -> Iterator[Claim]:
    """Inspect all files."""
    found = []
    for outcome in outcomes(arguments):
        found.append(outcome)
        if arguments.verbose or outcome.kind in BAD or outcome.peak > 2:
            print(f"{outcome.name}: {outcome.kind} {outcome.seconds:.1f} s {outcome.peak:.2f} GB")
            print("   ", outcome.text.replace("\n", "\n    ")[-2000:], flush=True)
    counts = Counter(outcome.kind for outcome in found)
    print(
        f"of {len(found)} files {counts['refused']} refused with a message, {counts['read']} read"
    )
    for kind in BAD:
        yield at_most(f"files that gave a {kind}", counts[kind], 0)
    slowest = max((outcome.seconds for outcome in found), default=0)
    yield at_most("seconds, the slowest file", slowest, arguments.seconds)
    yield at_most("GB, the largest peak", max((outcome.peak for outcome in found), default=0), 2)


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    parser = parser_of(__doc__)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=int, default=20, help="limit per file")
    parser.add_argument("--only", default="", help="files whose name contains this")
    parser.add_argument("--verbose", action="store_true")
    return settle(claims(parser.parse_args(words)))


if __name__ == "__main__":
    sys.exit(main())
