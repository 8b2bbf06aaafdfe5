"""Files of networks: those of older versions still give the spikes that they gave then."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.networks import small_network

from spinn_convert.backends.reference import backend as reference
from spinn_convert.errors import DataError
from spinn_convert.network.copies import groups, multiplied
from spinn_convert.network.recording import Settings, Stimulus
from spinn_convert.network.records import Network
from spinn_convert.network.store import FORMAT

DATA = Path(__file__).parent / "data"


@pytest.mark.parametrize("reset", ["subtract", "constant"])
def test_a_network_of_format_1_gives_the_spikes_that_it_gave_when_it_was_written(reset):
    network = Network.load(DATA / f"format_1_{reset}.npz")
    assert network.reset == reset
    then = np.load(DATA / "spikes_of_format_1.npz")
    recorded = tuple(population.name for population in network.spiking)
    found = reference.run(network, Stimulus(then["values"]), Settings(40, record=recorded))
    prefix = {"subtract": "subtract", "constant": "zero"}[reset]
    for name in recorded:
        np.testing.assert_array_equal(found.spikes[name], then[f"{prefix} {name}"])


def test_what_is_saved_is_loaded(tmp_path):
    network = replace(small_network(), steps=40, read_out="all", made_from={"path": "a.onnx"})
    network.save(tmp_path / "network")
    again = Network.load(tmp_path / "network")
    assert (again.steps, again.read_out, again.made_from) == (40, "all", {"path": "a.onnx"})
    for ours, theirs in zip(network.projections, again.projections):
        assert (ours.source, ours.target, ours.delay) == (
            theirs.source,
            theirs.target,
            theirs.delay,
        )
        for op, other in zip(ours.map.ops, theirs.map.ops):
            assert type(op) is type(other)
    values = np.random.default_rng(0).standard_normal((2, 2, 6, 6)).astype(np.float32)
    runs = [reference.run(n, Stimulus(values), Settings(30)) for n in (network, again)]
    np.testing.assert_array_equal(runs[0].readout["out"], runs[1].readout["out"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda h: h["network"]["fields"].update(bits="14"), "'14' is not a whole number"),
        (lambda h: h["network"]["fields"].update(read_out="soon"), "none of all, late"),
        (lambda h: h["network"]["fields"].update(other=1), "other"),
        (lambda h: h["network"].update(record="Conv"), "Conv where Network belongs"),
        (lambda h: h.update(format=FORMAT + 1), "upgrade spinn_convert"),
    ],
)
def test_a_header_that_says_something_else_is_refused(tmp_path, change, words):
    path = tmp_path / "network.npz"
    small_network().save(path)
    arrays = dict(np.load(path))
    header = json.loads(arrays["header"].tobytes())
    change(header)
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    np.savez(path, **arrays)
    with pytest.raises(DataError, match=words):
        Network.load(path)


def test_copies_of_a_population_are_recognised_in_a_file(tmp_path):
    network = multiplied(small_network(), copies=2, layers=1)
    network.save(tmp_path / "network")
    again = Network.load(tmp_path / "network")
    sizes = [[len(group) for group in groups(n)] for n in (network, again)]
    assert sizes[0] == sizes[1]
    assert 2 in sizes[0]
