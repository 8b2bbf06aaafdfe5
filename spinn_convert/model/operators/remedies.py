"""What to do instead of an operator that no population of spiking neurons computes."""

from __future__ import annotations

_RELU = (
    "train with Relu: a spiking neuron gives nothing negative, and is linear above its threshold"
)
_NORM = "use BatchNormalization, whose statistics are constant after training"
GATES = "leave out gates and attention: two tensors cannot be multiplied by spikes"
_OUTPUT = "export the network up to its logits, without this operator"
_MAXIMUM = "use MaxPool, for a maximum of pixels, or Relu, for limits"
_CURVE = "train without it: between layers with weights, only Relu and Clip may bend"
_RECURRENT = "only feed-forward networks are converted"

FOREIGN = "convert the model as it was exported, of ONNX's own operators"
REMEDIES = {
    **dict.fromkeys(
        ("LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "Gelu", "FastGelu", "Mish", "Swish"), _RELU
    ),
    **dict.fromkeys(
        ("HardSwish", "Softplus", "Softsign", "ThresholdedRelu", "Shrink", "Tanh", "Abs"), _RELU
    ),
    **dict.fromkeys(("Erf", "QuickGelu", "BiasGelu"), _RELU),
    **dict.fromkeys(("Sigmoid", "HardSigmoid"), f"{_RELU}; at the output, export the logits"),
    **dict.fromkeys(("Softmax", "LogSoftmax", "Hardmax", "ArgMax", "TopK"), _OUTPUT),
    "NonMaxSuppression": _OUTPUT,
    **dict.fromkeys(("Sqrt", "Exp", "Log", "Pow", "Sin", "Cos", "Reciprocal", "Where"), _CURVE),
    **dict.fromkeys(
        (
            "LayerNormalization",
            "InstanceNormalization",
            "GroupNormalization",
            "RMSNormalization",
            "LpNormalization",
            "MeanVarianceNormalization",
            "SimplifiedLayerNormalization",
            "LRN",
        ),
        _NORM,
    ),
    **dict.fromkeys(("Attention", "MultiHeadAttention"), GATES),
    "Einsum": "write it as MatMul, with constant weights",
    **dict.fromkeys(("ReduceMax", "ReduceMin", "Max", "Min", "LpPool", "GlobalLpPool"), _MAXIMUM),
    **dict.fromkeys(("LSTM", "GRU", "RNN", "Loop", "Scan", "If"), _RECURRENT),
}
