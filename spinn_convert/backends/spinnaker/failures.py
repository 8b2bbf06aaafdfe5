"""Explain sPyNNaker's errors to a user: which line of which file, and what to do."""

from __future__ import annotations

from spinn_convert.backends.spinnaker.machine import Machine
from spinn_convert.errors import Problem

NO_ANSWER = (
    "failed to communicate",
    "spinnmantimeout",
    "spinnmanio",
    "connection refused",
    "name or service not known",
    "timed out",
    "unreachable",
)
"""Parts of messages and class names, in lower case, of errors when no board answers."""
TOO_LATE = ("coresnotinstate", "failedtostop", "failed to finish", "not in the expected state")
"""The same when cores are still busy after the time of the run."""
LONGEST = 500
"""Characters of a message of sPyNNaker that are shown."""


def explained(error: Exception, machine: Machine) -> Problem:
    """Return an error of sPyNNaker as a problem; machine: the one that it was to use."""
    text = " ".join(str(error).split()) or "no message"
    what = f"{type(error).__name__}: {text[:LONGEST]}"
    said = what.lower()
    if machine.on_host:
        return Problem("sPyNNaker", what)
    if any(words in said for words in TOO_LATE):
        factor = machine.time_scale_factor or "not set"
        fix = (
            f"give the cores more time: in [Machine] of {machine.path} raise time_scale_factor"
            f" ({factor}), or post_simulation_overrun_before_error (5 s by default)"
        )
        return Problem("sPyNNaker, after a run", what, fix)
    if any(words in said for words in NO_ANSWER):
        option, address = machine.address
        where = f"{machine.path}, {option} = {address}"
        fix = f"check that {address} is right, has power and answers a ping from this computer"
        return Problem(where, f"no board answers there ({what})", fix)
    return Problem(f"sPyNNaker on {machine.path}", what)
