"""Read from a sPyNNaker configuration file which machine to run on.

The file has sPyNNaker's own format (`boards/` has examples); as there, case and underscores in
names of options do not matter. One section is only for spinn_convert, and not passed on;
it has one of

    [spinn_convert]
    emulated = True      map on a virtual board, then execute the binaries in software
    software = True      start a board in software, and run as on a real one
"""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from spinn_convert.errors import BackendError, Problem

OWN_SECTION = "spinn_convert"
USERS_FILE = Path("~/.spynnaker.cfg")
"""Read if no file is given; never written."""
ADDRESSES = ("machine_name", "spalloc_server", "remote_spinnaker_url")
"""Options of [Machine] that say where a real board is."""
APPLICATION_CORES = {3: 63, 5: 759}
"""Per board by its version: 18 cores per chip, or 17 on eight chips of a SpiNN-5, less one for the
boot software and one monitor per chip, and one data gatherer per board (CHIPS_PER_BOARD in
spinn_machine's version_5.py)."""
CHIPS = {3: 4, 5: 48}
IN_SOFTWARE = ("emulated", "software")
"""Kinds of machines that execute the binaries on this computer; options of our section."""

Config = dict[str, dict[str, str]]


@dataclass(frozen=True, eq=False)
class Machine:
    """Where to run. kind: "board", "spalloc", "virtual", "emulated" or "software".

    version: of the boards, 3 (4 chips) or 5 (48 chips). boards: how many there are; None for a
    virtual machine without a size, and for a real one that has to be asked. config: sections for
    sPyNNaker, without [spinn_convert].
    """

    path: Path
    kind: str
    version: int
    boards: int | None
    config: Config

    @property
    def time_scale_factor(self) -> int | None:
        """How many times slower than real time the board is to run; None if the file says none."""
        options = {_key(name): value for name, value in self.config["Machine"].items()}
        value = _value(options, "time_scale_factor")
        return int(value) if value is not None and value.isdigit() else None

    @property
    def address(self) -> tuple[str, str]:
        """The option that says where the board is, and its value; both empty if there is none."""
        options = {_key(name): value for name, value in self.config["Machine"].items()}
        for name in ADDRESSES:
            value = _value(options, name)
            if value is not None:
                return name, value
        return "", ""

    @property
    def on_host(self) -> bool:
        """Whether sPyNNaker talks to no board, real or in software."""
        return self.kind in ("virtual", "emulated")


def read_machine(path: Path | None) -> Machine:
    """Return the machine of a configuration file; None: of the user's ~/.spynnaker.cfg.

    Raises BackendError with everything in the file that is missing or contradictory.
    """
    path = USERS_FILE.expanduser() if path is None else path
    config = _parsed(path)
    own = config.pop(OWN_SECTION, {})
    machine = {_key(name): value for name, value in config.get("Machine", {}).items()}
    ours, problems = _own(path, own)
    problems += _problems(path, machine, ours)
    if problems:
        raise BackendError(problems)
    version = int(machine["version"])
    if ours == "emulated":
        config["Machine"] = {**config["Machine"], "virtual_board": "True"}
    kind = ours or _kind(machine)
    return Machine(path, kind, version, _boards(machine, version, kind), config)


def growing(machine: Machine) -> Machine:
    """Return a virtual machine of the same version with as many boards as are needed."""
    kept = ("version", "time_scale_factor")
    options = {
        name: value
        for name, value in machine.config["Machine"].items()
        if _key(name) in map(_key, kept)
    }
    config = {**machine.config, "Machine": {**options, "virtual_board": "True"}}
    boards = 1 if machine.version == 3 else None
    return Machine(machine.path, "virtual", machine.version, boards, config)


def _parsed(path: Path) -> Config:
    parser = configparser.RawConfigParser()
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(path.read_text())
    except OSError as error:
        fix = "name a configuration file: boards/ has one for each kind of machine"
        raise BackendError(
            [Problem(str(path), f"cannot be read ({error.strerror})", fix)]
        ) from error
    except (configparser.Error, UnicodeDecodeError) as error:
        what = f"is not a configuration file ({str(error).splitlines()[0]})"
        raise BackendError([Problem(str(path), what, "see boards/README.md")]) from error
    return {section: dict(parser.items(section)) for section in parser.sections()}


