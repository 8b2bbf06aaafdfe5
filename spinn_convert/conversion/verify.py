"""The check after every conversion: the rate network computes what onnxruntime computes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from spinn_convert.conversion.fold import Layer
from spinn_convert.errors import ConversionError, ModelError, Problem
from spinn_convert.linear.ops import Floats, Gather, Scale
from spinn_convert.model import host
from spinn_convert.model.load import Model, for_one_image, simplified
from spinn_convert.model.source.file import described, part
from spinn_convert.network import rate
from spinn_convert.network.records import Network

TOLERANCE = 1e-4
"""Largest accepted error, as a fraction of the largest value of a tensor."""
FLOAT16_TOLERANCE = 1e-2
"""The same for files with float16 weights: onnxruntime rounds each of their tensors to 11 bits."""


def verify(
    model: Model, layers: Sequence[Layer], network: Network, images: Floats, threads: int
) -> float:
    """Compare the rates of all populations with the file's tensors, as computed by onnxruntime.

    First without, then with clipping at each population's scale. images: (B, *image shape), a few.
    Returns the largest error, relative to the largest value of its tensor. Raises ConversionError
    that names the first population whose error exceeds TOLERANCE (or FLOAT16_TOLERANCE),
    ModelError if the file gives other results for several images at a time than for each alone.
    """
    proto = simplified(model, model.batch or len(images))
    tolerance = FLOAT16_TOLERANCE if _has_float16(proto) else TOLERANCE
    values, worst = host.core_input(model, images, threads), 0.0
    for clip in (False, True):
        compared = [layer for layer in layers if layer.kind != "input"]
        if clip:
            proto, compared = _clipped(model, proto, compared, network), _comparable(compared)
        compared = [layer for layer in compared if not layer.difference]
        if not compared:
            break
        names = list(dict.fromkeys(layer.measured for layer in compared))
        file = part(proto, [model.source.input], names)
        batches = host.run(model, file, images, threads)
        theirs = _joined(dict(zip(names, batch)) for batch in batches)
        ours = _joined(rate.rates(network, values, clip))
        for layer in compared:
            error = _error(layer, ours[layer.name], theirs[layer.measured])
            if not error <= tolerance:
                mixed = model.batch is None and host.mixes_images(
                    model, images, layer.measured, threads
                )
                if mixed:
                    raise ModelError([for_one_image(model)])
                raise ConversionError([_problem(model, layer, error, clip)])
            worst = max(worst, error)
    return worst


def _joined(chunks: Iterator[dict[str, Floats]]) -> dict[str, Floats]:
    found = list(chunks)
    return {name: np.concatenate([chunk[name] for chunk in found]) for name in found[0]}


def _has_float16(proto: onnx.ModelProto) -> bool:
    """Return if weights are in float16, or tensors are cast to it."""
    types = {tensor.data_type for tensor in proto.graph.initializer}
    casts = (node for node in proto.graph.node if node.op_type == "Cast")
    types.update(a.i for node in casts for a in node.attribute if a.name == "to")
    return not types.isdisjoint((TensorProto.FLOAT16, TensorProto.BFLOAT16))


def _comparable(layers: Sequence[Layer]) -> list[Layer]:
    """Return the layers that precede every difference layer whose clipping the file cannot repeat.

    The difference neurons of a max pooling have no tensor in the file that could be clipped. A
    difference of two rectified activations never exceeds the scale and is not clipped; a
    difference of sums may be.
    """
    for position, layer in enumerate(layers):
        ops = [op for _, linear in layer.inputs for op in linear.ops]
        if layer.difference and not all(isinstance(op, Gather | Scale) for op in ops):
            return list(layers[:position])
    return list(layers)


def _clipped(
    model: Model, proto: onnx.ModelProto, layers: Sequence[Layer], network: Network
) -> onnx.ModelProto:
    """Return the file with every tensor that becomes a spiking population clipped at its scale."""
    populations = {population.name: population for population in network.populations}
    scales = {
        layer.measured: rate.columns(populations[layer.name])
        for layer in layers
        if layer.kind == "spiking" and not layer.difference
    }
    types = {
        value.name: value.type.tensor_type.elem_type
        for value in described(model.source, proto, list(scales))
    }
    clipped = onnx.ModelProto()
    clipped.CopyFrom(proto)
    del clipped.graph.node[:]
    for node in proto.graph.node:
        new = clipped.graph.node.add()
        new.CopyFrom(node)
        for position, name in enumerate(node.output):
            if name in scales:
                new.output[position] = f"{name} unclipped"
                dtype = helper.tensor_dtype_to_np_dtype(types[name])
                limit = numpy_helper.from_array(scales[name][None].astype(dtype), f"{name} limit")
                clipped.graph.initializer.append(limit)
                clipped.graph.node.extend(_minimum(new.output[position], limit.name, name))
    return clipped


def _minimum(a: str, b: str, result: str) -> Iterator[onnx.NodeProto]:
    """Yield nodes that compute min(a, b) = b - relu(b - a); Min broadcasts only from opset 8 on."""
    yield helper.make_node("Sub", [b, a], [f"{result} below"])
    yield helper.make_node("Relu", [f"{result} below"], [f"{result} rectified"])
    yield helper.make_node("Sub", [b, f"{result} rectified"], [result])


def _error(layer: Layer, ours: Floats, theirs: Floats) -> float:
    if layer.kind == "spiking":
        theirs = np.clip(theirs, 0, layer.ceiling)
    largest = float(np.abs(theirs).max())
    return float(np.abs(ours - theirs).max()) / max(largest, 1e-6)


def _problem(model: Model, layer: Layer, error: float, clip: bool) -> Problem:
    kind = "clipped at its scale, " if clip else ""
    what = (
        f"the converted network computes another function: {kind}the rates of population"
        f" {layer.name} differ from onnxruntime's tensor {layer.measured} by {error:.1e} of its"
        " largest value, and those before it do not"
    )
    fix = "this is a defect of spinn_convert: report it, with the model"
    return Problem(str(model.path), what, fix)
