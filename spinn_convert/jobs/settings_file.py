"""The file of settings that `tune` writes and the main command takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args, get_type_hints

from spinn_convert.conversion.convert import Method
from spinn_convert.errors import DataError, Problem

KEYS: dict[str, type] = {
    **{name: (get_args(hint) or (hint,))[0] for name, hint in get_type_hints(Method).items()},
    "read_out": str,
    "steps": int,
}


def read_settings(path: Path) -> dict[str, Any]:
    """Return the settings of a file that `tune` wrote; raises DataError."""
    fix = "write the file with spinn-convert tune"
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DataError([Problem(str(path), f"cannot be read ({error})", fix)]) from error
    problems = []
    if not isinstance(content, dict):
        raise DataError([Problem(str(path), "holds no settings", fix)])
    for key, value in content.items():
        if key not in KEYS:
            problems.append(Problem(f"{path}, {key}", "unknown", f"known: {', '.join(KEYS)}"))
        elif type(value) not in ((int, float) if KEYS[key] is float else (KEYS[key],)):
            problems.append(Problem(f"{path}, {key}", f"{value!r} is no {KEYS[key].__name__}", fix))
    if problems:
        raise DataError(problems)
    return content
