"""Stock sPyNNaker, in a process of its own that imports nothing of ours, on a SpiNN-3."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("unicorn")
pytest.importorskip("spynnaker")

import spinn_convert as sc

pytestmark = pytest.mark.spinnaker
HERE = Path(__file__).parent


def run(script, home, address):
    """Run a script with a configuration file of three lines, and time for a busy computer."""
    lines = "[Machine]", f"machine_name = {address}", "version = 3"
    patience = "post_simulation_overrun_before_error = 300"
    (home / "xdg").mkdir()
    (home / ".spynnaker.cfg").write_text("\n".join([*lines, patience]) + "\n")
    places = dict.fromkeys(("XDG_CONFIG_HOME", "XDG_CONFIG_DIRS"), str(home / "xdg"))
    environment = {**os.environ, **places, "HOME": str(home)}
    environment.pop("PYTHONPATH", None)
    command = [sys.executable, str(HERE / script)]
    return subprocess.run(
        command, cwd=home, env=environment, timeout=280, capture_output=True, text=True
    )


def integrate(offset, arriving):
    """Return spikes and potentials of IF_curr_exp with PyNN's default parameters, in doubles.

    offset: (N,) nA. arriving: (T, N), sum of the weights that arrive in each step, nA. The exact
    solution of the membrane for an input that is constant during a step; an input of weight w adds
    w tau (1 - exp(-dt / tau)) / dt, its mean over the step (spynnaker's synapse_type_exponential).
    """
    steps, n = arriving.shape
    v, current, refractory = np.full(n, -65.0), np.zeros(n), np.zeros(n, int)
    membrane, synapse, resistance = np.exp(-1 / 20), np.exp(-1 / 5), 20.0
    spikes, potentials = [[] for _ in range(n)], np.empty((steps, n))
    for t in range(steps):
        current = current + arriving[t] * 5 * (1 - synapse)
        potentials[t] = v
        goal = (current + offset) * resistance - 65
        free = refractory <= 0
        v = np.where(free, goal - membrane * (goal - v), v)
        refractory = np.where(free, refractory, refractory - 1)
        fired = free & (v >= -50)
        for neuron in np.flatnonzero(fired):
            spikes[neuron].append(float(t))
        v, refractory = np.where(fired, -65.0, v), np.where(fired, 1, refractory)
        current = current * synapse
    return spikes, potentials


def assert_is(found, offset, arriving):
    spikes, potentials = integrate(offset, arriving)
    assert sum(map(len, spikes)) > 10
    assert found[0] == spikes
    assert np.abs(np.array(found[1]) - potentials).max() < 0.005  # numbers of 2^-15


@pytest.mark.slow
@pytest.mark.parametrize("lose", [0.0, 0.01])
def test_a_stock_script_gives_the_spikes_of_its_equations(tmp_path, lose):
    with sc.software_board(version=3, lose=lose) as address:
        done = run("stock.py", tmp_path, address)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.split("FOUND")[1])
    arriving = np.zeros((50, 10))
    for source, times in enumerate([[5, 20, 35], [10, 12, 14]]):
        for time in times:  # delay 1: acts in the next step
            arriving[time + 1, source::2] += 1.0 + np.arange(source, 10, 2)
    assert_is(found["cells"], np.zeros(10), arriving)
    assert_is(found["driven"], 0.2 * np.arange(10), np.zeros((50, 10)))


@pytest.mark.slow
def test_cores_that_need_timer_2_are_refused_by_name(tmp_path, capfd):
    with sc.software_board(version=3) as address:
        done = run("split.py", tmp_path, address)
    assert done.returncode != 0
    assert "needs the interrupt of timer 2" in done.stdout + done.stderr
    said = capfd.readouterr().err
    assert "(synapses): needs the interrupt of timer 2" in said
    assert "leave out splitters" in said
