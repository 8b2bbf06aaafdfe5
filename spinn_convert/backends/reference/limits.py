"""Limits of the input of a neuron, so that the kernel's 32-bit integers never overflow."""

from __future__ import annotations

import numpy as np

from spinn_convert.backends.reference.program import LARGEST_VALUE, Program, per_population
from spinn_convert.errors import BackendError, Problem

MOST_INPUT = 1 << 29
"""Largest sum of |weights| onto one neuron: 16,384 thresholds at 14 bits."""


def check_range(program: Program) -> None:
    """Raise BackendError that names the populations whose numbers are too large for the kernel."""
    problems = []
    for p, name in enumerate(program.names):
        values = [
            per_population(program, p, some)
            for some in (program.bias, program.v_init, program.v_reset)
            if some.size
        ]
        largest = max(int(np.abs(some).max(initial=0)) for some in values)
        most = int(program.populations[p, 7])
        if most > MOST_INPUT or largest > LARGEST_VALUE:
            found = "in one step" if most > MOST_INPUT else "as bias or potential"
            what = f"gets up to {max(most, largest) / program.one:.3g} thresholds {found}"
            fix = "its scale is far too small: convert with normalisation=layer"
            problems.append(Problem(name, what, fix))
    if problems:
        raise BackendError(problems)
