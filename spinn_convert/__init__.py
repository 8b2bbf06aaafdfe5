"""Convert trained ANNs (ONNX files) to spiking networks, and run these on SpiNNaker or NEST.

    import spinn_convert as sc

    model = sc.load("resnet18.onnx")
    data = sc.load_dataset("resnet18.npz", model)
    network = sc.convert(model, data.calibration)
    recording = sc.run(network, model.core_input(data.images[:25]), backend="nest")
    print(sc.score(model, network, recording, data.images[:25], data.labels[:25]).snn)

Every name is imported at its first use, so `import spinn_convert` itself loads neither torch nor
onnxruntime.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from spinn_convert.api import check as check
    from spinn_convert.api import convert as convert
    from spinn_convert.api import load as load
    from spinn_convert.api import load_dataset as load_dataset
    from spinn_convert.api import load_scenes as load_scenes
    from spinn_convert.api import run as run
    from spinn_convert.api import score as score
    from spinn_convert.api import score_detections as score_detections
    from spinn_convert.api import with_stop as with_stop
    from spinn_convert.board_server.process import software_board as software_board
    from spinn_convert.conversion.method import BASIC as BASIC
    from spinn_convert.conversion.method import PAPER as PAPER
    from spinn_convert.conversion.method import Method as Method
    from spinn_convert.errors import BackendError as BackendError
    from spinn_convert.errors import ConversionError as ConversionError
    from spinn_convert.errors import DataError as DataError
    from spinn_convert.errors import ModelError as ModelError
    from spinn_convert.errors import Problem as Problem
    from spinn_convert.errors import SpinnConvertError as SpinnConvertError
    from spinn_convert.files.data import Dataset as Dataset
    from spinn_convert.files.scenes import Scenes as Scenes
    from spinn_convert.files.scenes import Truth as Truth
    from spinn_convert.model.detector import Detections as Detections
    from spinn_convert.model.load import Model as Model
    from spinn_convert.network.recording import Recording as Recording
    from spinn_convert.network.records import Network as Network
    from spinn_convert.network.records import Population as Population
    from spinn_convert.network.records import Projection as Projection
    from spinn_convert.network.records import Stop as Stop
    from spinn_convert.results.detection.scores import DetectorScores as DetectorScores
    from spinn_convert.results.report import Scores as Scores

_PLACES = {
    "api": (
        "check",
        "convert",
        "load",
        "load_dataset",
        "load_scenes",
        "run",
        "score",
        "score_detections",
        "with_stop",
    ),
    "board_server.process": ("software_board",),
    "conversion.method": ("BASIC", "Method", "PAPER"),
    "errors": (
        "BackendError",
        "ConversionError",
        "DataError",
        "ModelError",
        "Problem",
        "SpinnConvertError",
    ),
    "files.data": ("Dataset",),
    "files.scenes": ("Scenes", "Truth"),
    "model.detector": ("Detections",),
    "model.load": ("Model",),
    "network.recording": ("Recording",),
    "network.records": ("Network", "Population", "Projection", "Stop"),
    "results.detection.scores": ("DetectorScores",),
    "results.report": ("Scores",),
}
_MODULES = {name: module for module, names in _PLACES.items() for name in names}
__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
