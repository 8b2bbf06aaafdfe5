"""Damage to stored weights, to declared shapes, and to the attributes and sizes of operators."""

from __future__ import annotations

from random import Random

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from support.damage_sizes import SIZES, huge_constants, huge_operator, huge_outputs

OUTSIDE = ("none.bin", "/etc/hostname", "../../outside.bin", "weights.bin", "", ".", "a\nb")


def weight(rng: Random, proto: onnx.ModelProto) -> onnx.TensorProto:
    return rng.choice(proto.graph.initializer)


def wrong_type(rng: Random, proto: onnx.ModelProto) -> None:
    weight(rng, proto).data_type = rng.choice([*range(30), 999, -1])


def short_data(rng: Random, proto: onnx.ModelProto) -> None:
    tensor = weight(rng, proto)
    tensor.raw_data = tensor.raw_data[: rng.randrange(len(tensor.raw_data))]


def long_data(rng: Random, proto: onnx.ModelProto) -> None:
    weight(rng, proto).raw_data += rng.randbytes(rng.choice([1, 4, 1000]))


def no_data(rng: Random, proto: onnx.ModelProto) -> None:
    weight(rng, proto).ClearField("raw_data")


def wrong_dims(rng: Random, proto: onnx.ModelProto) -> None:
    tensor = weight(rng, proto)
    if not tensor.dims or rng.random() < 0.2:
        tensor.dims.append(rng.choice(SIZES))
    else:
        tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(SIZES)


def huge_dims_without_data(rng: Random, proto: onnx.ModelProto) -> None:
    tensor = weight(rng, proto)
    tensor.ClearField("raw_data")
    tensor.dims[:] = rng.choice([[10**12], [2**31, 2**31], [2**32, 2**32], [0, 10**12]])


def typed_data(rng: Random, proto: onnx.ModelProto) -> None:
    tensor = weight(rng, proto)
    if rng.random() < 0.5:
        tensor.ClearField("raw_data")
    field = rng.choice(["float_data", "int32_data", "int64_data", "double_data", "uint64_data"])
    getattr(tensor, field).extend([rng.randrange(100)] * rng.randrange(200))


def strange_weights(rng: Random, proto: onnx.ModelProto) -> None:
    tensor = weight(rng, proto)
    kind = rng.choice([np.complex64, np.bool_, np.int32, np.float64, np.uint16, np.str_])
    shape = [size for size in tensor.dims if 0 < size < 1000]
    values = np.ones(shape).astype(kind)
    if kind is np.str_:
        values = values.astype(object)
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def empty_weights(rng: Random, proto: onnx.ModelProto) -> None:
    tensor = weight(rng, proto)
    tensor.dims[:] = [0] * rng.randrange(5)
    tensor.raw_data = b""


def infinite_weights(rng: Random, proto: onnx.ModelProto) -> None:
    tensor = weight(rng, proto)
    value = rng.choice([np.nan, np.inf, -np.inf, 3e38, 1e-40])
    made = np.full(list(tensor.dims), value, np.float32)
    tensor.CopyFrom(numpy_helper.from_array(made, tensor.name))


def renamed_weight(rng: Random, proto: onnx.ModelProto) -> None:
    weight(rng, proto).name = rng.choice(["", "x", "y", "a", "none", "a\nb"])


def double_weight(rng: Random, proto: onnx.ModelProto) -> None:
    proto.graph.initializer.append(weight(rng, proto))


def sparse_weight(rng: Random, proto: onnx.ModelProto) -> None:
    tensor = weight(rng, proto)
    sparse = onnx.SparseTensorProto()
    sparse.values.CopyFrom(numpy_helper.from_array(np.ones(2, np.float32), tensor.name))
    indices = rng.choice([[0, 1], [-1, 10**12], [1, 0], [0]])
    sparse.indices.CopyFrom(numpy_helper.from_array(np.array(indices), "indices"))
    sparse.dims.extend(rng.choice([list(tensor.dims), [10**12], [-1], []]))
    proto.graph.sparse_initializer.append(sparse)
    proto.graph.initializer.remove(tensor)


def external(rng: Random, proto: onnx.ModelProto) -> None:
    tensor = weight(rng, proto)
    tensor.data_location = TensorProto.EXTERNAL
    tensor.ClearField("raw_data")
    numbers = ["0", "-1", "4", "99999999999999", "x", "", "3.5", "1e3", "١"]
    entries = {
        "location": rng.choice(OUTSIDE),
        "offset": rng.choice(numbers),
        "length": rng.choice(numbers),
    }
    for key in rng.sample(list(entries), rng.randrange(1, 4)):
        tensor.external_data.add(key=key, value=entries[key])


def external_with_data(rng: Random, proto: onnx.ModelProto) -> None:
    tensor = weight(rng, proto)
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=rng.choice(OUTSIDE))


def input_shape(rng: Random, proto: onnx.ModelProto) -> None:
    shape = proto.graph.input[0].type.tensor_type.shape
    for _ in range(rng.randrange(1, 4)):
        shape.dim[rng.randrange(len(shape.dim))].dim_value = rng.choice(SIZES)


def input_rank(rng: Random, proto: onnx.ModelProto) -> None:
    shape = proto.graph.input[0].type.tensor_type.shape
    if rng.random() < 0.5:
        shape.dim.add(dim_value=rng.choice(SIZES))
    else:
        del shape.dim[rng.randrange(len(shape.dim)) :]


