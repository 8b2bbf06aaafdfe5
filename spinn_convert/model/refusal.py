"""What a model is refused for: each reason once, with all the nodes or weights that it concerns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from spinn_convert.errors import ModelError, Problem

MOST_LETTERS = 500
"""Of names in one message."""
QUANTISED = (
    *("QuantizeLinear", "DequantizeLinear", "DynamicQuantize", "QLinear", "QGemm", "QAttention"),
    *("ConvInteger", "MatMulInteger", "MatMulNBits", "FakeQuant"),
)
"""Beginnings of the names of operators of quantised models."""


@dataclass(frozen=True)
class Refused:
    """A node or a weight, what is wrong with it, and what to do; operator: "" for a weight."""

    name: str
    operator: str
    what: str
    fix: str


def together(path: Path, found: Iterable[Refused]) -> list[Problem]:
    """Return one problem for each reason, with the names that it concerns, in order."""
    reasons: dict[tuple[str, str], dict[Refused, None]] = {}
    for each in found:
        reasons.setdefault((each.what, each.fix), {})[each] = None
    return [
        Problem(f"{path}, {_places(list(concerned))}", what, fix)
        for (what, fix), concerned in reasons.items()
    ]


def _places(found: Sequence[Refused]) -> str:
    first, count = found[0], len(found)
    if count == 1:
        return f"node {first.name} ({first.operator})" if first.operator else f"weight {first.name}"
    if any(each.operator != first.operator for each in found):
        return f"{count} nodes ({_listed([f'{each.name} ({each.operator})' for each in found])})"
    kind = f"{first.operator} nodes" if first.operator else "weights"
    return f"{count} {kind} ({_listed([each.name for each in found])})"


def _listed(names: Sequence[str]) -> str:
    """Return names in a row, as many as fit."""
    shown = list(names)
    while len(shown) > 1 and len(", ".join(shown)) > MOST_LETTERS:
        shown.pop()
    rest = len(names) - len(shown)
    return ", ".join(shown) + (f" and {rest:,} more" if rest else "")


def refuse_quantised(path: Path, nodes: Iterable[onnx.NodeProto]) -> None:
    """Raise ModelError if nodes between the weights compute with integers of a few bits."""
    counts = Counter(node.op_type for node in nodes if node.op_type.startswith(QUANTISED))
    if counts:
        listed = ", ".join(f"{count} {operator}" for operator, count in sorted(counts.items()))
        what = f"it is quantised ({listed})"
        fix = "export the float model, as it was before quantisation"
        raise ModelError([Problem(str(path), what, fix)])
