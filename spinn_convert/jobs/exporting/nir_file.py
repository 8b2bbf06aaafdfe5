"""Write a converted network as a file of NIR, which other simulators read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spinn_convert.errors import DataError, Problem
from spinn_convert.files import output
from spinn_convert.jobs.inspect import converted_already
from spinn_convert.jobs.prepare import Source, convert, prepare
from spinn_convert.network.nir_graph import require_nir, wrote
from spinn_convert.network.recording import Watch, unwatched
from spinn_convert.network.records import Network
from spinn_convert.network.timing import ReadOut


@dataclass(frozen=True)
class NirOptions:
    """Which network to write, and the file; None for MODEL.nir.

    steps, read_out: as for a run; None for the network's own. A network.npz needs no images.
    """

    source: Source
    steps: int | None = None
    read_out: ReadOut | None = None
    out: Path | None = None
    overwrite: bool = False


def execute(options: NirOptions, watch: Watch = unwatched) -> Path:
    """Convert a model, and write the file; nothing is simulated but what the method needs.

    Raises BackendError with everything that NIR cannot express, before anything is calibrated, and
    the errors of every step; the file then does not appear.
    """
    require_nir()
    import nir

    target = options.out or Path(f"{options.source.stem}.nir")
    with output.new_file(target, options.overwrite, wrote) as path:
        network = _network(options, watch)
        nir.write(path, network.to_nir(options.steps, options.read_out))
    return target


def _network(options: NirOptions, watch: Watch) -> Network:
    source = options.source
    if source.is_network:
        if source.onnx is not None:
            what, fix = "has no effect: the network's file is enough", "leave it out"
            raise DataError([Problem(f"--onnx {source.onnx}", what, fix)])
        return converted_already(source)
    prepared = prepare(source, tested=False)
    prepared.network.to_nir(options.steps, options.read_out)
    return convert(prepared, watch)