def open_sizes(rng: Random, proto: onnx.ModelProto) -> None:
    for dim in proto.graph.input[0].type.tensor_type.shape.dim:
        dim.dim_param = rng.choice(["", "n", "height", "\n", "😀"])


def input_type(rng: Random, proto: onnx.ModelProto) -> None:
    value = proto.graph.input[0]
    kind = rng.choice(["sequence_type", "map_type", "optional_type", "sparse_tensor_type", ""])
    if kind:
        getattr(value.type, kind).SetInParent()
    elif rng.random() < 0.5:
        value.ClearField("type")
    else:
        value.type.tensor_type.elem_type = rng.choice([*range(30), 999, -1])


def false_declaration(rng: Random, proto: onnx.ModelProto) -> None:
    for node in proto.graph.node:
        for name in node.output:
            sizes = [rng.choice(SIZES) for _ in range(rng.randrange(5))]
            if rng.random() < 0.3:
                kind = rng.choice([1, 7, 9, 10])
                value = helper.make_tensor_value_info(name, kind, sizes)
                proto.graph.value_info.append(value)


WINDOWS = {
    "kernel_shape": (1, 2),
    "pads": (1, 4),
    "strides": (1, 2),
    "dilations": (1, 2),
    "output_padding": (1, 2),
}


def window(rng: Random, proto: onnx.ModelProto) -> None:
    """Give convolution or pooling absurd windows."""
    nodes = [node for node in proto.graph.node if node.op_type in ("Conv", "MaxPool")]
    chosen = rng.choice(nodes)
    if rng.random() < 0.3:
        chosen.op_type = rng.choice(["AveragePool", "ConvTranspose", "MaxPool", "Conv", "LpPool"])
    for name, (_, length) in rng.sample(list(WINDOWS.items()), rng.randrange(1, 4)):
        sizes = [rng.choice(SIZES) if rng.random() < 0.5 else 1 for _ in range(length)]
        set_attribute(chosen, name, sizes[: rng.choice([length, length, length, 0, 1])])


def group(rng: Random, proto: onnx.ModelProto) -> None:
    nodes = [node for node in proto.graph.node if node.op_type == "Conv"]
    set_attribute(rng.choice(nodes), "group", rng.choice(SIZES))


def set_attribute(node: onnx.NodeProto, name: str, value: object) -> None:
    kept = [attribute for attribute in node.attribute if attribute.name != name]
    del node.attribute[:]
    node.attribute.extend(kept)
    if value == []:
        node.attribute.add(name=name, type=onnx.AttributeProto.INTS)
    else:
        node.attribute.append(helper.make_attribute(name, value))


def attribute_value(rng: Random, proto: onnx.ModelProto) -> None:
    nodes = [node for node in proto.graph.node if node.attribute]
    attribute = rng.choice(rng.choice(nodes).attribute)
    name = rng.choice([attribute.name, attribute.name, "", "axis", "perm", "no such attribute"])
    values = ["text", b"\xff\xfe", 1, -1, 10**12, 1.5, float("nan"), [1], [1.5, 2], ["a", "b"]]
    attribute.CopyFrom(helper.make_attribute(name, rng.choice(values)))


def attribute_type(rng: Random, proto: onnx.ModelProto) -> None:
    nodes = [node for node in proto.graph.node if node.attribute]
    attribute = rng.choice(rng.choice(nodes).attribute)
    attribute.type = rng.choice(range(15))
    if rng.random() < 0.3:
        attribute.ref_attr_name = "none"


def added_attribute(rng: Random, proto: onnx.ModelProto) -> None:
    node = rng.choice(proto.graph.node)
    name = rng.choice(["axis", "axes", "to", "alpha", "perm", "group", "mode", "x"])
    value = rng.choice([rng.choice(SIZES), [rng.choice(SIZES)], 1e30, "x"])
    node.attribute.append(helper.make_attribute(name, value))


def constant_node(rng: Random, proto: onnx.ModelProto) -> None:
    """Turn a weight into a Constant node whose tensor is damaged, perhaps."""
    tensor = weight(rng, proto)
    name = tensor.name
    damage = rng.choice([wrong_type, short_data, wrong_dims, external, huge_dims_without_data])
    single = onnx.ModelProto()
    single.graph.initializer.append(tensor)
    damage(rng, single)
    node = helper.make_node("Constant", [], [name])
    node.attribute.add(name="value", type=onnx.AttributeProto.TENSOR).t.CopyFrom(
        single.graph.initializer[0]
    )
    proto.graph.initializer.remove(tensor)
    nodes = [node, *proto.graph.node]
    proto.graph.ClearField("node")
    proto.graph.node.extend(nodes)


TENSOR_DAMAGE = (
    *(wrong_type, short_data, long_data, no_data, wrong_dims, wrong_dims, huge_dims_without_data),
    *(typed_data, strange_weights, empty_weights, infinite_weights, renamed_weight, double_weight),
    *(sparse_weight, external, external, external_with_data, input_shape, input_shape, input_rank),
    *(open_sizes, input_type, false_declaration, window, window, window, group, attribute_value),
    *(attribute_type, added_attribute, huge_operator, huge_operator, huge_operator),
    *(huge_constants, huge_outputs, constant_node, constant_node),
)
