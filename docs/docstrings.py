"""A docstring in plain prose, taken apart: what it says, and what it says of which name.

Docstrings of this project are paragraphs, in which `name: what it is.` describes a parameter, a
field of a record or a setting. They are shown with one list entry per name.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any


@dataclass(frozen=True)
class Prose:
    """Text of a paragraph that describes no name, or an indented one as it is."""

    text: str
    as_is: bool = False


@dataclass(frozen=True)
class Entry:
    """Names, and what is said of them together."""

    names: tuple[str, ...]
    text: str


Part = Prose | Entry


def parts(docstring: str, names: Collection[str]) -> list[Part]:
    """Return the parts of a docstring in order; only the given names make entries."""
    found: list[Part] = []
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(docstring)):
        if all(line.startswith("    ") for line in paragraph.splitlines()):
            found.append(Prose(paragraph, as_is=True))
        else:
            found += _of_paragraph(" ".join(paragraph.split()), names)
    return found


def entries(docstring: str, names: Collection[str]) -> dict[str, str]:
    """Return what a docstring says of each of the names."""
    return {
        name: part.text
        for part in parts(docstring, names)
        if isinstance(part, Entry)
        for name in part.names
    }


def described_names(thing: Any) -> list[str]:
    """Return the parameters of a function, the fields of a record, or what a class describes."""
    if is_dataclass(thing):
        return [field.name for field in fields(thing)]
    if inspect.isclass(thing):
        text = " ".join((thing.__doc__ or "").split())
        return re.findall(r"(?<=\. )([a-z_]+)(?=: )", text)
    try:
        return [name for name in inspect.signature(thing).parameters if name != "self"]
    except (TypeError, ValueError):
        return []


def as_rest(found: Collection[Part]) -> list[str]:
    """Return parts as lines of reStructuredText."""
    lines: list[str] = []
    for part in found:
        if isinstance(part, Entry):
            names = ", ".join(f"**{name}**" for name in part.names)
            lines += [f"* {names} -- {_escaped(part.text)}", ""]
        elif part.as_is:
            lines += ["::", "", *part.text.splitlines(), ""]
        else:
            lines += [_escaped(part.text), ""]
    return lines


def _of_paragraph(text: str, names: Collection[str]) -> Iterator[Part]:
    """Yield the parts of one paragraph; what it raises is no part of an entry."""
    for sentence in re.split(r"(?<=\.) (?=Raises )", text):
        yield from _of_sentences(sentence, names)


def _of_sentences(text: str, names: Collection[str]) -> Iterator[Part]:
    name = "|".join(map(re.escape, sorted(names, key=len, reverse=True))) or "(?!)"
    heads = list(re.finditer(rf"(?:^|(?<=[.;] ))((?:{name})(?:, (?:{name}))*): ", text))
    if not heads or heads[0].start() > 0:
        yield Prose(text[: heads[0].start()].strip() if heads else text)
    ends = [head.start() for head in heads[1:]]
    for head, end in zip(heads, [*ends, len(text)]):
        yield Entry(tuple(head[1].split(", ")), text[head.end() : end].strip())


def _escaped(text: str) -> str:
    """Return prose as reStructuredText: backticks mark code, nothing else marks anything."""
    pieces = re.split(r"`([^`]+)`", text)
    plain = [re.sub(r"([\\*|`])|(_)(?=\W|$)", r"\\\1\2", piece) for piece in pieces[::2]]
    code = [f"``{piece}``" for piece in pieces[1::2]]
    return "".join(a + b for a, b in zip(plain, [*code, ""], strict=True))
