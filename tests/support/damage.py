"""Damaged ONNX files: every kind of damage in turn, on a seed file drawn at random."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from random import Random

import onnx

from support.damage_graphs import GRAPH_DAMAGE
from support.damage_seeds import RESNET, seeds
from support.damage_tensors import TENSOR_DAMAGE

Bytes = Callable[[Random, bytes], bytes]


def truncated(rng: Random, content: bytes) -> bytes:
    return content[: rng.randrange(len(content))]


def truncated_early(rng: Random, content: bytes) -> bytes:
    return content[: rng.randrange(200)]


def flipped(rng: Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice([1, 3, 20])):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def header_flipped(rng: Random, content: bytes) -> bytes:
    """Flip bytes among names, types and attributes of a file that begins with its nodes."""
    reach = min(len(content), 1500)
    return flipped(rng, content[:reach]) + content[reach:]


def inserted(rng: Random, content: bytes) -> bytes:
    place = rng.randrange(len(content))
    return content[:place] + rng.randbytes(rng.choice([1, 2, 100])) + content[place:]


def removed(rng: Random, content: bytes) -> bytes:
    place = rng.randrange(len(content))
    return content[:place] + content[place + rng.choice([1, 2, 100]) :]


def swapped(rng: Random, content: bytes) -> bytes:
    a, b = sorted(rng.sample(range(len(content)), 2))
    return content[b:] + content[a:b] + content[:a]


def doubled(rng: Random, content: bytes) -> bytes:
    return content + content[: rng.randrange(len(content))]


def garbage(rng: Random, content: bytes) -> bytes:
    return rng.randbytes(rng.choice([0, 1, 10, 1000, 100_000]))


def text(rng: Random, content: bytes) -> bytes:
    return b"<html>404: no such model</html>\n" * rng.randrange(1, 100)


BYTE_DAMAGE: tuple[Bytes, ...] = (
    *(truncated, truncated_early, flipped, flipped, header_flipped, header_flipped),
    *(inserted, removed, swapped, doubled, garbage, text),
)


def damaged(count: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of `count` files; the beginning is the same for every count."""
    rng = Random(seed)
    files = {**seeds(), "resnet18": RESNET.read_bytes()}
    kinds = list(chain(BYTE_DAMAGE, GRAPH_DAMAGE, TENSOR_DAMAGE))
    order: list[Callable] = []
    for number in range(count):
        if not order:
            order = rng.sample(kinds, len(kinds))
        damage = order.pop()
        names = (
            list(files)
            if damage in BYTE_DAMAGE
            else [*["convolutional"] * 5, "tiny", "detector", *files]
        )
        name = rng.choice(names)
        yield f"{number:04} {damage.__name__} {name}", _apply(damage, rng, files[name])


def _apply(damage: Callable, rng: Random, content: bytes) -> bytes:
    if damage in BYTE_DAMAGE:
        return damage(rng, content)
    proto = onnx.load_from_string(content)
    return (damage(rng, proto) or proto).SerializeToString()
