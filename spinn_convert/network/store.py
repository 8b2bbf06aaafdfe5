"""Network <-> network.npz: a JSON header and the arrays that it names, no pickle."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinn_convert.errors import DataError, Problem
from spinn_convert.files.archive import read_arrays
from spinn_convert.linear.maps import LinearMap
from spinn_convert.linear.ops import Conv, Dense, Gather, Scale
from spinn_convert.network.records import Network, Population, Projection
from spinn_convert.network.store_check import check_network, check_record

FORMAT = 1
REMEDY = "convert the model again"
RECORDS = {
    record.__name__: record
    for record in (Network, Population, Projection, LinearMap, Conv, Dense, Scale, Gather)
}


def save(network: Network, path: Path) -> None:
    """Write a network; it is read back by `load`."""
    arrays: dict[str, NDArray[np.generic]] = {}
    header = {"format": FORMAT, "network": _encode(network, arrays)}
    text = np.frombuffer(json.dumps(header).encode(), np.uint8)
    np.savez(path, allow_pickle=False, header=text, **arrays)


def load(path: Path) -> Network:
    """Read a network; raises DataError if the file is damaged, foreign, or newer than this code."""
    arrays = read_arrays(path, "a converted network", REMEDY)
    try:
        header = json.loads(arrays["header"].tobytes())
        written = header["format"]
        if written == FORMAT:
            network = _decode(header["network"], arrays)
            if not isinstance(network, Network):
                raise TypeError(f"it holds a {type(network).__name__}")
            check_network(network)
            return network
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        what = f"this is not a converted network ({error})"
        raise DataError([Problem(str(path), what, REMEDY)]) from error
    what = f"has format {written}; this version of spinn_convert reads format {FORMAT}"
    raise DataError([Problem(str(path), what, "upgrade spinn_convert, or convert the model again")])


def _encode(value: Any, arrays: dict[str, NDArray[np.generic]]) -> Any:
    """Return `value` as JSON, its arrays moved into `arrays`."""
    if isinstance(value, np.ndarray):
        name = f"array_{len(arrays)}"
        arrays[name] = value
        return {"array": name}
    if is_dataclass(value):
        content = {f.name: _encode(getattr(value, f.name), arrays) for f in fields(value)}
        return {"record": type(value).__name__, "fields": content}
    if isinstance(value, tuple):
        return [_encode(item, arrays) for item in value]
    if isinstance(value, dict):
        return {"mapping": value}
    return value


def _decode(value: Any, arrays: dict[str, NDArray[np.generic]]) -> Any:
    if isinstance(value, list):
        return tuple(_decode(item, arrays) for item in value)
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return arrays[value["array"]]
    if "mapping" in value:
        return value["mapping"]
    content = {name: _decode(item, arrays) for name, item in value["fields"].items()}
    record = RECORDS[value["record"]](**content)
    check_record(record)
    return record
