"""Read the method of a command: a name or a file (--method), and changed settings (--set)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, get_args

from spinn_convert.conversion.method import METHODS, Method, setting_hints, unknown_setting
from spinn_convert.errors import ConversionError, DataError, Problem
from spinn_convert.files.typed import structured
from spinn_convert.network.records import Network
from spinn_convert.network.timing import ReadOut

WRITTEN_BY = "write the file with spinn-convert tune"
RESULTS = {"steps": int, "read_out": ReadOut}
"""Names and types in a file beside the settings of a method."""
WORDS = {"none": None, "true": True, "false": False}
"""Values of settings that are written as words."""


@dataclass(frozen=True)
class Recipe:
    """A method, and the time steps and the read-out that it was tuned for; None if it was not."""

    method: Method = METHODS["default"]
    steps: int | None = None
    read_out: ReadOut | None = None

    def onto(self, network: Network) -> Network:
        """Return the network with the recipe's steps and read-out."""
        return replace(network, steps=self.steps, read_out=self.read_out)


def read_recipe(method: str = "default", changes: Sequence[str] = ()) -> Recipe:
    """Return the recipe of a method's name or file, with the settings of `changes`.

    changes: texts "name=value". Raises DataError for a missing or wrong file, ConversionError that
    lists every unknown or wrong setting.
    """
    recipe = Recipe(METHODS[method]) if method in METHODS else _read(Path(method))
    return replace(recipe, method=replace(recipe.method, **_parsed(changes)))


def as_json(recipe: Recipe) -> dict[str, Any]:
    """Return the content of a file that `read_recipe` reads."""
    content = {**asdict(recipe.method), "steps": recipe.steps, "read_out": recipe.read_out}
    return {name: value for name, value in content.items() if value is not None}


def _parsed(changes: Sequence[str]) -> dict[str, Any]:
    """Return settings by name; the method itself checks their values."""
    found: dict[str, Any] = {}
    problems = []
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals:
            problems.append(Problem(f"--set {change}", "no value", f"write --set {change}=VALUE"))
        elif name not in setting_hints():
            problems.append(unknown_setting(name, setting_hints()))
        elif name in found:
            problems.append(Problem(f"--set {name}", "given twice", "give it once"))
        else:
            found[name] = _value(text)
    if problems:
        raise ConversionError(problems)
    return found


def _value(text: str) -> Any:
    """Return the value of a text: one of WORDS, a number, or else the text itself."""
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _read(path: Path) -> Recipe:
    if not path.exists():
        what = f"neither a method ({', '.join(METHODS)}) nor a file"
        raise DataError([Problem(f"--method {path}", what, WRITTEN_BY)])
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DataError([Problem(str(path), f"cannot be read ({error})", WRITTEN_BY)]) from error
    if not isinstance(content, dict):
        raise DataError([Problem(str(path), "holds no settings", WRITTEN_BY)])
    problems = _problems(path, content)
    if problems:
        raise DataError(problems)
    settings = {f.name: content[f.name] for f in fields(Method) if f.name in content}
    return Recipe(Method(**settings), content.get("steps"), content.get("read_out"))


def _problems(path: Path, content: dict[str, Any]) -> list[Problem]:
    """Return a problem for every name in a file that is unknown, or has a value of a wrong type."""
    hints, problems = {**setting_hints(), **RESULTS}, []
    for name, value in content.items():
        if name not in hints:
            problems.append(unknown_setting(name, hints))
            continue
        try:
            structured(value, hints[name])
        except ValueError as error:
            problems.append(Problem(f"{path}, {name}", str(error), WRITTEN_BY))
    steps = content.get("steps")
    if type(steps) is int and steps < 1:
        problems.append(Problem(f"{path}, steps", f"is {steps}", "simulate at least one step"))
    return problems


def read_outs() -> tuple[str, ...]:
    """Return the names of the ways to read an output."""
    return get_args(ReadOut)
