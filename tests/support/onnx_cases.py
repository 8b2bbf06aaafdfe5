"""Cases of the ONNX operators that compute: inputs, attributes and a valid opset."""

from __future__ import annotations

import numpy as np

from support.onnx_draw import Case, Fed, axes_form, case, ints


@case("Conv")
def conv(d):
    group = d.int(1, 3)
    x = d.fed(group * d.int(1, 2), d.int(1, 8), d.int(1, 8))
    w = d.weights(group * d.int(1, 2), x.shape[1] // group, d.int(1, 4), d.int(1, 4))
    attributes = placing(d, x, w.shape[2:], d.flag() and "dilations")
    attributes |= d.some(kernel_shape=list(w.shape[2:]))
    if group > 1 or d.flag():
        attributes["group"] = group
    b = [d.weights(len(w))] if d.flag() else []
    return Case("Conv", d.opset(), [x, w, *b], attributes)


def placing(d, x, kernel, dilated):
    """Return strides, dilations and pads under which a window fits into the input."""
    dilations = d.ints(2, 1, 3) if dilated else [1, 1]
    attributes = d.some(strides=d.rng.integers(1, 5, 2).tolist())
    if dilated:
        attributes["dilations"] = dilations
    extent = [r * (k - 1) + 1 for r, k in zip(dilations, kernel)]
    missing = [max(0, e - s) for e, s in zip(extent, x.shape[2:])]
    auto_pad = d.of("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
    if auto_pad.startswith("SAME") and dilations != [1, 1]:
        auto_pad = "NOTSET"
    if auto_pad.startswith("SAME") or (auto_pad == "VALID" and not any(missing)):
        return attributes | {"auto_pad": auto_pad}
    begin = [d.int(0, 2) for _ in range(2)]
    end = [max(d.int(0, 2), m - b) for b, m in zip(begin, missing)]
    if any(begin + end) or d.flag():
        attributes["pads"] = begin + end
    return attributes


@case("ConvTranspose")
def conv_transpose(d):
    group = d.int(1, 3)
    x = d.fed(group * d.int(1, 2), d.int(1, 5), d.int(1, 5))
    w = d.weights(x.shape[1], d.int(1, 2), d.int(1, 4), d.int(1, 4))
    strides, dilations = d.ints(2, 1, 3), d.ints(2, 1, 2)
    extra = [d.int(0, s - 1) for s in strides]
    attributes = {"group": group, "strides": strides, "dilations": dilations}
    attributes |= {"output_padding": extra} | d.some(kernel_shape=list(w.shape[2:]))
    reach = [r * (k - 1) for r, k in zip(dilations, w.shape[2:])]
    full = [(n - 1) * s + r + 1 + e for n, s, r, e in zip(x.shape[2:], strides, reach, extra)]
    if d.flag():
        attributes["output_shape"] = [max(1, f - d.int(0, 3)) for f in full]
        attributes |= d.some(auto_pad=d.of("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"))
    elif all(f >= n * s for f, n, s in zip(full, x.shape[2:], strides)) and d.flag():
        attributes["auto_pad"] = d.of("SAME_UPPER", "SAME_LOWER")
    else:
        begin = [d.int(0, min(4, f - 1)) for f in full]
        end = [d.int(0, min(4, f - 1 - b)) for f, b in zip(full, begin)]
        attributes["pads"] = begin + end
    b = [d.weights(w.shape[1] * group)] if d.flag() else []
    return Case("ConvTranspose", d.opset(), [x, w, *b], attributes)


@case("Gemm")
def gemm(d):
    x, outputs, transposed = d.fed(d.int(1, 6)), d.int(1, 5), d.int(0, 1)
    w = d.weights(outputs, x.shape[1]) if transposed else d.weights(x.shape[1], outputs)
    attributes = d.some(alpha=d.of(0.5, -2.0), beta=d.of(0.0, -1.5)) | {"transB": transposed}
    opset = d.opset()
    if opset >= 11 and d.flag():
        return Case("Gemm", opset, [x, w], attributes)
    shape = d.of((outputs,), (1, outputs), (1,), (1, 1), ())
    return Case("Gemm", opset, [x, w, d.weights(*shape)], attributes)


@case("MatMul")
def matmul(d):
    x = d.any(size=5)
    rank = x.ndim
    if rank > 2 and d.flag():
        w = d.weights(*d.of((d.int(1, 4),), ()), x.shape[-2])
        inputs = [w, x]
    else:
        w = d.weights(x.shape[-1], *d.of(*[(d.int(1, 4),), ()][: rank - 1]))
        inputs = [x, w]
    if w.ndim == 2:
        extra = d.int(0, rank - 2)
        index = 1 if inputs[0] is x else 0
        inputs[index] = w.reshape((1,) * extra + w.shape)
    return Case("MatMul", d.opset(), inputs)


def elementwise(operator, constant_first=True):
    def build(d):
        x = d.any()
        inputs = [x, d.like(x.shape, larger=d.flag())]
        if operator == "Div":
            inputs[1] = np.where(np.abs(inputs[1]) < 0.05, np.float32(0.5), inputs[1])
        if constant_first and d.flag():
            inputs.reverse()
        elif operator in ("Add", "Sub") and d.flag():
            inputs[1] = partner(d, x)
        return Case(operator, d.opset(), inputs)

    return build


def partner(d, x):
    """Return the tensor itself, or another one that broadcasts with it."""
    if d.flag():
        return x
    sizes = [d.of(1, size) if size > 1 else d.int(1, 3) for size in x.shape[1:]]
    return d.fed(*sizes)


for name in ("Add", "Sub", "Mul"):
    case(name)(elementwise(name))
case("Div")(elementwise("Div", constant_first=False))


@case("Sum")
def sum_(d):
    x = d.any()
    inputs = [x]
    for _ in range(d.int(0, 3)):
        inputs.append(partner(d, x) if d.flag() else d.like(x.shape))
    shapes = [v.shape[1:] if isinstance(v, Fed) else v.shape for v in inputs]
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        inputs = inputs[:1]
    return Case("Sum", d.opset(8), inputs)


@case("Neg")
def neg(d):
    return Case("Neg", d.opset(), [d.any()])


@case("BatchNormalization")
def batch_normalization(d):
    x = d.any()
    statistics = [d.weights(x.shape[1]) for _ in range(4)]
    statistics[3] = np.abs(statistics[3]) + np.float32(0.01)
    opset = d.opset()
    attributes = d.some(epsilon=d.of(1e-3, 1e-5), momentum=0.5)
    if opset < 9:
        attributes |= d.some(spatial=1)
    if opset >= 14:
        attributes |= d.some(training_mode=0)
    return Case("BatchNormalization", opset, [x, *statistics], attributes)


@case("Relu")
def relu(d):
    return Case("Relu", d.opset(), [d.any()])


@case("Clip")
def clip(d):
    x, opset = d.any(), d.opset()
    high = d.of(0.5, 6.0, 3.4028234663852886e38, None)
    if high is None and d.flag():  # no limits at all
        return Case("Clip", opset, [x])
    if opset < 11:
        limits = {"min": 0.0} | ({} if high is None else {"max": high})
        return Case("Clip", opset, [x], limits)
    inputs = [x, np.float32(0), *([] if high is None else [np.float32(high)])]
    return Case("Clip", opset, [np.asarray(v) if v is not x else x for v in inputs])


def pooled(operator):
    def build(d):
        x, opset = d.map(size=9), d.opset()
        kernel = d.ints(2, 1, 4)
        dilated = opset >= (10 if operator == "MaxPool" else 19) and d.flag()
        attributes = placing(d, x, kernel, dilated) | {"kernel_shape": kernel}
        strides = attributes.get("strides", [1, 1])
        if any(s > k for s, k in zip(strides, kernel)):  # onnxruntime pads by less than nothing
            attributes["auto_pad"] = "NOTSET"
        dilations = attributes.get("dilations", [1, 1])
        if "pads" in attributes:  # onnxruntime wants every pad smaller than the kernel
            attributes["pads"] = [min(p, k - 1) for p, k in zip(attributes["pads"], kernel * 2)]
        pads = attributes.get("pads", [0] * 4)
        for axis in range(2):
            room = x.shape[2 + axis] + pads[axis] + pads[2 + axis]
            if dilations[axis] * (kernel[axis] - 1) + 1 > room:
                return build(d)
        if opset >= 10 and d.flag():
            attributes["ceil_mode"] = int(d.rng.integers(2))
        if operator == "AveragePool":
            attributes |= d.some(count_include_pad=d.int(0, 1))
        elif opset >= 8:
            attributes |= d.some(storage_order=0)
        return Case(operator, opset, [x], attributes)

    return build


case("MaxPool")(pooled("MaxPool"))
case("AveragePool")(pooled("AveragePool"))


@case("GlobalAveragePool")
def global_average_pool(d):
    return Case("GlobalAveragePool", d.opset(), [d.any(low=2)])


@case("GlobalMaxPool")
def global_max_pool(d):
    return Case("GlobalMaxPool", d.opset(), [d.map()])


def reduced(operator, last_attribute):
    def build(d):
        x = d.any()
        axes = d.axes(x.ndim) if d.flag() else list(range(2, x.ndim)) or [1]
        attributes = d.some(keepdims=d.int(0, 1) if len(axes) < x.ndim - 1 else 1)
        if d.int(0, 9) == 0:
            inputs = [x, ints([])] if d.flag() else [x]
            attributes["noop_with_empty_axes"] = 1
            return Case(operator, d.opset(last_attribute + 1), inputs, attributes)
        return axes_form(d, operator, x, axes, last_attribute, attributes)

    return build


case("ReduceMean")(reduced("ReduceMean", 17))
case("ReduceSum")(reduced("ReduceSum", 12))
