"""Vector instructions that numba's own loops do not become.

Each function is compiled into its caller. Indices are unsigned and unchecked. Vectors are as long
as the longest of any processor; where they are shorter, LLVM takes several for one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

VECTOR_BYTES = 64
EIGHT = 8
"""Neurons that are compared with the threshold at a time."""
MASKS = np.arange(256)
"""All patterns of which of eight neurons fire, a bit per neuron."""
BITS = (MASKS[:, None] >> np.arange(EIGHT) & 1).astype(bool)
POSITIONS = np.argsort(~BITS, axis=1, kind="stable").astype(np.uint8)
"""For each mask, the positions of its eight bits, those that are set first."""

I32, I64 = ir.IntType(32), ir.IntType(64)


def _vector_pointer(context: Any, builder: Any, kind: Any, array: Any, at: Any, lanes: int) -> Any:
    """Return a pointer to `lanes` elements of a numba array from element `at`."""
    data = context.make_array(kind)(context, builder, array).data
    element = ir.IntType(kind.dtype.bitwidth)
    return builder.bitcast(builder.gep(data, [at]), ir.VectorType(element, lanes).as_pointer())


def _splat(builder: Any, value: Any, lanes: int) -> Any:
    """Return a vector with `value` in all lanes."""
    kind = ir.VectorType(value.type, lanes)
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(I32, 0))
    same = ir.Constant(ir.VectorType(I32, lanes), [0] * lanes)
    return builder.shuffle_vector(one, one, same)


def _adder(vectors: int, size: int = VECTOR_BYTES) -> Any:
    """Return a function that adds `vectors` vectors of `size` bytes each.

    f(target, at, source, start) does target[at : at + n] += source[start : start + n], for arrays
    of one integer type.
    """

    def add(typing_context: Any, target: Any, at: Any, source: Any, start: Any) -> Any:
        if target.dtype != source.dtype:
            raise TypingError(f"{target.dtype} and {source.dtype} differ")
        bytes_each = target.dtype.bitwidth // 8
        lanes = size // bytes_each
        signature = types.void(target, types.uint64, source, types.uint64)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            def pointers(number: int) -> list[Any]:
                kind, array, first = (
                    signature.args[number],
                    arguments[number],
                    arguments[number + 1],
                )
                starts = [builder.add(first, I64(k * lanes)) for k in range(vectors)]
                return [_vector_pointer(context, builder, kind, array, s, lanes) for s in starts]

            into, added = pointers(0), pointers(2)
            sums = [
                builder.add(builder.load(a, align=bytes_each), builder.load(b, align=bytes_each))
                for a, b in zip(into, added)
            ]
            for total, pointer in zip(sums, into):
                builder.store(total, pointer, align=bytes_each)
            return context.get_dummy_value()

        return signature, generate

    return intrinsic(add)


add_three_vectors: Any = _adder(3)
add_vector: Any = _adder(1)
add_half_vector: Any = _adder(1, VECTOR_BYTES // 2)


def _firing(subtract: bool) -> Callable[..., Any]:
    """Return the code for eight neurons that fire and are reset."""

    def fire(
        typing_context: Any,
        v: Any,
        bias: Any,
        v_reset: Any,
        at: Any,
        threshold: Any,
        positions: Any,
        spikes: Any,
        count: Any,
    ) -> Any:
        index = types.uint64
        signature = index(v, bias, v_reset, index, types.int32, positions, spikes, index)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            at, one, count = arguments[3], arguments[4], arguments[7]

            def eight(number: int, start: Any) -> Any:
                kind, array = signature.args[number], arguments[number]
                return _vector_pointer(context, builder, kind, array, start, EIGHT)

            into, thresholds = eight(0, at), _splat(builder, one, EIGHT)
            potential = builder.add(
                builder.load(into, align=4), builder.load(eight(1, at), align=4)
            )
            above = builder.icmp_signed(">=", potential, thresholds)
            reset = (
                builder.sub(potential, thresholds)
                if subtract
                else builder.load(eight(2, at), align=4)
            )
            builder.store(builder.select(above, reset, potential), into, align=4)
            mask = builder.zext(builder.bitcast(above, ir.IntType(8)), I64)
            order = builder.load(eight(5, builder.mul(mask, I64(EIGHT))), align=1)
            neurons = builder.zext(order, ir.VectorType(I32, EIGHT))
            neurons = builder.add(neurons, _splat(builder, builder.trunc(at, I32), EIGHT))
            builder.store(neurons, eight(6, count), align=4)
            return builder.add(count, builder.ctpop(mask))

        return signature, generate

    return fire


fire_eight_subtract: Any = intrinsic(_firing(subtract=True))
fire_eight_reset: Any = intrinsic(_firing(subtract=False))
