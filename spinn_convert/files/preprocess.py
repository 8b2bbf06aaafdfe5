"""From a picture to a model's input: resize, crop, scale, normalise, as torchvision does it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from spinn_convert.errors import DataError, Problem
from spinn_convert.linear.ops import Floats

NAMES = {
    "imagenet": "resize=256,crop=224,mean=0.485,0.456,0.406,std=0.229,0.224,0.225",
    "to_tensor": "",
}
"""What torchvision's weights of ImageNet are trained for, and its ToTensor: pixels from 0 to 1."""
FILTERS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
"""Of Pillow, by torchvision's names; all but nearest smooth where they shrink (antialias)."""
FORM = (
    "imagenet, to_tensor, a .json of timm, or some of resize=256,crop=224,mean=0.485,0.456,0.406,"
    "std=0.229,0.224,0.225,interpolation=bilinear,scale=1/255"
)
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Preprocess:
    """What is done to a picture, in this order, before a model sees it.

    resize: pixels of the shorter side, or (rows, columns). crop: (rows, columns) at the centre.
    scale: of the pixels from 0 to 255; None to divide by 255, or for a model that takes integers to
    leave them as they are. Then (pixels - mean) / std, one number each or one per channel.
    """

    resize: tuple[int, ...] = ()
    crop: tuple[int, int] | None = None
    interpolation: str = "bilinear"
    scale: float | None = None
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    @property
    def normalises(self) -> bool:
        """Whether it has a mean or a std."""
        return any(self.mean) or set(self.std) != {1.0}

    def __str__(self) -> str:
        """Return the text that `read` makes the same of."""
        sizes = {"resize": self.resize, "crop": self.crop or ()}
        parts = [f"{name}={'x'.join(map(str, size))}" for name, size in sizes.items() if size]
        if self.resize:
            parts.append(f"interpolation={self.interpolation}")
        if self.scale is not None:
            parts.append(f"scale={self.scale}")
        if self.normalises:
            parts += [
                f"{name}={','.join(map(str, values))}"
                for name, values in (("mean", self.mean), ("std", self.std))
            ]
        return ",".join(parts) or "to_tensor"


def size_after(how: Preprocess, size: tuple[int, int]) -> tuple[int, int]:
    """Return (rows, columns) of a picture of some size, resized and cropped.

    A picture that is smaller than the crop stays as it is: torchvision would pad it with black.
    """
    resized = _resized(how, size)
    if how.crop and how.crop[0] <= resized[0] and how.crop[1] <= resized[1]:
        return how.crop
    return resized


def pixels_of(how: Preprocess, picture: Image.Image) -> Pixels:
    """Return the pixels (C, rows, columns) of a picture in RGB or L, resized and cropped."""
    rows, columns = _resized(how, (picture.height, picture.width))
    if (columns, rows) != picture.size:
        filter_ = Image.Resampling[how.interpolation.upper()]
        picture = picture.resize((columns, rows), filter_)
    height, width = size_after(how, (picture.height, picture.width))
    if (width, height) != picture.size:
        top, left = round((rows - height) / 2), round((columns - width) / 2)
        picture = picture.crop((left, top, left + width, top + height))
    pixels = np.asarray(picture).reshape(height, width, -1)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def numbers_of(how: Preprocess, channels: int, integers: bool) -> Floats:
    """Return the model's input for each pixel value, float32 (C, 256).

    integers: whether the model takes integers.
    """
    values = np.tile(np.arange(256, dtype=np.float32), (channels, 1))
    if how.scale is not None:
        values *= np.float32(how.scale)
    elif not integers:
        values /= np.float32(255)
    values -= np.asarray(how.mean, np.float32).reshape(-1, 1)
    values /= np.asarray(how.std, np.float32).reshape(-1, 1)
    return values


def read(text: str) -> Preprocess:
    """Return what a text of FORM says, such as "imagenet,interpolation=bicubic".

    Raises DataError that lists every part that is wrong.
    """
    if text.endswith(".json"):
        return _from_json(Path(text))
    words = text.split(",")
    base = NAMES.get(words[0])
    parts, problems = _parts(words if base is None else words[1:])
    found, wrong = _values({**_parts(base.split(",") if base else [])[0], **parts})
    problems += wrong
    if not problems:
        how = Preprocess(**found)
        problems = [Problem(f"--preprocess {text}", what, fix) for what, fix in _unfit(how)]
    if problems:
        raise DataError(problems)
    return how


