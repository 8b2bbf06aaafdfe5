"""The register of readers, and the check of a node against a reader's signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NewType, TypeVar, get_args, get_origin, get_type_hints

import numpy as np

from spinn_convert.files.typed import structured
from spinn_convert.linear.ops import Affine, Conv, Dense, Op, Scale, Shape
from spinn_convert.model.operators.remedies import FOREIGN, REMEDIES

Array = np.ndarray
OutputCount = NewType("OutputCount", int)
"""A keyword-only parameter of this type is no attribute: it gets the node's number of outputs."""


@dataclass(frozen=True)
class Tensor:
    """A tensor of the network, without its batch axis."""

    name: str
    shape: Shape


@dataclass(frozen=True, eq=False)
class Step:
    """An operator on tensors or on the results of other steps."""

    op: Op
    inputs: tuple[Tensor | Step, ...]


class Unsupported(Exception):
    """Raised by a reader: what cannot be read, and what the user can do."""

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(what)
        self.what, self.fix = what, fix


ONE_MORE = "keep one more axis, of size 1"
Value = Step | Tensor
Result = Value | Array | tuple[Value, ...]
Reader = Callable[..., Result]
AnyReader = TypeVar("AnyReader", bound=Reader)
READERS: dict[str, Reader] = {}


@dataclass(frozen=True)
class Form:
    """What a reader takes: its inputs, the last of which may repeat, and its attributes."""

    inputs: tuple[inspect.Parameter, ...]
    attributes: dict[str, inspect.Parameter]
    repeats: bool
    counted: tuple[str, ...]


def reads(*operators: str) -> Callable[[AnyReader], AnyReader]:
    """Register a reader under the ONNX names of its operators."""

    def register(reader: AnyReader) -> AnyReader:
        for operator in operators:
            if operator in READERS:
                raise KeyError(f"two readers for {operator}")
            READERS[operator] = reader
        return reader

    return register


@cache
def signature(operator: str) -> Form:
    """Return what the operator's reader takes; annotations are types, no longer text."""
    reader = READERS[operator]
    hints = get_type_hints(reader)
    parameters = [
        p.replace(annotation=hints[p.name]) for p in inspect.signature(reader).parameters.values()
    ]
    named = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    return Form(
        tuple(p for p in parameters if p.kind is not p.KEYWORD_ONLY),
        {p.name: p for p in named if p.annotation is not OutputCount},
        any(p.kind is p.VAR_POSITIONAL for p in parameters),
        tuple(p.name for p in named if p.annotation is OutputCount),
    )


def read(
    operator: str,
    inputs: Sequence[Tensor | Array | None],
    attributes: Mapping[str, Any],
    outputs: int = 1,
) -> Result:
    """Read one node with that many outputs; raises Unsupported for all that is not understood.

    The result is one value or, of an operator with several outputs, one value per output. Floating
    point constants reach the reader as float32 whatever they are in the file.
    """
    if operator not in READERS:
        supported = f"spinn_convert reads {', '.join(sorted(READERS))}"
        other = FOREIGN if "." in operator else supported
        raise Unsupported("this operator has no spiking form", REMEDIES.get(operator, other))
    form = signature(operator)
    _check_inputs(form, inputs)
    _check_attributes(form, attributes)
    counted = {name: outputs for name in form.counted}
    result = READERS[operator](*map(_as_float32, inputs), **attributes, **counted)
    _check_values(result)
    return result


def _check_inputs(form: Form, inputs: Sequence[Tensor | Array | None]) -> None:
    given = list(inputs)
    while given and given[-1] is None and not form.repeats:
        given.pop()
    if len(given) > len(form.inputs) and not form.repeats:
        raise Unsupported(f"has {len(given)} inputs, at most {len(form.inputs)} are understood")
    for position in range(max(len(form.inputs), len(given))):
        parameter = form.inputs[min(position, len(form.inputs) - 1)]
        value = given[position] if position < len(given) else None
        accepted = get_args(parameter.annotation) or (parameter.annotation,)
        if value is None and parameter.default is not None:
            raise Unsupported(f"input {parameter.name} is missing")
        if isinstance(value, Tensor) and not value.shape:
            raise Unsupported(f"input {parameter.name} has no axis but the batch", ONE_MORE)
        if isinstance(value, Tensor) and Tensor not in accepted:
            raise Unsupported(
                f"input {parameter.name} is computed by the network; it must be constant"
            )
        if isinstance(value, np.ndarray) and np.ndarray not in accepted:
            raise Unsupported(f"input {parameter.name} is constant; it must come from the network")


def _check_attributes(form: Form, attributes: Mapping[str, Any]) -> None:
    unknown = sorted(set(attributes) - set(form.attributes))
    if unknown:
        values = ", ".join(f"{name}={attributes[name]!r}" for name in unknown)
        raise Unsupported(f"attribute {values} is not understood")
    for name, parameter in form.attributes.items():
        if name not in attributes:
            if parameter.default is parameter.empty:
                raise Unsupported(f"attribute {name} is missing")
        elif not _fits(attributes[name], parameter.annotation):
            accepted = ", ".join(map(repr, _literals(parameter.annotation)))
            hint = f"; understood: {accepted}" if accepted else ""
            raise Unsupported(f"attribute {name}={attributes[name]!r} is not understood{hint}")


def _fits(value: object, hint: Any) -> bool:
    """Return if an attribute's value is of the annotated type."""
    try:
        structured(value, hint)
    except ValueError:
        return False
    return True


def _literals(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) is Literal else ()


def _as_float32(value: Tensor | Array | None) -> Tensor | Array | None:
    if isinstance(value, np.ndarray) and value.dtype in (np.float16, np.float64):
        return value.astype(np.float32)
    return value


def _check_values(result: Result) -> None:
    """Refuse weights that are not finite, such as those of a division by zero."""
    for array in _arrays(result):
        if not np.isfinite(array).all():
            raise Unsupported(
                "its constants give weights or biases that are infinite or not a number",
                "train or export the model again",
            )


def _arrays(result: Result) -> Iterator[Array]:
    """Yield all weights, factors and biases of a result."""
    if isinstance(result, tuple):
        for value in result:
            yield from _arrays(value)
    if not isinstance(result, Step):
        return
    for operand in result.inputs:
        yield from _arrays(operand)
    if isinstance(result.op, Affine):
        for op in result.op.ops:
            if isinstance(op, Conv | Dense):
                yield op.weight
            elif isinstance(op, Scale):
                yield op.factor
        if result.op.bias is not None:
            yield result.op.bias
