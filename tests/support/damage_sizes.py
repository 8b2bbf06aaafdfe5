"""Operators and constants whose results are huge."""

from __future__ import annotations

from random import Random

import numpy as np
import onnx
from onnx import helper, numpy_helper

SIZES = (-(2**63), -5, -1, 0, 1, 3, 1000, 2**20, 2**31 - 1, 2**31, 10**12, 2**62, 2**63 - 1)


def huge_operator(rng: Random, proto: onnx.ModelProto) -> None:
    """Put an operator whose result is huge in front of the model, or behind it."""
    graph = proto.graph
    sizes = [rng.choice([*SIZES, 2**27, 2**28, 2**29]) for _ in range(4)]
    if rng.random() < 0.6:
        sizes[0] = 1
    operator = rng.choice(["ConstantOfShape", "Expand", "Tile", "Pad", "Resize", "Range", "OneHot"])
    graph.initializer.append(numpy_helper.from_array(np.array(sizes), "huge"))
    floats = np.array(sizes, np.float32)
    graph.initializer.append(numpy_helper.from_array(floats, "huge scales"))
    graph.initializer.append(numpy_helper.from_array(np.array([0, 0, 0, 0, *sizes]), "huge pads"))
    for name, value in (("zero", 0), ("one", 1), ("many", rng.choice(SIZES))):
        graph.initializer.append(numpy_helper.from_array(np.array(value), name + "!"))
    graph.initializer.append(numpy_helper.from_array(np.arange(2), "pair!"))
    front = rng.random() < 0.5
    source = "x" if front else "r"
    inputs, attributes = {
        "ConstantOfShape": (["huge"], {}),
        "Expand": (["point!", "huge"], {}),
        "Tile": ([source, "huge"], {}),
        "Pad": ([source, "huge pads"], {}),
        "Resize": ([source, "", rng.choice(["huge scales", ""]), "huge"], {}),
        "Range": (["zero!", "many!", "one!"], {}),
        "OneHot": (["zero!", "many!", "pair!"], {}),
    }[operator]
    if operator == "Resize" and inputs[2]:
        inputs.pop()
    made = helper.make_node(operator, inputs, ["made!"], **attributes)
    last = "made!"
    graph.node.insert(0 if front else len(graph.node), made)
    if operator == "Expand":
        point = helper.make_node("GlobalAveragePool", [source], ["point!"])
        graph.node.insert(0 if front else len(graph.node) - 1, point)
    if operator in ("ConstantOfShape", "Range", "OneHot"):
        nodes = [
            helper.make_node("Cast", ["made!"], ["cast!"], to=1),
            helper.make_node("ReduceMean", ["cast!"], ["mean!"], keepdims=0),
            helper.make_node("Add", [source, "mean!"], ["added!"]),
        ]
        place = 1 if front else len(graph.node)
        for node in reversed(nodes):
            graph.node.insert(place, node)
        last = "added!"
    for node in graph.node:
        for position, name in enumerate(node.input):
            if name == source and node.output[0] not in ("made!", "added!", "point!"):
                node.input[position] = last


def huge_outputs(rng: Random, proto: onnx.ModelProto, size: int = 2**26) -> None:
    """Return constants that are huge together: folded, they would all be stored."""
    proto.graph.initializer.append(numpy_helper.from_array(np.array([size]), "size!"))
    for number in range(40):
        names = [f"big{number}!"], [f"sine{number}!"]
        proto.graph.node.append(helper.make_node("ConstantOfShape", ["size!"], names[0]))
        proto.graph.node.append(helper.make_node("Cos", *names))
        proto.graph.output.append(onnx.ValueInfoProto(name=names[1][0]))


def huge_constants(rng: Random, proto: onnx.ModelProto) -> None:
    """Add constants that are huge only together, each a part of the first bias."""
    graph = proto.graph
    graph.initializer.append(numpy_helper.from_array(np.array([2**26]), "size!"))
    name = "x"
    made = []
    for number in range(12):
        fill = helper.make_attribute("value", numpy_helper.from_array(np.ones(1, np.float32)))
        node = helper.make_node("ConstantOfShape", ["size!"], [f"big{number}!"])
        node.attribute.append(fill)
        sine = helper.make_node("Sin", [f"big{number}!"], [f"sin{number}!"])
        mean = helper.make_node("ReduceMean", [f"sin{number}!"], [f"mean{number}!"], keepdims=0)
        add = helper.make_node("Add", [name, f"mean{number}!"], [f"sum{number}!"])
        made += [node, sine, mean, add]
        name = f"sum{number}!"
    for node in graph.node:
        for position, source in enumerate(node.input):
            if source == "x":
                node.input[position] = name
    kept = list(graph.node)
    del graph.node[:]
    graph.node.extend([*made, *kept])
