"""What a drawn case of an ONNX operator is, and how cases are drawn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

OLDEST, NEWEST = 7, 28
INF = 10**9


class Fed(np.ndarray):
    """An input of the node that the network computes; its first axis is the batch."""


@dataclass
class Case:
    """One node."""

    operator: str
    opset: int
    inputs: list[Any]
    attributes: dict[str, Any] = field(default_factory=dict)
    outputs: int = 1
    tolerance: float = 1e-5


@dataclass
class Draw:
    """Short names for what the cases draw."""

    draw: Any
    rng: np.random.Generator
    batch: int

    def int(self, low, high):
        return self.draw(st.integers(low, high))

    def ints(self, count, low, high):
        return [self.int(low, high) for _ in range(count)]

    def flag(self):
        return self.draw(st.booleans())

    def of(self, *values):
        return self.draw(st.sampled_from(values))

    def opset(self, first=OLDEST, last=NEWEST):
        """Return an opset, all of them as often: hypothesis would prefer the oldest."""
        return int(self.rng.integers(first, last + 1))

    def fed(self, *shape):
        values = self.rng.standard_normal((self.batch, *shape)).astype(np.float32)
        return values.view(Fed)

    def map(self, channels=3, size=7):
        return self.fed(self.int(1, channels), self.int(1, size), self.int(1, size))

    def any(self, low=1, high=3, size=4):
        """Return a tensor of any rank, the batch not counted."""
        return self.fed(*self.ints(self.int(low, high), 1, size))

    def weights(self, *shape):
        return self.rng.standard_normal(shape).astype(np.float32)

    def some(self, **attributes):
        """Return some of the attributes, so that the others take their defaults."""
        return {name: value for name, value in attributes.items() if self.flag()}

    def negative(self, axis, rank):
        """Return the axis, or its other name."""
        return axis - rank if self.flag() else axis

    def axes(self, rank, least=1):
        """Return some axes but the batch in any order, some of them counted from the end."""
        order = self.draw(st.permutations(range(1, rank)))
        kept = order[: self.int(min(least, len(order)), len(order))]
        return [self.negative(axis, rank) for axis in kept]

    def like(self, shape, larger=False):
        """Return a constant that broadcasts with the tensor of `shape` (batch included)."""
        sizes = [1 if self.flag() else size for size in shape[1:]]
        if larger:
            sizes = [self.int(1, 3) if of == 1 else size for size, of in zip(sizes, shape[1:])]
        sizes = sizes[self.int(0, len(sizes)) :]
        if len(sizes) == len(shape) - 1 and self.flag():
            sizes = [1, *sizes]
        return self.weights(*sizes)


CASES: dict[str, Any] = {}


def case(operator):
    """Register a function Draw -> Case as the strategy of an operator."""

    def register(build):
        @st.composite
        def strategy(draw):
            rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
            return build(Draw(draw, rng, draw(st.sampled_from((1, 2)))))

        CASES[operator] = strategy()
        return build

    return register


def ints(values):
    return np.asarray(values, np.int64)


def axes_form(d, operator, x, axes, last_attribute, attributes=None, first=OLDEST):
    """Return a case whose axes are an attribute up to an opset, then an input."""
    opset, attributes = d.opset(first), dict(attributes or {})
    if opset <= last_attribute:
        return Case(operator, opset, [x], {**attributes, "axes": axes})
    return Case(operator, opset, [x, ints(axes)], attributes)


JUNK = st.one_of(
    st.integers(-3, 5),
    st.sampled_from(("junk", "SAME_UPPER", "wrap", "cubic")),
    st.sampled_from((1.5, -1.0, 0.0, float("nan"))),
    st.lists(st.integers(-2, 4), min_size=1, max_size=4),
    st.lists(st.sampled_from((0.5, 1.0, 2.0, -1.0)), min_size=1, max_size=4),
)


@st.composite
def damaged(draw, operator, attributes):
    """Return a case with one attribute or one input that it should perhaps not have."""
    case = draw(CASES[operator])
    kind = draw(st.sampled_from(("set", "remove", "constant", "tensor", "missing")))
    position = draw(st.integers(0, len(case.inputs) - 1))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if kind == "set" and attributes:
        case.attributes[draw(st.sampled_from(sorted(attributes)))] = draw(JUNK)
    elif kind == "remove" and case.attributes:
        case.attributes.pop(draw(st.sampled_from(sorted(case.attributes))))
    elif kind == "missing":
        case.inputs[position] = None
    else:
        old, shape = case.inputs[position], draw(st.lists(st.integers(0, 3), max_size=4))
        values = rng.integers(-3, 4, shape)
        if kind == "constant" and old is not None and not isinstance(old, Fed):
            case.inputs[position] = np.asarray(values, old.dtype)
        elif kind == "tensor":
            batch = next((len(v) for v in case.inputs if isinstance(v, Fed)), 1)
            shape = [max(1, size) for size in shape]
            case.inputs[position] = rng.standard_normal((batch, *shape), np.float32).view(Fed)
    return case
