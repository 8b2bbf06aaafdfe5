"""Read named arrays from an .npz file, without pickle and with all declared sizes checked.

numpy's own reader allocates whatever size a header declares, and its errors advise to unpickle the
file.
"""

from __future__ import annotations

import struct
import zipfile
from collections import Counter
from math import prod
from pathlib import Path
from typing import IO, Literal

import numpy as np
from numpy.typing import NDArray

from spinn_convert.errors import DataError, Problem
from spinn_convert.linear.ops import Shape

Arrays = dict[str, NDArray[np.generic]]

SUFFIX = ".npy"
LARGE = 2**30
"""Bytes of all arrays up to which an archive may be compressed by any factor."""
MOST_EXPANDED = 100
"""Largest ratio of expanded to compressed size of larger archives: more is a zip bomb."""
MAPPED = 2**26
"""Bytes from which an uncompressed array is memory-mapped instead of read."""
READ_HEADER = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


class _Damaged(Exception):
    """Says which array is damaged, and how."""


def read_arrays(path: Path, kind: str, fix: str) -> Arrays:
    """Return all arrays of the file by name.

    kind, fix: for the error, what the file should be, and what to do if it is not. Raises DataError
    if the file is missing, no .npz, or damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive)
            return {
                member.filename.removesuffix(SUFFIX): _array(path, archive, member)
                for member in archive.infolist()
                if member.filename.endswith(SUFFIX)
            }
    except _Damaged as error:
        raise DataError([Problem(str(path), f"this is not {kind}: {error}", fix)]) from error
    except Exception as error:  # zipfile raises types of its own and of each compression
        what = f"this is not {kind} ({error})"
        raise DataError([Problem(str(path), what, fix)]) from error


def shape_of(path: Path, name: str) -> Shape | None:
    """Return the declared shape of an array, None if there is no such file or array."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(name + SUFFIX) as stored:
            return _header(stored, name)[0]
    except Exception:  # what is wrong is said when the arrays are read
        return None


def _check_members(archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    twice = [name for name, count in Counter(m.filename for m in members).items() if count > 1]
    if twice:
        raise _Damaged(f"it holds {twice[0].removesuffix(SUFFIX)} twice")
    expanded = sum(member.file_size for member in members)
    if expanded > max(LARGE, MOST_EXPANDED * sum(member.compress_size for member in members)):
        raise _Damaged(f"it would expand to {expanded:,} bytes, {MOST_EXPANDED} times its size")


def _array(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[np.generic]:
    name = member.filename.removesuffix(SUFFIX)
    with archive.open(member) as stored:
        shape, fortran, dtype = _header(stored, name)
        begin = stored.tell()
        if dtype.hasobject:
            raise _Damaged(f"array {name} holds Python objects; store numbers, such as float32")
        declared, found = prod(shape) * dtype.itemsize, member.file_size - begin
        if declared != found:
            raise _Damaged(
                f"array {name} has {found:,} bytes; its shape {shape} needs {declared:,}"
            )
    if member.compress_type == zipfile.ZIP_STORED and found >= MAPPED:
        order: Literal["F", "C"] = "F" if fortran else "C"
        return np.memmap(path, dtype, "r", _data_offset(path, member) + begin, shape, order)
    with archive.open(member) as stored:
        values: NDArray[np.generic] = np.lib.format.read_array(stored, allow_pickle=False)
    return values


def _data_offset(path: Path, member: zipfile.ZipInfo) -> int:
    """Return where the bytes of a member begin: behind its local header, name and extra field."""
    with path.open("rb") as file:
        file.seek(member.header_offset + 26)
        name, extra = struct.unpack("<HH", file.read(4))
    return int(member.header_offset + 30 + name + extra)


def _header(stored: IO[bytes], name: str) -> tuple[Shape, bool, np.dtype[np.generic]]:
    """Return shape, whether the first axis runs fastest, and dtype of the array that follows."""
    try:
        version = np.lib.format.read_magic(stored)
        shape, fortran, dtype = READ_HEADER[version](stored)
    except (ValueError, KeyError) as error:
        raise _Damaged(f"array {name} has no header that numpy.savez writes") from error
    if min(shape, default=0) < 0:
        raise _Damaged(f"array {name} has the shape {shape}")
    return tuple(map(int, shape)), bool(fortran), dtype