def _key(name: str) -> str:
    """Return the name of an option without case and underscores, as sPyNNaker compares it."""
    return name.lower().replace("_", "")


def _value(options: Mapping[str, str], name: str) -> str | None:
    """Return the value of an option, None if it is missing, empty or "None"."""
    value = options.get(_key(name))
    return None if value is None or value in ("None", "") else value


def _is_true(value: str | None) -> bool:
    return value is not None and value.lower() in ("true", "on", "yes", "1")


def _own(path: Path, own: Mapping[str, str]) -> tuple[str | None, list[Problem]]:
    """Return which option of our section is set, and what is wrong with the section."""
    unknown = [name for name in own if _key(name) not in IN_SOFTWARE]
    what, fix = f"[{OWN_SECTION}] has no option {', '.join(unknown)}", "it has emulated, software"
    problems = [Problem(str(path), what, fix)] if unknown else []
    chosen = [_key(name) for name, value in own.items() if _is_true(value)]
    if len(chosen) > 1:
        what = f"{' and '.join(chosen)} exclude each other"
        problems.append(Problem(f"{path}, [{OWN_SECTION}]", what, "give one of them"))
    return next((name for name in IN_SOFTWARE if name in chosen), None), problems


def _problems(path: Path, machine: Mapping[str, str], ours: str | None) -> list[Problem]:
    """Return what is wrong with [Machine]; ours: which option of our section is set."""
    where, problems = f"{path}, [Machine]", []
    addresses = [name for name in ADDRESSES if _value(machine, name)]
    virtual = _is_true(_value(machine, "virtual_board"))
    on_host = ours is not None or virtual
    version = _value(machine, "version")
    if version not in ("3", "5"):
        what = "no version is given" if version is None else f"version {version} is not supported"
        fix = "version = 5 for boards of 48 chips, 3 for one of 4 chips"
        problems.append(Problem(where, what, fix))
    if on_host and addresses:
        kind = ours or "virtual"
        what = f"a {kind} board has no {' or '.join(addresses)}"
        problems.append(Problem(where, what, f"remove {' and '.join(addresses)}, or {kind}"))
    elif ours == "software" and virtual:
        problems.append(Problem(where, "a software board is not virtual", "remove virtual_board"))
    elif not on_host and len(addresses) != 1:
        what = " and ".join(addresses) + " exclude each other" if addresses else "names no board"
        fix = f"give one of {', '.join(ADDRESSES)}, or virtual_board = True"
        problems.append(Problem(where, what, fix))
    sides = [name for name in ("width", "height") if _value(machine, name)]
    if len(sides) == 1 or (sides and (not on_host or ours == "software")):
        only = len(sides) == 1 and on_host
        what = f"only {sides[0]}" if only else f"{' and '.join(sides)} of no virtual board"
        fix = "give width and height of a virtual board, or neither: then it grows"
        problems.append(Problem(where, what, fix))
    elif any(not str(_value(machine, name)).isdigit() for name in sides):
        problems.append(Problem(where, "width and height are chips", "give whole numbers"))
    return problems


def _kind(machine: Mapping[str, str]) -> str:
    if _is_true(_value(machine, "virtual_board")):
        return "virtual"
    return "board" if _value(machine, "machine_name") else "spalloc"


def _boards(machine: Mapping[str, str], version: int, kind: str) -> int | None:
    if version == 3 or kind == "software":
        return 1
    width, height = _value(machine, "width"), _value(machine, "height")
    if kind not in ("virtual", "emulated") or width is None or height is None:
        return None
    # 48 chips a board; a side that does not wrap around has 4 more
    chips = (int(width) // 12 * 12) * (int(height) // 12 * 12)
    return max(1, chips // CHIPS[5])
