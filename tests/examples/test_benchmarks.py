"""Every benchmark can be imported and explains itself; none is run."""

import importlib

import pytest
from support.places import ROOT

NAMES = sorted(
    path.stem
    for path in (ROOT / "benchmarks").glob("[a-z]*.py")
    if path.stem not in ("common", "spikingjelly_peer", "nir_spikingjelly_peer")
)


@pytest.mark.parametrize("name", NAMES)
def test_help_says_what_is_claimed_and_how_to_run_it(name, monkeypatch, capsys):
    monkeypatch.syspath_prepend(ROOT)
    module = importlib.import_module(f"benchmarks.{name}")
    with pytest.raises(SystemExit, match="0"):
        module.main(["--help"])
    said = capsys.readouterr().out
    assert "Claim" in said
    assert f"python -m benchmarks.{name}" in said


def test_a_claim_that_falls_short_fails(monkeypatch, capsys):
    monkeypatch.syspath_prepend(ROOT)
    common = importlib.import_module("benchmarks.common")
    held = [common.at_most("bytes", 69.96, 70), common.at_least("times", 3, 3)]
    assert common.settle(held) == 0
    assert capsys.readouterr().out.splitlines() == [
        "bytes: 69.96 (claim: <= 70) ok",
        "times: 3 (claim: >= 3) ok",
    ]
    assert common.settle([*held, common.at_least("times", 2.9, 3)]) == 1
    assert "times: 2.9 (claim: >= 3) FALLS SHORT" in capsys.readouterr().out
