"""Settings of a conversion: a wrong value, or one without effect, is refused by its name."""

from __future__ import annotations

import io
import re
from dataclasses import asdict, fields, replace
from typing import get_args

import numpy as np
import pytest
from rich.console import Console

from spinn_convert.cli.tables import settings_table
from spinn_convert.conversion.method import (
    BASIC,
    METHODS,
    PAPER,
    Method,
    Range,
    described,
    named_method,
    setting_hints,
)
from spinn_convert.errors import ConversionError
from spinn_convert.jobs.recipe import Recipe, read_recipe

NAMES = [field.name for field in fields(Method)]
BESIDE = {"levels": {"thresholds": "mmse"}}
"""What a setting needs to have an effect."""


def limits(name):
    """Return the range of a setting, None where it takes words."""
    found = [m for m in getattr(setting_hints()[name], "__metadata__", ()) if isinstance(m, Range)]
    return found[0] if found else None


def whole(name):
    return "int" in str(setting_hints()[name])


def refused(name, words, **settings):
    with pytest.raises(ConversionError) as caught:
        Method(**settings)
    problems = [p for p in caught.value.problems if p.where == f"setting {name}"]
    assert len(problems) == 1, str(caught.value)
    assert problems[0].fix
    assert words in str(problems[0]), str(problems[0])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", ["strange", [], {}, b"2", 1j, object(), np.array([1, 2])])
def test_values_of_another_type_are_refused(name, value):
    refused(name, "it takes " + described(setting_hints()[name]), **{name: value})


@pytest.mark.parametrize("name", [n for n in NAMES if whole(n)])
@pytest.mark.parametrize("value", [2.0, 2.5, True, "2"])
def test_a_whole_number_is_no_other_number(name, value):
    refused(name, f"{value!r} is not a whole number", **{name: value})


@pytest.mark.parametrize("name", [n for n in NAMES if limits(n)])
def test_numbers_out_of_their_range_are_refused_and_its_ends_are_not(name):
    allowed, step = limits(name), 1 if whole(name) else 0.001
    for value in (allowed.least - step, -(10**9), float("-inf"), float("nan")):
        words = "out of range" if not whole(name) or isinstance(value, int) else "whole number"
        refused(name, words, **{name: value})
    assert getattr(Method(**BESIDE.get(name, {}), **{name: allowed.least}), name) == allowed.least
    if allowed.most is None:
        return
    refused(name, f"use {allowed}", **{name: allowed.most + step})
    if allowed.open_above:
        refused(name, f"below {allowed.most}", **{name: allowed.most})
    else:
        assert Method(**BESIDE.get(name, {}), **{name: allowed.most})


@pytest.mark.parametrize("name", [n for n in NAMES if not limits(n)])
def test_only_the_words_of_a_setting_are_taken(name):
    if name == "correct_bias":
        for value in (0, 1, "true", None):
            refused(name, "true or false", **{name: value})
        return
    for word in get_args(setting_hints()[name]):
        assert getattr(Method(**{name: word}), name) == word
    for value in ("", "Channel", None, 1):
        refused(name, " or ".join(get_args(setting_hints()[name])), **{name: value})


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("levels", {"levels": 8}, "only thresholds=mmse rounds to levels"),
        ("percentile", {"percentile": 99, "thresholds": "mmse"}, "thresholds=mmse takes none"),
        ("horizon", {"horizon": 9, "potentials": "fixed"}, "nothing is corrected"),
        ("copied_layers", {"copied_layers": 2, "copies": 1}, "copies=1 makes no copies"),
    ],
)
def test_settings_without_effect_are_refused(name, settings, words):
    refused(name, f"has no effect: {words}", **settings)
    assert Method(**{key: value for key, value in settings.items() if key != name})
    assert Method(**{name: settings[name]} | BESIDE.get(name, {}))


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(ConversionError) as caught:
        Method(percentile=3, copies=0, reset="zero", v_init="half")
    assert [p.where.split()[1] for p in caught.value.problems] == [
        *("percentile", "v_init", "copies", "reset")
    ]


def test_a_changed_method_is_checked_again():
    with pytest.raises(ConversionError, match="setting horizon: has no effect"):
        replace(PAPER, horizon=5)
    assert replace(PAPER, horizon=5, correct_bias=True).corrects
    assert not PAPER.corrects
    assert Method().corrects


def test_methods_of_the_paper_are_its_settings():
    assert dict(METHODS) == {"default": Method(), "paper": PAPER, "basic": BASIC}
    shown = (PAPER.percentile, PAPER.normalisation, PAPER.v_init, PAPER.clamp_delay, PAPER.copies)
    assert shown == (99.99, "channel", 0.5, 1, 1)
    shown = (BASIC.percentile, BASIC.normalisation, BASIC.v_init, BASIC.clamp_delay, BASIC.copies)
    assert shown == (99.9, "layer", 0.0, 0, 1)
    assert named_method(PAPER) is PAPER
    assert named_method("basic") is BASIC
    with pytest.raises(ConversionError, match="choose from default, paper, basic, or give a Met"):
        named_method("papr")


@pytest.mark.parametrize("name", METHODS)
def test_the_table_lists_exactly_the_settings(name):
    page = io.StringIO()
    Console(file=page, width=120).print(settings_table(Recipe(METHODS[name])))
    rows = re.findall(r"^│ (\w+) +│ (.*?) +│ (.*?) +│$", page.getvalue(), re.MULTILINE)
    assert [row[0] for row in rows] == NAMES == list(setting_hints()) == list(asdict(PAPER))
    for setting, value, takes in rows:
        given = getattr(METHODS[name], setting)
        assert value == ("by the network" if given is None else str(given).lower())
        assert takes == described(setting_hints()[setting])


@pytest.mark.parametrize("name", NAMES)
def test_what_the_table_shows_can_be_set_as_shown(name):
    value = getattr(PAPER, name)
    text = f"{name}={str(value).lower()}"
    assert read_recipe("paper", [text]).method == PAPER
