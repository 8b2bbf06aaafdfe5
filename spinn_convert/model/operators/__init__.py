"""One reader per ONNX operator, one file per family of operators.

A reader's positional parameters are the operator's inputs: a `Tensor` is computed by the network,
an array must be constant. Its keyword-only parameters are the attributes that it understands, with
ONNX's defaults. From this signature come the list of accepted attributes, the messages of refusal
and the list in the README: there is no second list to keep. Inputs and attributes of the same
name, as ONNX has them in old and new opsets, are told apart by `_input`.

To add an operator, write one function in the file of its family, and import a new file here.
"""

from spinn_convert.model.operators import (
    activation,
    arithmetic,
    convolution,
    dense,
    indexing,
    layout,
    pooling,
    resize,
)
from spinn_convert.model.operators.registry import (
    READERS,
    Array,
    Form,
    OutputCount,
    Result,
    Step,
    Tensor,
    Unsupported,
    Value,
    read,
    reads,
    signature,
)

__all__ = [
    "READERS",
    "Array",
    "Form",
    "OutputCount",
    "Result",
    "Step",
    "Tensor",
    "Unsupported",
    "Value",
    "activation",
    "arithmetic",
    "convolution",
    "dense",
    "indexing",
    "layout",
    "pooling",
    "read",
    "reads",
    "resize",
    "signature",
]
