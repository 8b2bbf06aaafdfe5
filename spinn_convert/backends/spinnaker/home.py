"""A temporary home directory for sPyNNaker, which insists on ~/.spynnaker.cfg and writes reports.

sPyNNaker looks for its configuration in $HOME and in the XDG directories, and fails if it finds
two. Inside `spinnaker_home` all of these lie in one directory; the user's own stay untouched.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

Config = Mapping[str, Mapping[str, str]]
"""Sections of sPyNNaker's configuration file, each option: value."""

VIRTUAL_BOARD: Config = {"Machine": {"version": "5", "virtual_board": "True"}}
"""A machine of SpiNN-5 boards that exists only in sPyNNaker, and grows as needed."""

_QUIET: Config = {"Logging": {"default": "error"}}


@contextmanager
def spinnaker_home(directory: Path, config: Config = VIRTUAL_BOARD) -> Iterator[Path]:
    """Let sPyNNaker find this configuration only, and write its reports below `directory`.

    Yields the folder of reports. Keep it open from `sim.setup` to `sim.end`; the environment is
    restored afterwards.
    """
    home, reports = directory / "home", directory / "reports"
    elsewhere = home / "xdg"
    for path in (elsewhere, reports):
        path.mkdir(parents=True, exist_ok=True)
    merged = {**_QUIET, "Reports": {"default_report_file_path": str(reports)}}
    for section, options in config.items():
        merged[section] = {**merged.get(section, {}), **options}
    (home / ".spynnaker.cfg").write_text(_as_text(merged))
    variables = {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(elsewhere),
        "XDG_CONFIG_DIRS": str(elsewhere),
    }
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield reports
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value
        _forget_exit_report()


def _forget_exit_report() -> None:
    """Keep sPyNNaker from writing to its reports when Python ends: they may be deleted by then."""
    module = sys.modules.get("spinn_utilities.data.utils_data_writer")
    if module is not None:
        atexit.unregister(module.UtilsDataWriter.write_errored_file)


def _as_text(config: Config) -> str:
    lines = []
    for section, options in config.items():
        lines += [f"[{section}]", *(f"{name} = {value}" for name, value in options.items())]
    return "\n".join(lines) + "\n"
