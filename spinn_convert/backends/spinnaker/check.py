"""Find all problems that keep a network from running on SpiNNaker, before anything is mapped."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from math import ceil
from pathlib import Path

import psutil

from spinn_convert.backends.board import backend as board_backend
from spinn_convert.backends.board.planned import DELTA, INTEGRATOR, AnyPlan
from spinn_convert.backends.spinnaker.build import NEURONS_PER_CORE
from spinn_convert.backends.spinnaker.machine import (
    APPLICATION_CORES,
    CHIPS,
    IN_SOFTWARE,
    Machine,
    growing,
    read_machine,
)
from spinn_convert.errors import BackendError, Problem, install
from spinn_convert.network.recording import Settings
from spinn_convert.network.records import Network, synapse_counts

BINARIES = {INTEGRATOR: ("IF_curr_exp.aplx",), DELTA: ("IF_curr_delta.aplx",)}
"""What the cores execute, by cell type."""
KERNEL_BINARIES = ("IF_curr_exp_conv.aplx",)
"""What cores with kernels execute."""
SDRAM_PER_CHIP = 117 << 20
"""Bytes for applications (max_sdram_per_chip of spinn_machine's version_spin1.py)."""
BYTES_PER_EMULATED_CORE = 11_000_000
"""Measured: 4.75 GB for 430 cores."""
BYTES_PER_SYNAPSE, BYTES_PER_ROW = 4, 12
"""Bytes of SDRAM: a word per synapse, and three more words per row. There is a row for each source
neuron, receptor and target core."""


@dataclass(frozen=True)
class Need:
    """Lower bound of what a population takes: cores, and bytes of SDRAM for its synapses."""

    name: str
    cores: int
    sdram: int


def check(network: Network, settings: Settings, plan: AnyPlan | None = None) -> list[Problem]:
    """Return what keeps this network from running; maps nothing, and does not import sPyNNaker.

    settings.board: a configuration file; None for ~/.spynnaker.cfg. Without a plan, weights and
    biases of a calibrated network are checked against the board's range; sums of inputs are not.
    Any number of steps can be run: the board runs on to the next multiple of 16, at least one step
    longer, so 16 k - 1 steps waste least.
    """
    problems, machine = board_backend.check(network, settings), None
    cell = DELTA if network.reset == "constant" else INTEGRATOR
    kernels = settings.connectors not in (None, "lists")
    if kernels and cell == DELTA:
        what = f"{settings.connectors} has no effect: {cell} is built with lists alone"
        problems.append(Problem("--connectors", what, "leave it out, or reset=constant"))
    try:
        machine = read_machine(settings.board)
    except BackendError as error:
        problems += error.problems
    problems += missing_software(machine, cell, kernels)
    if plan is None and network.calibrated:
        problems += _plan_problems(network)
    if machine is not None:
        problems += size_problems(network, machine, cell) + memory_problems(network, machine)
    return problems


def _plan_problems(network: Network) -> list[Problem]:
    """Return the populations whose weights or biases exceed the board's range."""
    try:
        board_backend.rough_plan(network)
    except BackendError as error:
        return list(error.problems)
    return []


def missing_software(
    machine: Machine | None, cell: str = INTEGRATOR, kernels: bool = False
) -> list[Problem]:
    """Return what is not installed: sPyNNaker, its binaries, or unicorn for an emulated board."""
    fix = install("spinnaker")
    spec = find_spec("spynnaker")
    if spec is None or spec.origin is None:
        return [Problem("sPyNNaker", "is not installed", fix)]
    folder = Path(spec.origin).parent / "pyNN" / "model_binaries"
    problems = [
        Problem("sPyNNaker", f"{folder / name} is missing", f"{fix}, from a wheel: it has binaries")
        for name in BINARIES[cell] + KERNEL_BINARIES * kernels
        if not (folder / name).is_file()
    ]
    if machine is not None and machine.kind in IN_SOFTWARE and find_spec("unicorn") is None:
        emulator = install("emulator")
        problems.append(Problem(f"{machine.kind} board", "unicorn is not installed", emulator))
    return problems


def needs(network: Network, cell: str = INTEGRATOR) -> list[Need]:
    """Return the need of each population; a lower bound, since rows are padded to one length."""
    counts = synapse_counts(network)
    sizes = {p.name: p.size for p in network.populations}
    found, itself = [], cell == INTEGRATOR
    for population in (*network.spiking, *network.readouts):
        name, cores = population.name, ceil(population.size / NEURONS_PER_CORE)
        to_itself = population.size if itself and population.kind == "spiking" else 0
        sources = [p.source for p in network.synaptic() if p.target == name]
        rows = cores * (to_itself + sum(sizes[source] for source in sources))
        words = counts[name] + to_itself
        found.append(Need(name, cores, BYTES_PER_ROW * rows + BYTES_PER_SYNAPSE * words))
    return found


def size_problems(network: Network, machine: Machine, cell: str = INTEGRATOR) -> list[Problem]:
    """Return a problem when the machine has fewer boards than the network needs."""
    if machine.boards is None:
        return []
    found = needs(network, cell)
    cores, sdram = sum(need.cores for need in found), sum(need.sdram for need in found)
    per_board = APPLICATION_CORES[machine.version], CHIPS[machine.version] * SDRAM_PER_CHIP
    by_cores, by_sdram = ceil(cores / per_board[0]), ceil(sdram / per_board[1])
    if max(by_cores, by_sdram) <= machine.boards:
        return []
    if by_cores >= by_sdram:
        worst = max(found, key=lambda need: need.cores)
        what = f"{cores:,} cores are needed, there are {machine.boards * per_board[0]:,}"
        most = f"{worst.name} takes most, {worst.cores:,}"
    else:
        worst = max(found, key=lambda need: need.sdram)
        there = machine.boards * per_board[1]
        what = f"{sdram / 1e6:,.0f} MB of SDRAM are needed, there are {there / 1e6:,.0f} MB"
        most = f"{worst.name} takes most, {worst.sdram / 1e6:,.0f} MB"
    boards = f"{max(by_cores, by_sdram)} boards of version {machine.version} instead of"
    fix = f"use {boards} {machine.boards}, or a smaller network"
    return [Problem(str(machine.path), f"{what}; {most}", fix)]


def memory_problems(network: Network, machine: Machine) -> list[Problem]:
    """Return a problem when this computer has too little memory to emulate the cores."""
    needed = sum(need.cores for need in needs(network)) * BYTES_PER_EMULATED_CORE
    available = psutil.virtual_memory().available
    if machine.kind not in IN_SOFTWARE or needed <= available:
        return []
    what = f"needs about {needed / 1e9:.1f} GB; {available / 1e9:.1f} GB are free"
    return [Problem(f"{machine.kind} board", what, "use a smaller network, or a larger machine")]


def dry_run_machine(plan: AnyPlan, board: Path | None) -> Machine:
    """Return the virtual machine to map on.

    That is the one of the configuration file if it is virtual and has a size, else a virtual one
    with as many boards as are needed. Raises BackendError when software is missing, the file is
    wrong, or the network does not fit.
    """
    machine = read_machine(board)
    if machine.kind != "virtual" or machine.boards is None:
        machine = growing(machine)
    problems = missing_software(machine, plan.cell)
    problems += size_problems(plan.network, machine, plan.cell)
    if problems:
        raise BackendError(problems)
    return machine
