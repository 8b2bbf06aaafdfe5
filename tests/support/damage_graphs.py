"""Damage to the graph: names, order, operators, subgraphs, functions, versions."""

from __future__ import annotations

from random import Random

import onnx
from onnx import helper

NAMES = (
    "",
    "\n",
    "a\nb",
    "😀",
    "x",
    "y",
    "w",
    "a" * 5000,
    "r.0",
    "../w",
    "%s",
    "[bold]",
    "[/bold]",
    "\0",
    "\x1b[2J",
)
OPERATORS = (
    *("Sigmoid", "LSTM", "Einsum", "Unheard", "", "Scan", "SequenceAt", "StringNormalizer"),
    *("DeformConv", "ConvInteger", "QLinearConv", "MatMul", "Gather", "Slice", "Split", "Concat"),
    *("Pad", "Tile", "Expand", "Reshape", "Resize", "Upsample", "Transpose", "Squeeze", "Cast"),
    *("BatchNormalization", "DepthToSpace", "ReduceMean", "Clip", "Constant", "Sum", "Dropout"),
    *("Attention", "Optional", "RandomNormal", "Shape", "NonZero", "If", "Loop", "Flatten"),
)


def any_node(rng: Random, proto: onnx.ModelProto) -> onnx.NodeProto:
    return rng.choice(proto.graph.node)


def renamed(proto: onnx.ModelProto, old: str, new: str) -> None:
    """Rename a tensor everywhere outside of subgraphs."""
    for node in proto.graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        node.output[:] = [new if name == old else name for name in node.output]
    for values in (proto.graph.input, proto.graph.output, proto.graph.initializer):
        for value in values:
            value.name = new if value.name == old else value.name


def missing_input(rng: Random, proto: onnx.ModelProto) -> None:
    node = any_node(rng, proto)
    if rng.random() < 0.5 and node.input:
        node.input[rng.randrange(len(node.input))] = ""
    else:
        del node.input[rng.randrange(len(node.input) + 1) :]


def more_inputs(rng: Random, proto: onnx.ModelProto) -> None:
    any_node(rng, proto).input.extend(["x"] * rng.choice([1, 2, 100]))


def other_input(rng: Random, proto: onnx.ModelProto) -> None:
    names = ["none", "x", "a\nb", *(name for node in proto.graph.node for name in node.output)]
    node = any_node(rng, proto)
    if node.input:
        node.input[rng.randrange(len(node.input))] = rng.choice(names)


def outputs_changed(rng: Random, proto: onnx.ModelProto) -> None:
    node = any_node(rng, proto)
    kind = rng.randrange(4)
    if kind == 0:
        node.output.extend(["more", "most"])
    elif kind == 1:
        del node.output[:]
    elif kind == 2:
        node.output[0] = ""
    else:
        node.output.append(node.output[0])


def double_name(rng: Random, proto: onnx.ModelProto) -> None:
    other = any_node(rng, proto)
    any_node(rng, proto).output[0] = rng.choice([*other.output, "x", "w"])


def double_node(rng: Random, proto: onnx.ModelProto) -> None:
    proto.graph.node.append(any_node(rng, proto))


def cycle(rng: Random, proto: onnx.ModelProto) -> None:
    first, last = proto.graph.node[0], proto.graph.node[-1]
    if first.input and last.output:
        first.input[0] = rng.choice([last.output[0], first.output[0]])


def order(rng: Random, proto: onnx.ModelProto) -> None:
    nodes = rng.sample(list(proto.graph.node), len(proto.graph.node))
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)


def fewer_nodes(rng: Random, proto: onnx.ModelProto) -> None:
    nodes = list(proto.graph.node)
    del proto.graph.node[:]
    proto.graph.node.extend(node for node in nodes if rng.random() < rng.choice([0, 0.7]))


def operator(rng: Random, proto: onnx.ModelProto) -> None:
    node = any_node(rng, proto)
    node.op_type = rng.choice(OPERATORS)
    if rng.random() < 0.5:
        del node.attribute[:]


def domain(rng: Random, proto: onnx.ModelProto) -> None:
    any_node(rng, proto).domain = rng.choice(["ai.onnx", "ai.onnx.ml", "none", "com.microsoft"])


def names(rng: Random, proto: onnx.ModelProto) -> None:
    renamed(proto, rng.choice(["x", "y", "w", "a", "r", "l", "p"]), rng.choice(NAMES))
    any_node(rng, proto).name = rng.choice(NAMES)


def node_names(rng: Random, proto: onnx.ModelProto) -> None:
    for node in proto.graph.node:
        node.name = rng.choice(NAMES)
    proto.graph.name = rng.choice(NAMES)


def opset(rng: Random, proto: onnx.ModelProto) -> None:
    version = rng.choice([-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 999, 2**62])
    proto.opset_import[0].version = version


