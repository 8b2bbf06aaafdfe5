"""Writing results: they appear whole or not at all, and never replace what is the user's own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spinn_convert import ranks
from spinn_convert.errors import DataError, Problem

MARK = "report.json"
"""File by which a folder is recognised as written by spinn-convert."""


@contextmanager
def new_folder(target: Path, overwrite: bool, mark: str = MARK) -> Iterator[Path]:
    """Yield a temporary folder that becomes `target` if the block ends without an exception.

    mark: name of a file that the block writes; only an existing folder with such a file is ever
    replaced. Raises DataError if `target` exists and `overwrite` is false or the mark is missing,
    or if it cannot be written.
    """
    _check(target, overwrite, mark)
    with _temporary(target) as made:
        made.chmod(0o755)
        yield made
        if target.exists():
            _check(target, overwrite, mark)
            shutil.rmtree(target)
        made.rename(target)


@contextmanager
def new_file(target: Path, overwrite: bool, ours: Callable[[Path], bool]) -> Iterator[Path]:
    """Yield the path of a temporary file that becomes `target` if the block ends without exception.

    ours: whether spinn-convert wrote a file; no other one is ever replaced. Raises DataError if
    `target` exists and may not be replaced, or if it cannot be written.
    """
    if target.exists() or target.is_symlink():
        if not overwrite:
            raise _exists(target)
        if target.is_symlink() or not target.is_file() or not ours(target):
            what = "is not a file that spinn-convert wrote"
            raise DataError([Problem(str(target), what, "choose another --out")])
    with _temporary(target) as folder:
        made = folder / target.name
        yield made
        made.replace(target)


@contextmanager
def _temporary(target: Path) -> Iterator[Path]:
    """Yield a new folder beside `target`; raises DataError if there cannot be one."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        what = f"cannot be written ({error.strerror})"
        raise DataError([Problem(str(target), what, "choose another --out")]) from error
    guard = _guard(made) if ranks.launched() else None
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        if guard is not None:
            guard.communicate()


def _guard(made: Path) -> subprocess.Popen[bytes]:
    """Start a process that removes a folder once this one is gone: mpirun kills without warning.

    It is in a session of its own, because mpirun ends whole groups of processes.
    """
    code = "import shutil, sys; sys.stdin.read(); shutil.rmtree(sys.argv[1], ignore_errors=True)"
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", code, str(made.absolute())],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write indented JSON."""
    path.write_text(json.dumps(content, indent=2) + "\n")


def _check(target: Path, overwrite: bool, mark: str) -> None:
    if not target.exists() and not target.is_symlink():
        return
    if not overwrite:
        raise _exists(target)
    if not target.is_dir() or target.is_symlink() or not (target / mark).is_file():
        what = f"has no {mark}, so it is not a folder that spinn-convert wrote"
        raise DataError([Problem(str(target), what, "choose another --out")])


def _exists(target: Path) -> DataError:
    fix = "choose another --out, or replace it with --overwrite"
    return DataError([Problem(str(target), "exists already", fix)])
