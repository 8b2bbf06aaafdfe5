"""The network as read from the file: nodes in topological order."""

from __future__ import annotations

from dataclasses import dataclass

from spinn_convert.linear.ops import Op, Shape


@dataclass(frozen=True, eq=False)
class Node:
    """One tensor and the operator that makes it; `name` is the tensor's name in the ONNX file."""

    name: str
    op: Op
    inputs: tuple[str, ...]
    shape: Shape


@dataclass(frozen=True, eq=False)
class Graph:
    """All nodes, each after its inputs, and the names of the outputs."""

    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
