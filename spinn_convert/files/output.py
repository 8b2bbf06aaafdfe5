"""Writing results: a folder appears whole or not at all, and never replaces the user's own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
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
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        what = f"cannot be written ({error.strerror})"
        raise DataError([Problem(str(target), what, "choose another --out")]) from error
    guard = _guard(made) if ranks.launched() else None
    try:
        made.chmod(0o755)
        yield made
        if target.exists():
            _check(target, overwrite, mark)
            shutil.rmtree(target)
        made.rename(target)
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
        fix = "choose another --out, or replace it with --overwrite"
        raise DataError([Problem(str(target), "exists already", fix)])
    if not target.is_dir() or target.is_symlink() or not (target / mark).is_file():
        what = f"has no {mark}, so it is not a folder that spinn-convert wrote"
        raise DataError([Problem(str(target), what, "choose another --out")])
