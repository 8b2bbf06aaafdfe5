"""Read the files in which Fashion-MNIST and CIFAR-10 are published; run no code of theirs."""

from __future__ import annotations

import gzip
import io
import pickle
import tarfile
import zlib
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Part = tuple[Bytes, Bytes]
"""Images (N, C, H, W) and their labels (N,)."""

PACKAGE = "install the Debian package dataset-fashion-mnist, or give the folder of its files"
ORIGINAL = "get the Python or the binary version from https://www.cs.toronto.edu/~kriz/cifar.html"
BATCHES = (*(f"data_batch_{index}" for index in range(1, 6)), "test_batch")
SUFFIXES = ("", ".bin")
"""Of a batch in the Python and in the binary version."""
NAMES = {name + suffix for name in BATCHES for suffix in SUFFIXES}
ROWS = 10_000
"""Images in a batch."""
SHAPE, CLASSES = (3, 32, 32), 10
PIXELS = 3 * 32 * 32


class Refused(Exception):
    """Bad input: where, what, what to do."""

    def __init__(self, where: object, what: str, fix: str) -> None:
        super().__init__(f"{where}: {what}; {fix}")


def read_idx(path: Path, shape: tuple[int, ...]) -> Bytes:
    """Read a gzipped IDX file of unsigned bytes; raises Refused if it has another shape."""
    try:
        raw = gzip.decompress(path.read_bytes())
        rank = raw[3]
        found = tuple(map(int, np.frombuffer(raw, ">i4", rank, 4)))
        values = np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(found)
    except FileNotFoundError:
        raise Refused(path, "no such file", PACKAGE) from None
    except (OSError, EOFError, IndexError, ValueError, zlib.error) as error:
        raise Refused(path, f"is no gzipped IDX file ({error})", PACKAGE) from error
    if found != shape:
        raise Refused(path, f"has shape {found}, not {shape}", PACKAGE)
    return values


def read_batches(path: Path) -> list[Part]:
    """Return the five training batches of CIFAR-10 and the test batch.

    path: the folder of the batches, the folder around it, or the archive. Raises Refused.
    """
    try:
        files = _batches_in_folder(path) if path.is_dir() else _batches_in_archive(path)
    except FileNotFoundError:
        raise Refused(path, "no such file or folder", ORIGINAL) from None
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise Refused(path, f"cannot be read ({error})", ORIGINAL) from error
    lacking = [[n + suffix for n in BATCHES if n + suffix not in files] for suffix in SUFFIXES]
    fewest = min(lacking, key=len)
    if fewest:
        raise Refused(path, f"lacks {', '.join(fewest)}", ORIGINAL)
    suffix = SUFFIXES[lacking.index(fewest)]
    return [_read_batch(path, name + suffix, files[name + suffix]) for name in BATCHES]


def _batches_in_folder(path: Path) -> dict[str, bytes]:
    """Return the contents of the first folder that has batches, by name."""
    for folder in (path, path / "cifar-10-batches-py", path / "cifar-10-batches-bin"):
        found = {name: folder / name for name in NAMES if (folder / name).is_file()}
        if found:
            return {name: file.read_bytes() for name, file in found.items()}
    return {}


def _batches_in_archive(path: Path) -> dict[str, bytes]:
    """Return the contents of the batches in a tar file, by name; writes nothing to disk."""
    files = {}
    with tarfile.open(path) as archive:
        for member in archive:
            name = PurePosixPath(member.name).name
            stored = archive.extractfile(member) if name in NAMES else None
            if stored is not None:
                files[name] = stored.read()
    return files


def _read_batch(path: Path, name: str, content: bytes) -> Part:
    where = f"{path}, {name}"
    try:
        pixels, labels = _rows(content) if name.endswith(".bin") else _unpickled(content)
    except Exception as error:  # pickle raises whatever a damaged file makes it stumble over
        raise Refused(where, f"is no batch of CIFAR-10 ({error!r:.200})", ORIGINAL) from error
    if pixels.shape != (ROWS, PIXELS) or labels.shape != (ROWS,) or labels.max() >= CLASSES:
        what = f"holds pixels {pixels.shape} and labels {labels.shape} of {labels.max(initial=0)}"
        expected = f"expected {(ROWS, PIXELS)} and {(ROWS,)} below {CLASSES}"
        raise Refused(where, f"{what}, {expected}", ORIGINAL)
    return pixels.reshape(ROWS, *SHAPE), labels


def _rows(content: bytes) -> Part:
    """Return pixels (N, 3072) and labels (N,) of rows of a label and an image."""
    rows = np.frombuffer(content, np.uint8).reshape(-1, 1 + PIXELS)
    return rows[:, 1:], rows[:, 0]


class _Inert:
    """Stands for all that a pickle names: keeps what it is given, does nothing."""

    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments
        self.state: tuple[object, ...] = ()

    def __setstate__(self, state: tuple[object, ...]) -> None:
        self.state = state


class _Unpickler(pickle.Unpickler):
    """Builds containers and _Inert, nothing else: numpy's own classes trust a pickle too far."""

    allowed = frozenset(
        {
            ("numpy.core.multiarray", "_reconstruct"),  # the original files, by Python 2
            ("numpy._core.multiarray", "_reconstruct"),  # the same written by numpy 2
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
            ("_codecs", "encode"),  # Python 3 puts bytes so into an old protocol
        }
    )

    def find_class(self, module: str, name: str) -> type[_Inert]:
        """Return the stand-in for what numpy arrays need; raises UnpicklingError for the rest."""
        if (module, name) not in self.allowed:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no array needs")
        return _Inert


def _unpickled(content: bytes) -> Part:
    """Return pixels (N, 3072) and labels (N,) of a pickled dictionary, by Python 2 or 3."""
    batch = _Unpickler(io.BytesIO(content), encoding="latin1").load()
    _, shape, dtype, by_columns, raw = batch["data"].state
    if dtype.arguments[0] != "u1":
        raise ValueError(f"dtype {dtype.arguments[0]}, not bytes")
    if isinstance(raw, _Inert):
        raw = raw.arguments[0]
    text = raw.encode("latin1") if isinstance(raw, str) else raw
    pixels = np.frombuffer(text, np.uint8).reshape(shape, order="F" if by_columns else "C")
    return pixels, np.array(batch["labels"], np.uint8)
