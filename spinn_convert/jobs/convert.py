"""Convert a model, and write the network to a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spinn_convert.errors import DataError, Problem
from spinn_convert.files import output
from spinn_convert.jobs.prepare import NETWORK, Source, convert, prepare
from spinn_convert.model import host
from spinn_convert.model.load import Model
from spinn_convert.network import store
from spinn_convert.network.recording import Watch, unwatched
from spinn_convert.network.records import Network
from spinn_convert.results.stopping import check_stop, with_stop


@dataclass(frozen=True)
class ConvertOptions:
    """What to convert, and the folder to write: MODEL.spinn if none is given.

    stop: agreement with the ANN, a fraction, with which images may end early (`results.stopping`);
    None to leave that out.
    """

    source: Source
    out: Path | None = None
    overwrite: bool = False
    stop: float | None = None


@dataclass(frozen=True, eq=False)
class Converted:
    """The network, and the folder that holds it."""

    network: Network
    folder: Path


def execute(options: ConvertOptions, watch: Watch = unwatched) -> Converted:
    """Convert a model and write network.npz to a new folder; no test image is simulated.

    Raises the errors of every step; the folder then does not appear.
    """
    source = options.source
    if source.is_network:
        what = "is converted already"
        raise DataError([Problem(str(source.path), what, "run it, or give the ONNX file")])
    target = options.out or Path(f"{source.stem}.spinn")
    with output.new_folder(target, options.overwrite, NETWORK) as folder:
        prepared = prepare(source, tested=False)
        if options.stop:
            check_stop(prepared.model, prepared.network)
        network = convert(prepared, watch)
        if options.stop:
            images, threads = prepared.dataset.calibration, source.threads
            network = with_stop(prepared.model, network, images, options.stop, None, threads, watch)
        save(prepared.model, network, folder)
    return Converted(network, target)


def save(model: Model, network: Network, folder: Path) -> None:
    """Write network.npz, and the ONNX parts before and after it: prefix.onnx and suffix.onnx.

    These two are written only if there are such parts; they take one image.
    """
    store.save(network, folder / NETWORK)
    if model.before:
        (folder / "prefix.onnx").write_bytes(host.prefix(model).SerializeToString())
    if model.after:
        (folder / "suffix.onnx").write_bytes(host.suffix(model, 1).SerializeToString())