def _parts(words: Sequence[str]) -> tuple[dict[str, list[str]], list[Problem]]:
    """Return the values of each name; a number without a name belongs to the name before."""
    found: dict[str, list[str]] = {}
    problems, last = [], ""
    for part in words:
        name, equals, value = part.strip().partition("=")
        if equals and name in found:
            problems.append(Problem(f"--preprocess {name}", "given twice", "give it once"))
        elif equals:
            last, found[name] = name, [value]
        elif last:
            found[last].append(name)
        else:
            problems.append(Problem(f"--preprocess {part}", "no such name", f"give {FORM}"))
    return found, problems


def _values(parts: dict[str, list[str]]) -> tuple[dict[str, Any], list[Problem]]:
    found, problems = {}, []
    for name, words in parts.items():
        where = f"--preprocess {name}={','.join(words)}"
        if name not in READERS:
            problems.append(Problem(where, "no such setting", f"choose from {', '.join(READERS)}"))
            continue
        reader, wanted = READERS[name]
        try:
            found[name] = reader(words)
        except (ValueError, ZeroDivisionError):
            problems.append(Problem(where, "cannot be read", f"give {wanted}"))
    return found, problems


def _sides(words: list[str]) -> tuple[int, ...]:
    (word,) = words
    sides = tuple(int(side) for side in word.split("x"))
    if len(sides) > 2 or min(sides) < 1:
        raise ValueError(word)
    return sides


def _area(words: list[str]) -> tuple[int, int]:
    sides = _sides(words)
    return sides[0], sides[-1]


def _scale(words: list[str]) -> float:
    (word,) = words
    return float(Fraction(word))


def _floats(words: list[str]) -> tuple[float, ...]:
    values = tuple(float(word) for word in words)
    if not np.isfinite(values).all():
        raise ValueError(words)
    return values


def _filter(words: list[str]) -> str:
    (word,) = words
    if word not in FILTERS:
        raise ValueError(word)
    return word


READERS: dict[str, tuple[Any, str]] = {
    "resize": (_sides, "pixels of the shorter side, as 256, or rows and columns, as 224x224"),
    "crop": (_area, "pixels, as 224, or rows and columns, as 224x192"),
    "interpolation": (_filter, f"one of {', '.join(FILTERS)}"),
    "scale": (_scale, "a number, as 1/255, or 1 for pixels from 0 to 255"),
    "mean": (_floats, "one number, or one per channel, as 0.485,0.456,0.406"),
    "std": (_floats, "one number, or one per channel, as 0.229,0.224,0.225"),
}


def _unfit(how: Preprocess) -> list[tuple[str, str]]:
    """Return what is wrong in settings that can be read, and what to do."""
    found = []
    if how.resize and how.crop and size_after(how, (min(how.resize),) * 2) != how.crop:
        found.append(("the crop is larger than the resized picture", "resize to more pixels"))
    if min(how.std) <= 0:
        found.append(("std is not above zero", "give standard deviations"))
    if {len(how.mean), len(how.std)} - {1, 3}:
        found.append(("pictures have 1 or 3 channels", "give one number, or one per channel"))
    return found


def _resized(how: Preprocess, size: tuple[int, int]) -> tuple[int, int]:
    """Return (rows, columns) of a picture of some size, resized."""
    if not how.resize:
        return size
    if len(how.resize) == 2:
        return how.resize[0], how.resize[1]
    short, long = how.resize[0], int(how.resize[0] * max(size) / min(size))
    return (short, long) if size[0] <= size[1] else (long, short)


def _from_json(path: Path) -> Preprocess:
    from spinn_convert.files.metadata import from_timm

    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        what, fix = f"cannot be read as JSON ({error})", f"give {FORM}"
        raise DataError([Problem(f"--preprocess {path}", what, fix)]) from error
    return from_timm(f"--preprocess {path}", content)
