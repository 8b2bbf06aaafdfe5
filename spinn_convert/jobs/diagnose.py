"""Find out where a spiking network loses the ANN's answers, and what to do; nothing is written."""

from __future__ import annotations

from dataclasses import dataclass

from spinn_convert import backends
from spinn_convert.errors import BackendError, ConversionError, Problem
from spinn_convert.jobs.prepare import Source, convert, prepare
from spinn_convert.jobs.simulation import RunOptions, settings_of, studied
from spinn_convert.network.recording import Watch, unwatched
from spinn_convert.network.timing import default_read_out
from spinn_convert.results.layers.evidence import LATER
from spinn_convert.results.layers.findings import Evidence, Finding, findings


@dataclass(frozen=True)
class DiagnoseOptions:
    """What to look at.

    backend: "reference", or "spinnaker-integers" for what a board's integers lose. steps: time
    steps per image; None for the network's own.
    """

    source: Source
    backend: str = "reference"
    steps: int | None = None


@dataclass(frozen=True, eq=False)
class Diagnosed:
    """What was found on some images, with the evidence for it; backend: that simulated them."""

    found: tuple[Finding, ...]
    evidence: Evidence
    images: int
    backend: str


def execute(options: DiagnoseOptions, watch: Watch = unwatched) -> Diagnosed:
    """Convert a model, simulate a few test images, and say what costs agreement with the ANN.

    Raises the errors of every step, ConversionError for a network that is too large to look into.
    """
    prepared = prepare(options.source)
    told = RunOptions(options.source, options.backend, steps=options.steps)
    problems = backends.check(
        options.backend, prepared.network, settings_of(told, prepared.network)
    )
    if problems:
        raise BackendError(problems)
    network = convert(prepared, watch)
    found = studied(prepared, network, default_read_out(network), told, watch, LATER)
    if isinstance(found, str):
        raise ConversionError([Problem("diagnose", found, "give fewer --steps")])
    study, subject = found
    known = findings(study.evidence)
    return Diagnosed(known, study.evidence, len(subject.images), study.recording.backend)