def opsets(rng: Random, proto: onnx.ModelProto) -> None:
    if rng.random() < 0.4:
        del proto.opset_import[:]
    else:
        proto.opset_import.add(
            domain=rng.choice(["", "ai.onnx", "none"]), version=rng.choice([1, 9])
        )


def ir_version(rng: Random, proto: onnx.ModelProto) -> None:
    proto.ir_version = rng.choice([-1, 0, 1, 2, 3, 99, 2**62])


def no_graph(rng: Random, proto: onnx.ModelProto) -> None:
    if rng.random() < 0.3:
        proto.ClearField("graph")
    else:
        proto.graph.Clear()


def graph_outputs(rng: Random, proto: onnx.ModelProto) -> None:
    outputs = proto.graph.output
    if rng.random() < 0.3:
        del outputs[:]
    elif rng.random() < 0.5:
        outputs[0].name = rng.choice(["none", "x", "w", "r", "", "a"])
    else:
        outputs.append(outputs[0])
        outputs.extend(helper.make_tensor_value_info(n, 1, None) for n in rng.sample("xwarpl", 2))


def graph_inputs(rng: Random, proto: onnx.ModelProto) -> None:
    inputs = proto.graph.input
    kind = rng.randrange(4)
    if kind == 0:
        del inputs[:]
    elif kind == 1:
        inputs.append(inputs[0])
    elif kind == 2:
        inputs[0].name = rng.choice(["w", "r", "y", "", "none"])
    else:
        for tensor in proto.graph.initializer:
            sizes = rng.choice([list(tensor.dims), [10**12], [-1], None])
            value = helper.make_tensor_value_info(tensor.name, rng.choice([1, 7]), sizes)
            inputs.append(value)


def nested(rng: Random, proto: onnx.ModelProto, depth: int = 50) -> None:
    """Put `depth` Ifs in each other, in place: protobuf copies no message that is nested so."""
    proto.graph.initializer.append(helper.make_tensor("true", onnx.TensorProto.BOOL, [], [True]))
    value = helper.make_tensor_value_info("inner", 1, None)
    proto.graph.output.append(value)
    graph = proto.graph
    for _ in range(depth):
        node = graph.node.add(op_type="If", input=["true"], output=["inner"])
        other = node.attribute.add(name="else_branch", type=onnx.AttributeProto.GRAPH).g
        other.node.append(helper.make_node("Constant", [], ["leaf"], value_float=1.0))
        other.output.append(helper.make_tensor_value_info("leaf", 1, None))
        graph = node.attribute.add(name="then_branch", type=onnx.AttributeProto.GRAPH).g
        graph.output.append(value)
    source = rng.choice(["r", "none"])
    graph.node.append(helper.make_node("Neg", [source], ["inner"]))


def nested_deeply(rng: Random, proto: onnx.ModelProto) -> None:
    nested(rng, proto, 30)


def function(rng: Random, proto: onnx.ModelProto) -> None:
    """Call a function that calls itself, another that calls it back, or one that is missing."""
    calls = {0: ("f",), 1: ("g", "f"), 2: ()}[rng.randrange(3)]
    for own, called in zip(("f", "g"), calls):
        body = [helper.make_node(called, ["i"], ["o"], domain="local")]
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
        made = helper.make_function("local", own, ["i"], ["o"], body, opsets)
        proto.functions.append(made)
    proto.opset_import.append(helper.make_opsetid("local", 1))
    node = any_node(rng, proto)
    node.op_type, node.domain = "f", "local"
    del node.attribute[:]
    del node.input[1:]


def function_growth(rng: Random, proto: onnx.ModelProto, depth: int = 28) -> None:
    """Call a function that calls another twice, and so on: 2 ** depth nodes."""
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    for level in range(depth):
        called, where = (f"f{level + 1}", "local") if level < depth - 1 else ("Neg", "")
        body = [
            helper.make_node(called, ["i"], ["m"], domain=where),
            helper.make_node(called, ["m"], ["o"], domain=where),
        ]
        made = helper.make_function("local", f"f{level}", ["i"], ["o"], body, opsets)
        proto.functions.append(made)
    proto.opset_import.append(helper.make_opsetid("local", 1))
    proto.graph.node.append(helper.make_node("f0", ["r"], ["grown"], domain="local"))
    proto.graph.output.append(onnx.ValueInfoProto(name="grown"))


GRAPH_DAMAGE = (
    *(missing_input, missing_input, more_inputs, other_input, other_input, outputs_changed),
    *(double_name, double_node, cycle, order, fewer_nodes, operator, operator, operator, domain),
    *(names, names, node_names, opset, opset, opsets, ir_version, no_graph, graph_outputs),
    *(graph_inputs, nested, nested_deeply, function, function_growth),
)
