"""Add eight integers at once, in numba, whose own loops compute short runs one by one."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

LANES = 8


def _add_eight(typing_context: Any, target: Any, at: Any, source: Any, start: Any) -> Any:
    """Do target[at : at + 8] += source[start : start + 8], for integers of one type, unchecked."""
    if target.dtype != source.dtype:
        raise TypingError(f"{target.dtype} and {source.dtype} differ")
    lane, size = ir.IntType(target.dtype.bitwidth), target.dtype.bitwidth // 8
    signature = types.void(target, types.uint64, source, types.uint64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def eight(number: int) -> Any:
            make = context.make_array(signature.args[number])
            data = make(context, builder, arguments[number]).data
            vector = ir.VectorType(lane, LANES).as_pointer()
            return builder.bitcast(builder.gep(data, [arguments[number + 1]]), vector)

        into, what = eight(0), eight(2)
        total = builder.add(builder.load(into, align=size), builder.load(what, align=size))
        builder.store(total, into, align=size)
        return context.get_dummy_value()

    return signature, generate


add_eight: Any = intrinsic(_add_eight)
