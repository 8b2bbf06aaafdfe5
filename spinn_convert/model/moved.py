"""Elements that leave the place of their image and come back, as in torch's as_strided.

The readers leave the batch axis alone. Where one refuses a node that only moves elements, such as
a Reshape to [-1], onnxruntime says where each element goes, node by node, until the first axis is
the batch again and every image has its own elements, all at the same places.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod

import numpy as np
import onnx
from onnx import helper, numpy_helper

from spinn_convert.errors import ModelError
from spinn_convert.model.operators import Array, Tensor, Unsupported, Value
from spinn_convert.model.operators.steps import Index, elements, gathered
from spinn_convert.model.source.file import Source, computed, described, evaluated, part, simplify

MOVING = frozenset(
    {
        *("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Identity"),
        *("Gather", "Slice", "Split", "Expand", "Tile"),
    }
)
"""Operators whose results are elements of their first input, all others being constant."""
PER_ELEMENT = frozenset({"Add", "Sub", "Mul", "Div", "Sum", "Concat"})


@dataclass(frozen=True, eq=False)
class File:
    """The file whose nodes are read.

    simple: as onnxruntime has folded it for the input's sizes. batch: images that it takes at a
    time; None for any number, and then it is folded for one.
    """

    source: Source
    simple: onnx.ModelProto
    sizes: tuple[int, ...]
    batch: int | None

    @property
    def images(self) -> int:
        """Return the batch of the folded file."""
        return self.batch or 1


@dataclass(frozen=True, eq=False)
class Moved:
    """Elements of a tensor, in axes of which the first is not the batch.

    index: of the tensor (batch, *shape), flat. node: the first that moved them; refused: why its
    reader did not.
    """

    tensor: Tensor
    index: Index
    node: onnx.NodeProto
    refused: Unsupported


class Astray(Unsupported):
    """Raised for elements that have not come back to their images; `node` moved them away."""

    def __init__(self, value: Moved) -> None:
        super().__init__(value.refused.what, value.refused.fix)
        self.node = value.node


def moved(
    file: File,
    node: onnx.NodeProto,
    inputs: Sequence[Tensor | Array | Moved | None],
    refused: Unsupported,
) -> dict[str, Value | Moved]:
    """Return the results, by name, of a node that moves elements out of their images, or back.

    Raises `refused` if it does something else.
    """
    first, *others = inputs or [None]
    fixed = all(value is None or isinstance(value, np.ndarray) for value in others)
    if node.op_type not in MOVING or not fixed or not isinstance(first, Tensor | Moved):
        raise refused
    if isinstance(first, Tensor):
        first = Moved(first, elements((file.images, *first.shape)), node, refused)
    arrays = {node.input[0]: first.index} | {
        name: value for name, value in zip(node.input[1:], others) if isinstance(value, np.ndarray)
    }
    try:
        found = _moved_by(file, node, arrays)
        return {
            name: _apart(file, first.tensor, name, index) or replace(first, index=index)
            for name, index in found.items()
        }
    except ModelError as error:
        raise refused from error


def _moved_by(file: File, node: onnx.NodeProto, arrays: Mapping[str, Array]) -> dict[str, Index]:
    """Return what onnxruntime computes of one node."""
    constants = [numpy_helper.from_array(value, name) for name, value in arrays.items()]
    model = helper.make_model(
        helper.make_graph([node], "move", [], [], constants),
        opset_imports=file.simple.opset_import,
        ir_version=file.simple.ir_version,
    )
    found = evaluated(file.source, model, [name for name in node.output if name])
    return {name: values.astype(np.int64) for name, values in found.items()}


def _apart(file: File, tensor: Tensor, name: str, index: Index) -> Value | None:
    """Return the tensor `name` if its first axis is the batch, else None; raises ModelError."""
    if index.ndim < 2 or len(index) != file.images:
        return None
    own, size = index[0], prod(tensor.shape)
    starts = size * np.arange(file.images).reshape(-1, *[1] * own.ndim)
    if own.max(initial=0) >= size or (index != own + starts).any():
        return None
    if file.batch is None and not _apart_in_two(file, tensor, name, own):
        return None
    return gathered(tensor, own)


def _apart_in_two(file: File, tensor: Tensor, name: str, own: Index) -> bool:
    """Return if two images also keep to their own elements; the graph is read for one."""
    simple = _for_two(file.source, file.sizes[1:])
    (value,) = described(file.source, simple, [tensor.name])
    dtype = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    rows = np.random.default_rng(0).random((2, *tensor.shape)).astype(dtype)
    (found,) = computed(file.source, part(simple, [value], [name]), {tensor.name: rows})
    return np.array_equal(found, rows.reshape(2, -1)[:, own])


@lru_cache(maxsize=1)
def _for_two(source: Source, image: tuple[int, ...]) -> onnx.ModelProto:
    return simplify(source, (2, *image))


def of_one_image(
    file: File,
    node: onnx.NodeProto,
    inputs: Sequence[Tensor | Array | Moved | None],
) -> list[Tensor | Array | None]:
    """Return a node's inputs, of constants that the file repeats for each image of a batch one.

    Raises Astray for elements that have not come back to their images.
    """
    found = []
    for value in inputs:
        if isinstance(value, Moved):
            raise Astray(value)
        found.append(value)
    ranks = {len(value.shape) + 1 for value in inputs if isinstance(value, Tensor)}
    for place, value in enumerate(inputs):
        if file.images == 1 or not isinstance(value, np.ndarray):
            continue
        if node.op_type in PER_ELEMENT and value.ndim in ranks and len(value) == file.images:
            found[place] = value[:1] if (value == value[0]).all() else value
        named = any(attribute.name == "axes" for attribute in node.attribute)
        if node.op_type == "Resize" and place == 3 and not named and value.size in ranks:
            same = value[:1] == file.images
            found[place] = np.concatenate([np.where(same, 1, value[:1]), value[1:]])
    return found
