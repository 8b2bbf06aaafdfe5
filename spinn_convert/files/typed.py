"""Check that values have exactly the types that annotations declare.

cattrs by itself converts: it reads "2" as the integer 2, and 0.5 as 0. Here these are errors.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Literal, get_args, get_origin

import cattrs
import numpy as np
from cattrs.v import format_exception

NAMES = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


def structured(value: object, hint: Any) -> Any:
    """Return `value` if it is what an annotation declares; lists become the tuples it asks for.

    Raises ValueError that says what `value` is instead.
    """
    try:
        return _strict().structure(value, hint)
    except cattrs.BaseValidationError as error:
        raise ValueError("; ".join(reasons(error))) from error
    except TypeError as error:
        raise ValueError(str(error)) from error


def reasons(error: cattrs.BaseValidationError) -> list[str]:
    """Return what is wrong, and where, one line for each thing."""
    return cattrs.transform_error(error, format_exception=_said)


def strict_converter() -> cattrs.Converter:
    """Return a new converter that refuses values of another type, except int where float is due."""
    converter = cattrs.Converter(forbid_extra_keys=True)
    for kind in (int, float, str, bool):
        converter.register_structure_hook(kind, _exactly)
    converter.register_structure_hook_func(originating_in(Literal), _literal)
    converter.register_structure_hook_func(originating_in(np.ndarray), _array)
    converter.register_structure_hook_func(lambda hint: hint is np.ndarray, _any_array)
    return converter


def originating_in(generic: Any) -> Callable[[Any], bool]:
    """Return a function that tells if an annotation is `generic` with parameters, as list[int]."""

    def matches(hint: Any) -> bool:
        return get_origin(hint) is generic

    return matches


def _said(error: BaseException, kind: type | None) -> str:
    return str(error) if isinstance(error, TypeError) else format_exception(error, kind)


@cache
def _strict() -> cattrs.Converter:
    return strict_converter()


def _exactly(value: object, kind: type) -> Any:
    if type(value) is kind or (kind is float and type(value) is int):
        return value
    raise TypeError(f"{value!r} is not {NAMES[kind]}")


def _literal(value: object, hint: Any) -> Any:
    choices = get_args(hint)
    if any(value == choice and type(value) is type(choice) for choice in choices):
        return value
    raise TypeError(f"{value!r} is none of {', '.join(map(str, choices))}")


def _any_array(value: object, hint: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value
    raise TypeError(f"{type(value).__name__} is no array")


def _array(value: object, hint: Any) -> Any:
    (dtype,) = get_args(get_args(hint)[1])
    if isinstance(value, np.ndarray) and value.dtype == dtype:
        return value
    found = f"an array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
    raise TypeError(f"{found} is no array of {np.dtype(dtype)}")
