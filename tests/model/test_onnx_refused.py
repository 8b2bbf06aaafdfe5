"""What has no spiking form is refused, with a message that says what and how to help it."""

from __future__ import annotations

import numpy as np
import pytest

from spinn_convert.model.operators import READERS, Tensor, Unsupported, read
from spinn_convert.model.operators.remedies import REMEDIES

W = np.ones((4, 4, 1, 1), np.float32)
X = Tensor("x", (4, 6, 6))
VECTOR = Tensor("v", (8,))
ONE = np.ones(1, np.float32)
REFUSED = {
    "a gate": ("Mul", [X, Tensor("g", (4, 1, 1))], {}, "multiplies two tensors"),
    "x squared": ("Mul", [X, X], {}, "multiplies two tensors"),
    "attention": ("MatMul", [X, X], {}, "multiplies two tensors"),
    "constant / tensor": ("Div", [ONE, X], {}, "must come from the network"),
    "tensor / tensor": ("Div", [X, X], {}, "divides by a tensor"),
    "division by zero": ("Div", [X, 0 * ONE], {}, "zeros"),
    "two ranks": ("Add", [X, VECTOR], {}, "mix the batch axis"),
    "a constant per image": ("Add", [X, np.ones((2, 4, 6, 6))], {}, "differs along the batch"),
    "an infinite bias": ("Add", [X, np.inf * ONE], {}, "infinite"),
    "transA": ("Gemm", [VECTOR, np.ones((8, 2))], {"transA": 1}, "transA=1 mixes the images"),
    "training": ("BatchNormalization", [X, *[np.ones(4)] * 4], {"training_mode": 1}, "evaluation"),
    "not spatial": ("BatchNormalization", [X, *[np.ones(4)] * 4], {"spatial": 0}, "spatial=0"),
    "training dropout": ("Dropout", [X, ONE, np.array(True)], {}, "evaluation"),
    "Clip(-1, 1)": ("Clip", [X], {"min": -1.0, "max": 1.0}, "limits -1 and 1"),
    "Clip(0, 0)": ("Clip", [X], {"min": 0.0, "max": 0.0}, "limits 0 and 0"),
    "Clip without min": ("Clip", [X], {"max": 6.0}, "positive ceiling"),
    "column-major": (
        "MaxPool",
        [X],
        {"kernel_shape": [2, 2], "storage_order": 1},
        "storage_order=1 is not understood; understood: 0",
    ),
    "a window of padding": (
        "MaxPool",
        [X],
        {"kernel_shape": [2, 2], "dilations": [7, 7], "pads": [1, 1, 1, 1]},
        "nothing but padding",
    ),
    "pads twice": ("Conv", [X, W], {"auto_pad": "VALID", "pads": [1, 1, 1, 1]}, "beside auto_pad"),
    "1-D convolution": ("Conv", [Tensor("x", (4, 9)), W[..., 0]], {}, "only 2-D convolutions"),
    "3-D pooling": ("MaxPool", [Tensor("x", (1, 4, 4, 4))], {"kernel_shape": [2] * 3}, "rank 5"),
    "computed weights": ("Conv", [X, X], {}, "input w is computed by the network"),
    "no kernel": ("MaxPool", [X], {}, "attribute kernel_shape is missing"),
    "no weights": ("Conv", [X], {}, "input w is missing"),
    "mean over images": ("ReduceMean", [X], {"axes": [0, 2]}, "axis=0 is the batch axis"),
    "mean over all": ("ReduceMean", [X], {}, "with the batch axis"),
    "flatten the batch": ("Flatten", [X], {"axis": 0}, "flattens into the batch axis"),
    "split the batch": ("Split", [X], {}, "axis=0 is the batch axis"),
    "reshape the batch": ("Reshape", [X, np.array([4, -1])], {}, "moves the batch axis"),
    "batch last": ("Transpose", [X], {"perm": [1, 2, 3, 0]}, "moves the batch axis"),
    "reverse all axes": ("Transpose", [X], {}, "moves the batch axis"),
    "first image only": ("Slice", [X], {"starts": [0], "ends": [1], "axes": [0]}, "batch axis"),
    "nothing left": ("Slice", [X], {"starts": [3], "ends": [3], "axes": [1]}, "is empty"),
    "index too large": ("Gather", [X, np.array([4])], {"axis": 1}, "beyond an axis of 4"),
    "grow the batch": ("Expand", [X, np.array([2, 4, 6, 6])], {}, "along the batch axis"),
    "tile the batch": ("Tile", [X, np.array([2, 1, 1, 1])], {}, "along the batch axis"),
    "join images": ("Concat", [X, X], {"axis": 0}, "axis=0 is the batch axis"),
    "bilinear": (
        "Resize",
        [X, None, np.array([1, 1, 2, 2], np.float32)],
        {"mode": "linear"},
        "train with mode='nearest'",
    ),
    "integers": ("Cast", [X], {"to": 6}, "FLOAT16"),
    "no value": ("Constant", [], {}, "no value"),
    "only logits": ("Gather", [VECTOR, np.array(1)], {"axis": 1}, "no axis but the batch"),
    "leaky": ("LeakyRelu", [X], {"alpha": 0.1}, "train with Relu"),
    "swish": ("HardSwish", [X], {}, "train with Relu"),
    "softmax": ("Softmax", [VECTOR], {}, "logits"),
    "layer norm": ("LayerNormalization", [X, ONE], {}, "use BatchNormalization"),
    "unheard of": ("Unheard", [X], {}, "spinn_convert reads Add, "),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_spiking_form_is_refused(name):
    operator, inputs, attributes, message = REFUSED[name]
    with pytest.raises(Unsupported) as caught:
        read(operator, inputs, attributes)
    assert message in f"{caught.value.what} {caught.value.fix}"


def test_remedies_are_for_operators_that_are_not_read():
    assert not set(REMEDIES) & set(READERS)
