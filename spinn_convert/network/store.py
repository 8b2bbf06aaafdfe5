"""Network <-> network.npz: a JSON header and the arrays that it names, no pickle.

In the header a record is {"record": its class, "fields": ...}, an array {"array": its name}, a
mapping of text {"mapping": ...}; tuples are lists. An array that several records share is written
once; a map that several projections share has a number, by which it is one object again when it is
read: the copies of a population are recognised by that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, cast, get_args

import cattrs
import numpy as np
from cattrs.gen import make_dict_structure_fn
from numpy.typing import NDArray

from spinn_convert.errors import DataError, Problem
from spinn_convert.files.archive import Arrays, read_arrays
from spinn_convert.files.typed import originating_in, reasons, strict_converter
from spinn_convert.linear.maps import LinearMap
from spinn_convert.linear.ops import Conv, Dense, Gather, LinearOp, Scale
from spinn_convert.network.records import Network, Population, Projection, Stop
from spinn_convert.network.store_check import check_network

FORMAT = 3
"""Format that `save` writes."""
READ = (1, 2, 3)
"""Formats that `load` reads; files of format 1 have no `steps` and `read_out`, 2 no `stop`."""
REMEDY = "convert the model again"
RECORDS = {
    record.__name__: record
    for record in (Network, Population, Projection, Stop, LinearMap, Conv, Dense, Scale, Gather)
}


def save(network: Network, path: Path) -> None:
    """Write a network; it is read back by `load`."""
    arrays: dict[str, NDArray[np.generic]] = {}
    header = {"format": FORMAT, "network": _encode(network, arrays, {}, {})}
    text = np.frombuffer(json.dumps(header).encode(), np.uint8)
    with path.open("wb") as file:  # numpy would add .npz to the name
        np.savez(file, allow_pickle=False, header=text, **arrays)


def load(path: Path) -> Network:
    """Read a network; raises DataError if the file is damaged, foreign, or newer than this code."""
    arrays = read_arrays(path, "a converted network", REMEDY)
    try:
        header = json.loads(arrays["header"].tobytes())
        written = header["format"]
        if written in READ:
            network: Network = _decoder(arrays).structure(header["network"], Network)
            check_network(network)
            return network
    except (cattrs.BaseValidationError, ValueError, KeyError, TypeError, RecursionError) as error:
        what = f"this is not a converted network ({_reason(error)})"
        raise DataError([Problem(str(path), what, REMEDY)]) from error
    what = f"has format {written}; this version of spinn_convert reads format {FORMAT}"
    raise DataError([Problem(str(path), what, f"upgrade spinn_convert, or {REMEDY}")])


def _encode(
    value: Any,
    arrays: dict[str, NDArray[np.generic]],
    names: dict[int, str],
    maps: dict[int, int],
) -> Any:
    """Return `value` as JSON, its arrays moved into `arrays`.

    names: of arrays that are moved already; maps: numbers of maps that are written, both by id.
    """
    if isinstance(value, np.ndarray):
        name = names.setdefault(id(value), f"array_{len(arrays)}")
        arrays[name] = value
        return {"array": name}
    if is_dataclass(value):
        content = {
            f.name: _encode(getattr(value, f.name), arrays, names, maps) for f in fields(value)
        }
        record: dict[str, Any] = {"record": type(value).__name__, "fields": content}
        if isinstance(value, LinearMap):
            record["number"] = maps.setdefault(id(value), len(maps))
        return record
    if isinstance(value, tuple):
        return [_encode(item, arrays, names, maps) for item in value]
    if isinstance(value, dict):
        return {"mapping": value}
    return value


def _decoder(arrays: Arrays) -> cattrs.Converter:
    """Return the converter from header to records, which takes only the declared types."""
    converter = strict_converter()
    in_memory = converter.get_structure_hook(NDArray[np.float32])
    maps: dict[int, LinearMap] = {}

    def record(value: Any, kind: Any) -> Any:
        found = RECORDS[value["record"]]
        if found is not kind and found not in get_args(kind):
            raise TypeError(f"{value['record']} where {getattr(kind, '__name__', kind)} belongs")
        number = value.get("number")
        if found is not LinearMap or number is None:
            return structure[found](value["fields"], found)
        if number not in maps:
            maps[number] = cast(LinearMap, structure[found](value["fields"], found))
        return maps[number]

    for kind in (*RECORDS.values(), LinearOp):
        converter.register_structure_hook(kind, record)
    converter.register_structure_hook_func(
        originating_in(np.ndarray),
        lambda value, hint: in_memory(arrays[value["array"]], hint),
    )
    mapping = converter.get_structure_hook(dict[str, str])
    converter.register_structure_hook_func(
        originating_in(Mapping),
        lambda value, hint: mapping(value["mapping"], dict[str, str]),
    )
    structure = {kind: make_dict_structure_fn(kind, converter) for kind in RECORDS.values()}
    return converter


def _reason(error: Exception) -> str:
    if isinstance(error, cattrs.BaseValidationError):
        return reasons(error)[0]
    return str(error)
