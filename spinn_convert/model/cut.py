"""Where the host hands over to the spikes and takes over again.

The spiking core reaches from the first to the last layer with weights. What stands before (casts,
normalisation, resizing) and behind (softmax, box decoding, non-maximum suppression) stays ONNX.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import onnx

from spinn_convert.model.reading import reads, subgraphs
from spinn_convert.model.source.file import ancestors

PRODUCTS = {
    *("MatMul", "Gemm", "FusedMatMul", "MatMulInteger", "MatMulIntegerToFloat", "QLinearMatMul"),
    *("QGemm", "DynamicQuantizeMatMul", "MatMulNBits", "Einsum"),
}
WEIGHTED = {
    *("Conv", "ConvTranspose", "FusedConv", "ConvInteger", "QLinearConv", "DeformConv"),
    *("LSTM", "GRU", "RNN"),
}


@dataclass(frozen=True, eq=False)
class Cut:
    """Nodes before the core, in it, and not needed for it; `entry` is the tensor it starts from.

    constants: tensors that nodes compute from no input, and that other nodes read.
    """

    entry: str
    constants: tuple[str, ...]
    before: tuple[onnx.NodeProto, ...]
    core: tuple[onnx.NodeProto, ...]
    after: tuple[onnx.NodeProto, ...]


def cut(graph: onnx.GraphProto, source: str) -> Cut | None:
    """Cut the graph of a model with the input `source`; None if no layer has weights.

    The entry is the last tensor that every path from the input to the core passes.
    """
    nodes = ancestors(graph.node, [value.name for value in graph.output])
    dynamic = {source}
    weighted: set[str] = set()
    for node in nodes:
        if not dynamic.isdisjoint(reads(node)):
            if _has_weights(node, dynamic):
                weighted.update(node.output)
            dynamic.update(node.output)
    if not weighted:
        return None
    needed, behind = ancestors(nodes, weighted), set(weighted)
    for node in needed:
        if not behind.isdisjoint(reads(node)):
            behind.update(node.output)
    edge = {
        name
        for node in needed
        if not behind.isdisjoint(node.output)
        for name in reads(node)
        if name in dynamic and name not in behind
    }
    entry = _dominator(needed, source, dynamic, edge)
    before = ancestors(nodes, [entry])
    made = {name for node in before for name in node.output}
    rest = [node for node in nodes if made.isdisjoint(node.output)]
    moving = [node for node in rest if not dynamic.isdisjoint(node.output)]
    inside = {name for node in needed for name in node.output}
    fixed = {name for node in rest for name in node.output} - dynamic
    core = [node for node in moving if not inside.isdisjoint(node.output)]
    after = [node for node in moving if inside.isdisjoint(node.output)]
    read = {name for node in moving for name in reads(node)}
    return Cut(entry, tuple(sorted(fixed & read)), tuple(before), tuple(core), tuple(after))


def _has_weights(node: onnx.NodeProto, dynamic: Collection[str]) -> bool:
    if node.op_type in PRODUCTS:
        return sum(name in dynamic for name in node.input[:2]) == 1
    inner = (child for graph in subgraphs(node) for child in graph.node)
    return node.op_type in WEIGHTED or any(
        child.op_type in WEIGHTED | PRODUCTS or _has_weights(child, dynamic) for child in inner
    )


def _dominator(
    nodes: Sequence[onnx.NodeProto], source: str, dynamic: Collection[str], edge: Collection[str]
) -> str:
    """Return the last tensor that all paths from `source` to the tensors `edge` pass."""
    if set(edge) == {source}:
        return source
    import networkx  # takes a while, and most models begin with a layer with weights

    paths, end = networkx.DiGraph(), 0
    for node in nodes:
        made = [name for name in node.output if name in dynamic]
        paths.add_edges_from((name, result) for name in reads(node) for result in made)
    paths.add_edges_from((name, end) for name in edge)
    last: str = networkx.immediate_dominators(paths, source)[end]
    return last
