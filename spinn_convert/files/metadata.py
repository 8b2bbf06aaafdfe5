"""How pictures are made a model's input, as timm and torchvision describe it."""

from __future__ import annotations

import json
import re
from ast import literal_eval
from collections.abc import Mapping, Sequence
from math import floor
from typing import Any

from spinn_convert.errors import DataError, Problem
from spinn_convert.files.preprocess import FILTERS, Preprocess, read

CROPPED = 0.875
"""timm's share of the resized picture's side where a configuration names none."""
SETTING = re.compile(r"(\w+)=(\[[^\]]*\]|[^\s,()]+)")
"""A line of what torchvision prints of its transforms, such as `resize_size=[256]`."""


def from_properties(where: str, properties: Mapping[str, str]) -> Preprocess | None:
    """Return what the metadata of an ONNX file says; None if they say nothing of pictures.

    Understood are `preprocess`, a text as of --preprocess; `pretrained_cfg`, timm's configuration
    as JSON or as Python prints it; `transforms`, torchvision's `str(weights.transforms())`; or the
    entries of either by their own names, `mean` and `std` among them. Raises DataError for others.
    """
    if "preprocess" in properties:
        return read(properties["preprocess"])
    for name, values in (("pretrained_cfg", _literal), ("transforms", _printed)):
        if name in properties:
            return from_timm(f"{where}, {name}", values(properties[name]))
    if {"mean", "std"} <= properties.keys():
        return from_timm(where, {name: _literal(text) for name, text in properties.items()})
    return None


def from_timm(where: str, content: Any) -> Preprocess:
    """Return what a configuration of timm says, or the attributes of torchvision's transforms.

    timm: `input_size` (C, H, W), `crop_pct`, `crop_mode`, `interpolation`, `mean` and `std`;
    torchvision: `crop_size`, `resize_size`. Raises DataError where they are missing or unusual.
    """
    found = content
    if isinstance(content, dict):
        found = content.get("pretrained_cfg", content)
    try:
        crop = _pair(found.get("crop_size") or found["input_size"][-2:])
        how = Preprocess(
            _resize(found, crop),
            crop,
            str(found.get("interpolation", "bilinear")).lower().removeprefix("interpolationmode."),
            mean=tuple(map(float, found["mean"])),
            std=tuple(map(float, found["std"])),
        )
        if how.interpolation not in FILTERS or not min(how.std) > 0:
            raise ValueError(how)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        what = f"is no preprocessing that is understood ({type(error).__name__}: {error})"
        raise DataError([Problem(where, what, "say it with --preprocess")]) from error
    return how


def _resize(found: Mapping[str, Any], crop: tuple[int, int]) -> tuple[int, ...]:
    """Return the size to which a picture is resized before it is cropped."""
    if "resize_size" in found:
        return tuple(map(int, found["resize_size"]))
    share = float(found.get("crop_pct") or CROPPED)
    rows, columns = (floor(side / share) for side in crop)
    mode = found.get("crop_mode", "center")
    if mode == "squash":
        return rows, columns
    if mode != "center" or rows != columns:
        raise ValueError(f"crop_mode {mode} of {crop[0]} x {crop[1]}")
    return (rows,)


def _pair(sides: Sequence[int] | int) -> tuple[int, int]:
    both = [sides] if isinstance(sides, int) else list(sides)
    return int(both[0]), int(both[-1])


def _literal(text: str) -> Any:
    """Return the value of a text, of JSON or of Python; the text itself if it is neither."""
    try:
        return json.loads(text)
    except ValueError:
        try:
            return literal_eval(text)
        except (ValueError, SyntaxError):
            return text


def _printed(text: str) -> dict[str, Any]:
    """Return the settings in what torchvision prints of its transforms."""
    return {name: _literal(value) for name, value in SETTING.findall(text)}
