"""What to do instead of an operator that no population of spiking neurons computes."""

from __future__ import annotations

_RELU = (
    "train with Relu: a spiking neuron gives nothing negative, and is linear above its threshold"
)
_NORM = "use BatchNormalization, whose statistics are constant after training"
GATES = "leave out gates and attention: two tensors cannot be multiplied by spikes"
_OUTPUT = "export the network up to its logits, without this operator"
_MAXIMUM = "use MaxPool"
_RECURRENT = "only feed-forward networks are converted"

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
    **dict.fromkeys(("NonMaxSuppression", "Sqrt", "Exp", "Log", "Pow"), _OUTPUT),
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
    **dict.fromkeys(("Attention", "MultiHeadAttention", "Einsum"), GATES),
    **dict.fromkeys(("ReduceMax", "Max", "LpPool", "GlobalLpPool"), _MAXIMUM),
    **dict.fromkeys(("LSTM", "GRU", "RNN", "Loop", "Scan", "If"), _RECURRENT),
}
