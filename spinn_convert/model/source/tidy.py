"""Forms of a file that mean the same as others, which onnxruntime or the readers do not take."""

from __future__ import annotations

from math import prod
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from spinn_convert.errors import ModelError, Problem
from spinn_convert.model.reading import all_nodes
from spinn_convert.model.source.check import MOST_BYTES


def tidy(path: Path, proto: onnx.ModelProto) -> None:
    """Make sparse weights dense, and name no two nodes alike.

    Raises ModelError for sparse weights that do not fit their shape, or no memory.
    """
    names: set[str] = set()
    for node in all_nodes(proto.graph.node):
        if node.name in names:
            node.name = ""
        names.add(node.name)
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.name == "sparse_value":
                dense = _dense(path, attribute.sparse_tensor)
                attribute.CopyFrom(helper.make_attribute("value", dense))
    proto.graph.initializer.extend(_dense(path, s) for s in proto.graph.sparse_initializer)
    del proto.graph.sparse_initializer[:]


def _dense(path: Path, sparse: onnx.SparseTensorProto) -> onnx.TensorProto:
    """Return a sparse tensor as a dense one of the same name; its indices are flat or in rows."""
    try:
        values = numpy_helper.to_array(sparse.values)
        places = numpy_helper.to_array(sparse.indices)
        if prod(sparse.dims) * values.itemsize > MOST_BYTES:
            raise ValueError(f"its shape {list(sparse.dims)} needs too much memory")
        dense = np.zeros(sparse.dims, values.dtype)
        dense[tuple(places.T) if places.ndim == 2 else np.unravel_index(places, dense.shape)] = (
            values
        )
    except (ValueError, IndexError, TypeError, KeyError) as error:  # numpy's and onnx's own
        what = f"the sparse weight {sparse.values.name} is damaged: {error}"
        raise ModelError([Problem(str(path), what, "export the model again")]) from error
    return numpy_helper.from_array(dense, sparse.values.name)
