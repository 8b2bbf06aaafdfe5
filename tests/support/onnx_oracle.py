"""One node or one file, by onnxruntime and by the steps that we read."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from spinn_convert.linear.maps import LinearMap, apply, then
from spinn_convert.linear.ops import Affine, Input, MaxPool, Relu, Sum, pooled_shape
from spinn_convert.model.graph import Graph, Node
from spinn_convert.model.moved import File
from spinn_convert.model.nodes import constants, names_of, read_nodes
from spinn_convert.model.operators import Tensor, read
from spinn_convert.model.source.file import parse, simplify
from support.onnx_draw import Fed, ints


def fed_arrays(case):
    """Return the network's tensors by name; one that is there twice has one name."""
    names, arrays = [], {}
    for position, value in enumerate(case.inputs):
        name = "" if value is None else f"i{position}"
        for known, array in arrays.items():
            if value is array:
                name = known
        if isinstance(value, Fed):
            arrays.setdefault(name, value)
        names.append(name)
    return names, arrays


def node_model(case):
    names, arrays = fed_arrays(case)
    outputs = [f"y{position}" for position in range(case.outputs)]
    node = helper.make_node(case.operator, names, outputs, **case.attributes)
    typed = case.attributes.get("to", TensorProto.FLOAT) if case.operator == "Cast" else 1
    constants = {n: v for n, v in zip(names, case.inputs) if v is not None and n not in arrays}
    graph = helper.make_graph(
        [node],
        "one node",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, a.shape) for n, a in arrays.items()],
        [helper.make_tensor_value_info(name, typed, None) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return stamped(graph, case.opset)


def stamped(graph, opset):
    opsets = [helper.make_opsetid("", opset)]
    version = min(12, helper.find_min_ir_version_for(opsets, ignore_unknown=True))
    return helper.make_model(graph, opset_imports=opsets, ir_version=version)


def by_onnxruntime(model, feeds):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {name: np.asarray(array) for name, array in feeds.items()})


def by_reader(case):
    """Return what the reader's steps compute, in float64."""
    names, arrays = fed_arrays(case)
    inputs = [
        Tensor(name, value.shape[1:]) if name in arrays else value
        for name, value in zip(names, case.inputs)
    ]
    result = read(case.operator, inputs, case.attributes, case.outputs)
    feeds = {name: torch.from_numpy(np.array(array, np.float64)) for name, array in arrays.items()}
    results = result if isinstance(result, tuple) else (result,)
    return [evaluated(value, feeds).numpy() for value in results]


def evaluated(value, feeds):
    if isinstance(value, Tensor):
        assert feeds[value.name].shape[1:] == value.shape
        return feeds[value.name]
    inputs = [evaluated(operand, feeds) for operand in value.inputs]
    return step_applied(value.op, inputs)


def step_applied(op, inputs):
    x = inputs[0]
    shape = tuple(x.shape[1:])
    if isinstance(op, Affine):
        assert len(inputs) == 1
        linear = then(LinearMap(shape), *op.ops)
        y = apply(linear, x)
        assert tuple(y.shape[1:]) == linear.out_shape
        if op.bias is None:
            return y
        full, over_space = linear.out_shape, linear.out_shape[:1] + (1,) * (y.ndim - 2)
        assert op.bias.shape in (full, over_space)
        return y + torch.from_numpy(op.bias).to(y)
    if isinstance(op, Sum):
        assert len({operand.shape for operand in inputs}) == 1
        return torch.stack(inputs).sum(0)
    if isinstance(op, Relu):
        return x.clamp(0, op.ceiling)
    assert isinstance(op, MaxPool)
    top, left, bottom, right = op.pads
    padded = torch.nn.functional.pad(x, (left, right, top, bottom), value=-torch.inf)
    y = torch.nn.functional.max_pool2d(padded, op.kernel, op.stride, 0, op.dilation)
    assert tuple(y.shape[1:]) == pooled_shape(op, shape)
    return y


def assert_equal(case, found, wanted):
    assert len(found) == len(wanted)
    for ours, theirs in zip(found, wanted):
        assert ours.shape == theirs.shape
        error = np.abs(ours - theirs.astype(np.float64)) / np.maximum(1, np.abs(theirs))
        assert error.max(initial=0) <= case.tolerance, (case, ours, theirs)


def file_model(case):
    """Return a model of the node with one input, cut into the tensors that the node takes."""
    _, arrays = fed_arrays(case)
    model = node_model(case)
    first, rest = next(iter(arrays)), list(arrays)[1:]
    if not rest:
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
        return model, {first: arrays[first]}
    del model.graph.input[:]
    total, nodes = 0, []
    for name, array in arrays.items():
        size = array[0].size
        bounds = ints([total]), ints([total + size]), ints([1])
        total += size
        if case.opset < 10:
            keys = ("starts", "ends", "axes")
            attributes = dict(zip(keys, (bound.tolist() for bound in bounds)))
            cut = helper.make_node("Slice", ["all"], [f"{name}_flat"], **attributes)
        else:
            keys = [f"{name}_{key}" for key in ("starts", "ends", "axes")]
            cut = helper.make_node("Slice", ["all", *keys], [f"{name}_flat"])
            model.graph.initializer.extend(map(numpy_helper.from_array, bounds, keys))
        shape = numpy_helper.from_array(ints([0, *array.shape[1:]]), f"{name}_shape")
        model.graph.initializer.append(shape)
        nodes += [cut, helper.make_node("Reshape", [f"{name}_flat", f"{name}_shape"], [name])]
    nodes += model.graph.node
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    info = helper.make_tensor_value_info("all", TensorProto.FLOAT, ["batch", total])
    model.graph.input.append(info)
    flat = [array.reshape(len(array), -1) for array in arrays.values()]
    return model, {"all": np.concatenate(flat, 1)}


def whole_graph(path):
    """Return the graph of all nodes that onnxruntime leaves, read without a cut."""
    source = parse(path)
    sizes = [size or 1 for size in source.sizes]
    file = File(source, simplify(source, sizes), tuple(sizes), source.sizes[0])
    simple = file.simple.graph
    values = constants(simple)
    values[source.input] = Tensor(source.input, tuple(sizes[1:]))
    nodes = read_nodes(file, simple.node, values, names_of(simple))
    first = Node(source.input, Input(), (), tuple(sizes[1:]))
    outputs = [values[value.name].name for value in simple.output]
    return Graph((first, *nodes), tuple(outputs))


def by_graph(model, feeds, path):
    """Return the outputs of the graph that load reads from the file."""
    onnx.save(model, path)
    graph = whole_graph(path)
    values = {}
    for node in graph.nodes:
        if isinstance(node.op, Input):
            values[node.name] = torch.from_numpy(np.array(feeds[node.name], np.float64))
        else:
            values[node.name] = step_applied(node.op, [values[name] for name in node.inputs])
        assert tuple(values[node.name].shape[1:]) == node.shape
    return [values[name].numpy() for name in graph.outputs]


def chain(nodes, opset=17, dtype=TensorProto.FLOAT, weights=None):
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("x", dtype, ["batch", 2, 6, 6])],
        [helper.make_tensor_value_info("y", dtype, None)],
        [numpy_helper.from_array(np.asarray(v), name) for name, v in (weights or {}).items()],
    )
    model = stamped(graph, opset)
    return model
