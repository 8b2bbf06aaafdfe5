"""The script of the paper's experiments, on a small network: its runs, tables and pictures."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, replace

import datasets
import numpy as np
import pytest
import reproduce
import results
from support.networks import pooled_model

from spinn_convert.conversion.method import PAPER

NAMES = ("extended", "ours", "basic")


@pytest.fixture
def small(monkeypatch, write_model):
    """A model, images for it, and few runs."""
    rng = np.random.default_rng(0)
    monkeypatch.setattr(reproduce, "CALIBRATION", 20)
    monkeypatch.setattr(datasets, "HELD_OUT", 40)
    method = replace(PAPER, dead_channels="layer", percentile=100)

    def few(_first):
        for name in NAMES:
            yield reproduce.Run("comparison", name, method, 40, "all", "test")

    def fewer():
        yield reproduce.Run("percentiles", "100 per channel", method, 60)
        for group in ("methods", "clamps", "beyond"):
            yield reproduce.Run(group, "extended", method, 30)

    monkeypatch.setattr(reproduce, "comparison", few)
    monkeypatch.setattr(reproduce, "experiments", fewer)
    images = rng.integers(0, 256, (60, 1, 6, 5), np.uint8)
    labels = np.arange(60, dtype=np.uint8) % 3
    data = datasets.Dataset(
        "small", images, labels, images, labels, np.array([0.5]), np.array([0.3]), 0
    )
    monkeypatch.setattr(datasets, "fashion_mnist", lambda _: data)
    return pooled_model(write_model)


def run(monkeypatch, model, out):
    arguments = ["reproduce.py", str(model), "--validation", "15", "--test", "25"]
    monkeypatch.setattr("sys.argv", [*arguments, "--threads", "1", "--out", str(out)])
    reproduce.main()


@pytest.mark.slow
def test_tables_say_what_the_runs_say_and_nothing_runs_twice(small, monkeypatch, tmp_path):
    run(monkeypatch, small, tmp_path / "results")
    found = [json.loads(p.read_text()) for p in (tmp_path / "results" / "runs").iterdir()]
    assert sorted(r["name"] for r in found if r["group"] == "comparison") == sorted(NAMES)
    assert {r["images"] for r in found if r["group"] == "comparison"} == {25}
    assert {r["images"] for r in found if r["group"] != "comparison"} == {15}
    extended = next(r for r in found if r["name"] == "extended" and r["group"] == "comparison")
    table = (tmp_path / "results" / "comparison.csv").read_text()
    rows = list(csv.DictReader(table.splitlines()))
    assert rows[0]["ANN"] == f"{100 * extended['ann']:.2f} %"
    assert rows[0]["SNN at the end"] == f"{100 * extended['accuracy'][-1]:.2f} %"
    text = (tmp_path / "results" / "README.md").read_text()
    for group in ("comparison", "percentiles", "methods", "clamps", "beyond"):
        assert (tmp_path / "results" / f"{group}.csv").exists()
        if group != "percentiles":
            picture = tmp_path / "results" / f"{group}.png"
            assert picture.read_bytes().startswith(b"\x89PNG")
            assert f"({group}.png)" in text
    monkeypatch.setattr(reproduce, "simulate", lambda *_: pytest.fail("simulated again"))
    run(monkeypatch, small, tmp_path / "results")
    assert (tmp_path / "results" / "README.md").read_text() == text


def test_steps_are_the_papers():
    found = {
        "ann": 0.9,
        "depth": 3,
        "accuracy": [0.1, 0.2, 0.3, 0.5, 0.895, 0.8, 0.9],
        "agreement": [0.1, 0.2, 0.3, 0.99, 0.98, 0.99, 1.0],
    }
    assert results.first_step(found) == 2
    assert results.agreeing_step(found) == 3
    assert results.agreeing_step({**found, "agreement": [0.5] * 7}) is None


def test_cifar_10_needs_a_place(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.argv", ["reproduce.py", "x.onnx", "--dataset", "cifar10"])
    with pytest.raises(SystemExit, match="--data"):
        reproduce.main()


def test_missing_model_is_one_message(monkeypatch, small, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, tmp_path / "none.onnx", tmp_path / "results")
    assert stopped.value.code == 2
    assert "none.onnx" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


def test_runs_are_found_by_what_they_were_made_from():
    wanted = {"after": 60, "method": asdict(PAPER)}
    older = {name: value for name, value in asdict(PAPER).items() if name != "reset"}
    assert reproduce.made_alike({"after": 60, "method": older, "seconds": 3}, wanted)
    assert not reproduce.made_alike({"after": 61, "method": older}, wanted)
    assert not reproduce.made_alike({"method": older}, wanted)
    assert not reproduce.made_alike({"after": 60, "method": {**older, "copies": 2}}, wanted)
