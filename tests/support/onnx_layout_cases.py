"""Cases of the ONNX operators that move elements: inputs, attributes and a valid opset."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from support.onnx_draw import INF, Case, Fed, axes_form, case, ints


@case("Flatten")
def flatten(d):
    x, opset = d.any(), d.opset()
    axis = d.int(1, x.ndim)
    if any(size != 1 for size in x.shape[1:axis]):
        axis = 1
    if opset >= 11 and axis < x.ndim:
        axis = d.negative(axis, x.ndim)
    return Case("Flatten", opset, [x], {"axis": axis} if axis != 1 or d.flag() else {})


@case("Reshape")
def reshape(d):
    x, opset = d.any(), d.opset()
    sizes = [x.shape[axis] for axis in d.draw(st.permutations(range(1, x.ndim)))]
    if d.flag():
        sizes = [int(np.prod(sizes[: d.int(1, len(sizes))])), *sizes[len(sizes) :]]
        sizes.append(int(np.prod(x.shape[1:])) // sizes[0])
    wanted = [d.of(0, x.shape[0]), *sizes]
    for axis in range(1, len(wanted)):
        if axis < x.ndim and wanted[axis] == x.shape[axis] and d.flag():
            wanted[axis] = 0
    unknown = d.int(-1, len(wanted) - 1)
    if unknown >= 0:
        wanted[unknown] = -1
    if wanted[0] > 1:
        x = x[:1]
        wanted[0] = 1
    attributes = {}
    if opset >= 14 and d.flag():
        attributes["allowzero"] = 0 if 0 in wanted else d.int(0, 1)
    return Case("Reshape", opset, [x, ints(wanted)], attributes)


@case("Squeeze")
def squeeze(d):
    x = d.any(low=2)
    chosen = d.axes(x.ndim)[: x.ndim - 2]
    shape = list(x.shape)
    for axis in chosen:
        shape[axis] = 1
    case = axes_form(d, "Squeeze", d.fed(*shape[1:]), chosen, 12)
    if case.opset < 11 and case.attributes:
        case.attributes["axes"] = [axis % x.ndim for axis in chosen]
    return case


@case("Unsqueeze")
def unsqueeze(d):
    x = d.any()
    rank = x.ndim + d.int(1, 2)
    chosen = d.axes(rank)[: rank - x.ndim]
    if len(chosen) < rank - x.ndim:
        rank = x.ndim + len(chosen)
        chosen = [axis % rank or 1 for axis in chosen]
    case = axes_form(d, "Unsqueeze", x, chosen, 12)
    if case.opset < 11 and case.attributes:
        case.attributes["axes"] = [axis % rank for axis in chosen]
    return case


@case("Transpose")
def transpose(d):
    x = d.any()
    perm = [0, *d.draw(st.permutations(range(1, x.ndim)))]
    return Case("Transpose", d.opset(), [x], {"perm": list(perm)})


@case("DepthToSpace")
def depth_to_space(d):
    size, opset = d.int(1, 3), d.opset()
    x = d.fed(size**2 * d.int(1, 2), d.int(1, 3), d.int(1, 3))
    modes = d.some(mode=d.of("DCR", "CRD")) if opset >= 11 else {}
    return Case("DepthToSpace", opset, [x], {"blocksize": size} | modes)


@case("SpaceToDepth")
def space_to_depth(d):
    size = d.int(1, 3)
    x = d.fed(d.int(1, 3), size * d.int(1, 3), size * d.int(1, 3))
    if d.flag():
        return Case("SpaceToDepth", d.opset(), [x], {"blocksize": size})
    attributes = {"blocksize": size, "mode": str(d.rng.choice(("DCR", "CRD")))}
    return Case("SpaceToDepth", d.opset(first=28), [x], attributes)


@case("Identity")
def identity(d):
    return Case("Identity", d.opset(), [d.any()])


@case("Dropout")
def dropout(d):
    x, opset = d.any(), d.opset()
    if opset < 12:
        return Case("Dropout", opset, [x], d.some(ratio=0.3))
    inputs = d.of([x], [x, np.float32(0.3)], [x, None, np.asarray(False)])
    return Case("Dropout", opset, [np.asarray(v) if type(v) is np.float32 else v for v in inputs])


@case("Cast")
def cast(d):
    to = d.of(1, 10, 11)
    return Case("Cast", d.opset(), [d.any()], {"to": to}, tolerance=1e-3)


@case("Slice")
def slice_(d):
    x, opset = d.any(size=6), d.opset()
    axes = d.axes(x.ndim)
    starts, ends, steps = [], [], []
    for axis in axes:
        size = x.shape[axis]
        step = 1 if opset < 10 else d.of(1, 1, 2, 3, -1, -2, -7)
        first, last = sorted((d.int(0, size - 1), d.int(0, size - 1)))
        if step < 0:
            start = int(d.rng.choice((last, last - size, INF, -INF)))
            bounds = start, d.of(first - 1, -INF)
            if bounds[1] == -1 or bounds[0] == -INF:
                bounds = bounds[0], -size - 1
        else:
            bounds = d.of(first, first - size, -INF), d.of(last + 1, INF)
        starts.append(bounds[0])
        ends.append(bounds[1])
        steps.append(step)
    if sorted(axis % x.ndim for axis in axes) == list(range(1, x.ndim)) and d.flag():
        order = np.argsort([axis % x.ndim for axis in axes])
        starts, ends, steps = ([values[i] for i in order] for values in (starts, ends, steps))
        starts, ends, steps, axes = [0, *starts], [INF * 4, *ends], [1, *steps], None
    if opset < 10:
        attributes = {"starts": starts, "ends": ends} | ({} if axes is None else {"axes": axes})
        return Case("Slice", opset, [x], attributes)
    inputs = [x, ints(starts), ints(ends), None if axes is None else ints(axes), ints(steps)]
    return Case("Slice", opset, inputs[:4] if set(steps) == {1} and d.flag() else inputs)


@case("Split")
def split(d):
    x, opset = d.any(size=6), d.opset()
    axis = d.int(1, x.ndim - 1)
    size = x.shape[axis]
    attributes = {"axis": d.negative(axis, x.ndim) if opset >= 11 else axis}
    if d.flag():
        cuts = sorted(d.draw(st.sets(st.integers(1, size - 1), max_size=3)) if size > 1 else [])
        sizes = np.diff([0, *cuts, size]).tolist()
        if opset < 13:
            return Case("Split", opset, [x], attributes | {"split": sizes}, len(sizes))
        return Case("Split", opset, [x, ints(sizes)], attributes, len(sizes))
    outputs = d.of(*(n for n in range(1, size + 1) if size % n == 0))
    if opset >= 18:
        fitting = [n for n in range(1, size + 1) if -(-size // n) * (n - 1) < size]
        outputs = int(d.rng.choice(fitting))
        attributes["num_outputs"] = outputs
    return Case("Split", opset, [x], attributes, outputs)


@case("Gather")
def gather(d):
    x, opset = d.any(), d.opset()
    axis = d.int(1, x.ndim - 1)
    low = -x.shape[axis] if opset >= 11 else 0
    shape = d.of(*[(1,), (3,), (2, 2), ()][: x.ndim + 1])
    indices = d.rng.integers(low, x.shape[axis], shape).astype(d.of(np.int64, np.int32))
    return Case("Gather", opset, [x, np.asarray(indices)], {"axis": d.negative(axis, x.ndim)})


@case("Expand")
def expand(d):
    x = d.any()
    wanted = [1, *(d.of(1, size) if size > 1 else d.int(1, 3) for size in x.shape[1:])]
    return Case("Expand", d.opset(8), [x, ints(wanted[d.int(0, len(wanted) - 1) :])])


@case("Tile")
def tile(d):
    x = d.any()
    return Case("Tile", d.opset(), [x, ints([1, *d.ints(x.ndim - 1, 1, 3)])])


@case("Concat")
def concat(d):
    x = d.any()
    axis = d.int(1, x.ndim - 1)
    parts, constant = [x], False
    for _ in range(d.int(0, 3)):
        shape = list(x.shape)
        shape[axis] = d.int(1, 3)
        kind = d.of("itself", "other", "constant")
        if kind == "constant":
            constant = True
            parts.append(d.weights(1, *shape[1:]))
        else:
            parts.append(x if kind == "itself" else d.fed(*shape[1:]))
    if constant:
        parts = [p[:1].view(Fed) if isinstance(p, Fed) else p for p in parts]
        parts = [parts[0] if np.shares_memory(p, parts[0]) else p for p in parts]
    parts = d.draw(st.permutations(parts))
    return Case("Concat", d.opset(), list(parts), {"axis": d.negative(axis, x.ndim)})


@case("Pad")
def pad(d):
    x, opset = d.any(size=5), d.opset()
    modes = ["constant", "reflect", "edge"] + ["wrap"] * (opset >= 19)
    mode = d.of(*modes)
    pads = np.zeros((2, x.ndim), int)
    for axis in range(1, x.ndim):
        size = x.shape[axis]
        for side in range(2):
            pads[side, axis] = d.int(-((size - 1) // 2), 3)
        kept = size + np.minimum(pads[:, axis], 0).sum()
        if mode == "reflect":
            pads[:, axis] = np.minimum(pads[:, axis], kept - 1)
    value = d.of(0.0, -1.5)
    attributes = {"mode": mode} if mode != "constant" or d.flag() else {}
    if opset < 11:
        attributes |= {"pads": pads.ravel().tolist()} | ({"value": value} if value else {})
        return Case("Pad", opset, [x], attributes)
    inputs = [x, ints(pads.ravel()), *([np.asarray(np.float32(value))] if d.flag() else [])]
    if opset >= 18 and d.flag():
        axes = d.axes(x.ndim)
        inputs[1] = ints(pads[:, [axis % x.ndim for axis in axes]].ravel())
        inputs = [*inputs, *[None] * (3 - len(inputs)), ints(axes)]
    return Case("Pad", opset, inputs, attributes)


@case("Upsample")
def upsample(d):
    x, opset = d.any(), d.opset(7, 9)
    scales = [1.0, *(d.of(1.0, 2.0, 1.5, 3.0, 1.3) for _ in x.shape[1:])]
    attributes = d.some(mode="nearest")
    if opset < 9:
        return Case("Upsample", opset, [x], attributes | {"scales": scales})
    return Case("Upsample", opset, [x, np.asarray(scales, np.float32)], attributes)


COORDINATES = (
    "half_pixel",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "tf_half_pixel_for_nn",
    "tf_crop_and_resize",
)


POLICIES = ("stretch", "not_larger", "not_smaller")


@case("Resize")
def resize(d):
    x, opset = d.any(size=6), d.opset(10)
    scales = [1.0]
    for size in x.shape[1:]:
        scale = d.of(1.0, 2.0, 1.5, 0.5, 1.3, 0.7, 3.0, 1.1)
        scales.append(scale if scale * size >= 1 else 2.0)
    if opset == 10:
        return Case("Resize", opset, [x, np.asarray(scales, np.float32)], d.some(mode="nearest"))
    modes = COORDINATES + ("half_pixel_symmetric",) * (opset >= 19)
    coordinates = str(d.rng.choice(modes))
    attributes = {"coordinate_transformation_mode": coordinates, "mode": "nearest"}
    attributes |= d.some(
        nearest_mode=str(
            d.rng.choice(("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"))
        ),
        cubic_coeff_a=-0.5,
        extrapolation_value=d.of(0.0, 2.5),
    )
    along = list(range(x.ndim))
    if opset >= 18 and d.flag():
        along = [axis % x.ndim for axis in d.axes(x.ndim)]
        attributes["axes"] = along
    roi = np.zeros(0, np.float32)
    if coordinates == "tf_crop_and_resize":
        starts = [d.of(0.0, 0.25, -0.5) for _ in along]
        ends = [d.of(1.0, 0.75, 1.5) for _ in along]
        roi = np.asarray(starts + ends, np.float32)
    elif opset >= 13 and d.flag():
        roi = None
    chosen = [scales[axis] for axis in along]
    if d.flag():
        return Case("Resize", opset, [x, roi, np.asarray(chosen, np.float32)], attributes)
    sizes = [max(1, int(s * x.shape[axis])) for s, axis in zip(chosen, along)]
    if 0 in along:
        x = x[:1]
        sizes[along.index(0)] = 1
    else:
        attributes["keep_aspect_ratio_policy"] = str(d.rng.choice(POLICIES))
    empty = None if opset >= 13 and d.flag() else np.zeros(0, np.float32)
    return Case("Resize", opset, [x, roi, empty, ints(sizes)], attributes)
