"""The settings of a conversion. PAPER and BASIC are the methods of Mueller et al. 2021."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Annotated, Any, Literal, get_args, get_type_hints

from spinn_convert.errors import ConversionError, Problem
from spinn_convert.files.typed import structured

LEVELS = 16
"""Rate levels that thresholds="mmse" rounds activations to, where a method has no `levels`."""


@dataclass(frozen=True)
class Range:
    """Numbers that a setting allows, from `least` to `most` (None: no limit).

    open_above: whether `most` itself is not allowed.
    """

    least: float
    most: float | None = None
    open_above: bool = False

    def __contains__(self, number: float) -> bool:
        """Return if the number is allowed."""
        most = float("inf") if self.most is None else self.most
        return self.least <= number <= most and not (self.open_above and number == most)

    def __str__(self) -> str:
        if self.most is None:
            return f"{self.least:g} or more"
        return f"{self.least:g} to {'below ' if self.open_above else ''}{self.most:g}"


@dataclass(frozen=True)
class Method:
    """How weights, thresholds and initial membrane potentials are chosen.

    A scale is the activation that a rate of one spike per step stands for.

    percentile: the scale is this percentile of a channel's activations; None for 99.95, or more in
    networks of over 50 layers. normalisation: one scale per "channel" or per "layer". thresholds:
    the scale is the "percentile", or the value with which rounding the activations to `levels`
    levels (None: 16) has the least squared error ("mmse"). dead_channels: give channels that are
    zero on all calibration images the scale of their "layer", or "refuse" them.
    v_init: initial membrane potential, in thresholds. clamp_delay: d in N(l) = d * l; layer l is
    held at its initial potential until step N(l), plus its depth, which spikes take to reach it.
    copies: neurons per activation, which fire in turn, in the first `copied_layers` layers; None
    for as many layers as add 45 % neurons, at most ten.
    potentials: initial potentials are "fixed" at v_init, or lowered per "channel" or "neuron" where
    calibration images make too many spikes. correct_bias: correct the biases as well. horizon:
    time steps after the output's release for which both corrections are computed; None for 12 plus
    half the depth.
    max_pool: "spiking" difference neurons, or "average" to replace every maximum by the mean.
    reset: a spike may "subtract" the threshold, or set the potential to a "constant", which is then
    calibrated per channel.

    Raises ConversionError that names every setting which is of a wrong type, out of its range, or
    without effect beside the others.
    """

    percentile: Annotated[float | None, Range(50, 100)] = None
    normalisation: Literal["channel", "layer"] = "channel"
    v_init: Annotated[float, Range(0, 1, open_above=True)] = 0.5
    clamp_delay: Annotated[int, Range(0, 100)] = 0
    dead_channels: Literal["layer", "refuse"] = "layer"
    thresholds: Literal["percentile", "mmse"] = "percentile"
    levels: Annotated[int | None, Range(1, 10_000)] = None
    copies: Annotated[int, Range(1, 16)] = 2
    copied_layers: Annotated[int | None, Range(0)] = None
    potentials: Literal["fixed", "channel", "neuron"] = "channel"
    correct_bias: bool = False
    horizon: Annotated[int | None, Range(1)] = None
    max_pool: Literal["spiking", "average"] = "spiking"
    reset: Literal["subtract", "constant"] = "subtract"

    def __post_init__(self) -> None:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        problems = [*_wrong_values(values)] or [*_without_effect(self)]
        if problems:
            raise ConversionError(problems)

    @property
    def corrects(self) -> bool:
        """Whether calibration images are simulated to correct the network."""
        return self.potentials != "fixed" or self.correct_bias


def named_method(method: str | Method) -> Method:
    """Return the method of this name; raises ConversionError when there is none."""
    if isinstance(method, Method):
        return method
    if method not in METHODS:
        fix = f"choose from {', '.join(METHODS)}, or give a Method"
        raise ConversionError([Problem(f"method {method!r}", "unknown", fix)])
    return METHODS[method]


def setting_hints() -> dict[str, Any]:
    """Return the annotation of every setting, ranges included, by its name."""
    return get_type_hints(Method, include_extras=True)


def unknown_setting(name: str, known: Mapping[str, object]) -> Problem:
    """Return the problem that no setting has this name; its fix is the most similar known name."""
    near = get_close_matches(name, known, 1)
    fix = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
    return Problem(f"setting {name}", "unknown", fix)


def _wrong_values(values: Mapping[str, object]) -> Iterator[Problem]:
    for name, hint in setting_hints().items():
        value = values[name]
        try:
            structured(value, hint)
        except ValueError as error:
            yield Problem(f"setting {name}", str(error), f"it takes {described(hint)}")
            continue
        for limits in getattr(hint, "__metadata__", ()):
            if value is not None and value not in limits:
                yield Problem(f"setting {name}", f"{value!r} is out of range", f"use {limits}")


def described(hint: Any) -> str:
    """Return in words what a setting takes."""
    (limits,) = getattr(hint, "__metadata__", ("",))
    kinds = getattr(hint, "__origin__", hint) if limits else hint
    if isinstance(limits, Range):
        whole = int in (kinds, *get_args(kinds))
        return f"{'a whole number' if whole else 'a number'}, {limits}"
    return "true or false" if kinds is bool else " or ".join(get_args(kinds))


def _without_effect(method: Method) -> Iterator[Problem]:
    """Yield a problem for every setting that the others make ineffective."""
    if method.levels is not None and method.thresholds != "mmse":
        yield _idle("levels", "only thresholds=mmse rounds to levels", "set thresholds=mmse, too")
    if method.percentile is not None and method.thresholds == "mmse":
        yield _idle("percentile", "thresholds=mmse takes none", "leave one of the two out")
    if method.horizon is not None and not method.corrects:
        fix = "set potentials=channel or correct_bias=true, too"
        yield _idle("horizon", "nothing is corrected with potentials=fixed", fix)
    if method.copied_layers and method.copies == 1:
        yield _idle("copied_layers", "copies=1 makes no copies", "set copies=2, say, too")


def _idle(name: str, reason: str, fix: str) -> Problem:
    return Problem(f"setting {name}", f"has no effect: {reason}", fix)


PAPER = Method(99.99, clamp_delay=1, copies=1, potentials="fixed")
"""The extended conversion of Mueller et al. 2021."""
BASIC = replace(PAPER, percentile=99.9, normalisation="layer", v_init=0.0, clamp_delay=0)
"""The basic conversion that they compare it with."""
METHODS: Mapping[str, Method] = {"default": Method(), "paper": PAPER, "basic": BASIC}
