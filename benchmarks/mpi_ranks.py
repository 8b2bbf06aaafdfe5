"""Claims about ranks: the results of one process, less memory for each, and ranks beside threads.

    python -m benchmarks.mpi_ranks

Needs mpirun, mpi4py and a NEST with MPI (docs/scaling.md); SPINN_CONVERT_NEST_MPI names the folder
that .ci/nest-mpi prints, if that NEST is not the installed one. The example is simulated on NEST by
1, 2 and 4 ranks of one thread, and by one process of two; network.npz, report.json (but for its
times) and recordings are the same. The largest rank takes <= 0.6x the memory of one process on 2
ranks and <= 0.35x on 4. Two ranks build and simulate in <= 0.85x the
time of two threads. On the reference, 2 ranks take <= 1.1x the time of 2 threads for 1,000 images.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import ROOT
from benchmarks.common import EXAMPLE, Claim, at_most, parser_of, settle

NEST = "SPINN_CONVERT_NEST_MPI"
RANK = """
import atexit, os, pathlib, runpy, sys
peak = pathlib.Path(sys.argv.pop(1)) / os.environ.get("OMPI_COMM_WORLD_RANK", "0")
atexit.register(lambda: peak.write_text(pathlib.Path("/proc/self/status").read_text()))
runpy.run_module("spinn_convert", run_name="__main__")
"""
"""spinn-convert, whose every rank writes at its end what memory it took."""


@dataclass(frozen=True)
class Ran:
    """What a run wrote, and the peak memory of its ranks, bytes."""

    folder: Path
    report: Mapping[str, Any]
    peaks: tuple[int, ...]

    @property
    def seconds(self) -> float:
        """Return what building and simulating took."""
        return float(self.report["timing"]["build"] + self.report["timing"]["simulate"])


def ran(folder: Path, ranks: int, threads: int, words: Sequence[object], nest: bool = True) -> Ran:
    """Convert the network of a folder on some ranks; 0: without mpirun."""
    out, peaks = folder / f"{ranks} x {threads}", folder / f"peaks {ranks} x {threads}"
    peaks.mkdir()
    paths = [os.environ.get(NEST, "")] if nest else []
    variables = {
        "PYTHONPATH": os.pathsep.join(filter(None, [*paths, str(ROOT)])),
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    }
    launcher = ["mpirun", "--oversubscribe", "-n", str(ranks)] if ranks else []
    told = [*words, "--threads", threads, "--out", out]
    command = [*launcher, sys.executable, "-W", "ignore", "-c", RANK, peaks, *told]
    subprocess.run(
        list(map(str, command)),
        env={**os.environ, **variables},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    lines = [dict(row.split(":", 1) for row in p.read_text().splitlines()) for p in ranked(peaks)]
    report = json.loads((out / "report.json").read_text())
    return Ran(out, report, tuple(int(line["VmHWM"].split()[0]) * 1024 for line in lines))


def ranked(folder: Path) -> list[Path]:
    """Return the files of a folder by their numbers."""
    return sorted(folder.iterdir(), key=lambda path: int(path.name))


def differing(one: Ran, other: Ran) -> int:
    """Return how many arrays of the network, parts of the report, and recordings differ."""
    networks = [np.load(run.folder / "network.npz") for run in (one, other)]
    found = sum(not np.array_equal(networks[0][key], networks[1][key]) for key in networks[0])
    for key in set(one.report) - {"timing"}:
        parts = [dict(r.report[key]) if key == "settings" else r.report[key] for r in (one, other)]
        if key == "settings":
            parts = [{**part, "threads": None} for part in parts]
        found += parts[0] != parts[1]
    return found + sum(
        recorded(one.folder / name) != recorded(other.folder / name)
        for name in ("spikes.nix", "recording.nix")
        if (one.folder / name).is_file()
    )


def recorded(path: Path) -> list[bytes]:
    """Return all numbers of a recording."""
    import neo

    segments = neo.io.NixIO(str(path), "ro").read_block().segments
    return [
        np.asarray(data).tobytes()
        for segment in segments
        for data in (*segment.spiketrains, *segment.analogsignals, *segment.events)
    ]


def claims() -> Iterator[Claim]:
    """Measure NEST and the reference."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ran(folder, 0, 2, [EXAMPLE, "--images", 1], nest=False)
        network = folder / "0 x 2" / "network.npz"
        yield from on_nest(folder, [network, "--onnx", EXAMPLE, "--backend", "nest"])
    with tempfile.TemporaryDirectory() as name:
        yield from on_reference(Path(name), [EXAMPLE, "--images", 1000])


def on_nest(folder: Path, words: Sequence[object]) -> Iterator[Claim]:
    """Compare 1, 2 and 4 ranks, and two threads."""
    words = [*words, "--images", 2, "--record", "relu_16", "--record", "output"]
    alone = ran(folder, 0, 1, words)
    print(f"one process: {alone.seconds:.1f} s, {alone.peaks[0] / 1e9:.2f} GB")
    two_threads = ran(folder, 1, 2, words)
    print(f"one rank of two threads: {two_threads.seconds:.1f} s")
    for ranks, share in ((2, 0.6), (4, 0.35)):
        found = ran(folder, ranks, 1, words)
        peaks = ", ".join(f"{peak / 1e9:.2f}" for peak in found.peaks)
        print(f"{ranks} ranks: {found.seconds:.1f} s; {peaks} GB")
        yield at_most(f"differences on {ranks} ranks", differing(alone, found), 0)
        largest = max(found.peaks) / alone.peaks[0]
        yield at_most(f"memory of a rank of {ranks} beside one process", largest, share)
        if ranks == 2:
            beside = found.seconds / two_threads.seconds
            yield at_most("time of 2 ranks beside 2 threads, build and simulate", beside, 0.85)


def on_reference(folder: Path, words: Sequence[object]) -> Iterator[Claim]:
    """Compare two ranks with two threads."""
    threads, ranks = (ran(folder, *job, words, nest=False) for job in ((0, 2), (2, 1)))
    print(f"reference: two threads {threads.seconds:.1f} s, two ranks {ranks.seconds:.1f} s")
    yield at_most("differences on the reference", differing(threads, ranks), 0)
    yield at_most("time of 2 ranks beside 2 threads", ranks.seconds / threads.seconds, 1.1)


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    parser_of(__doc__).parse_args(words)
    return settle(claims())


if __name__ == "__main__":
    sys.exit(main())
