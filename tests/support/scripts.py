"""Exported scripts, run as a user runs them."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr

import numpy as np


def run_script(folder, tmp_path, *arguments):
    """Run it where spinn_convert cannot be imported."""
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked" / "spinn_convert.py").write_text("raise ImportError('not here')\n")
    return subprocess.run(
        [sys.executable, str(folder / "run.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "blocked")},
    )


def imported(path):
    """Return a script as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def on_emulated_board(folder, image, tmp_path):
    """Run a script's populations by the shipped binaries in software.

    Returns the script, its header and data, and the potentials by population.
    """
    from spinn_convert.backends.spinnaker.home import spinnaker_home
    from spinn_convert.emulator.board import Board
    from spinn_convert.emulator.snapshot import snapshot

    script = imported(folder / "run.py")
    data = dict(np.load(folder / "data.npz"))
    header = json.loads(data["header"].tobytes())
    with spinnaker_home(tmp_path / "home"), redirect_stderr(io.StringIO()):
        import pyNN.spiNNaker as sim

        sim.setup(timestep=1.0)
        populations = script.build(sim, header, data)
        script.set_image(populations, header, data, image)
        sim.run(header["ticks"])
        board = Board(snapshot(header["ticks"]))
        sim.end()
    return script, header, data, board.run(header["ticks"], lambda step: None).potentials
