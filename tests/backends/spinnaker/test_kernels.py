"""Layers of kernels instead of lists: the same spikes, the costs foreseen, and refusals."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("unicorn")
pytest.importorskip("spynnaker")

from support.places import BOARDS

from spinn_convert.backends.board import arithmetic as board_arithmetic
from spinn_convert.backends.spinnaker import backend as spinnaker
from spinn_convert.backends.spinnaker import build as spinnaker_build
from spinn_convert.backends.spinnaker import check as spinnaker_check
from spinn_convert.backends.spinnaker.dry_run.mapping import dry_run
from spinn_convert.backends.spinnaker.dry_run.text import table
from spinn_convert.backends.spinnaker.kernels import layers as spinnaker_convolution
from spinn_convert.backends.spinnaker.kernels.channels import Channels, merged, places
from spinn_convert.backends.spinnaker.kernels.layers import chosen, compared, qualified
from spinn_convert.errors import BackendError
from spinn_convert.linear.maps import LinearMap
from spinn_convert.linear.ops import Conv, Dense, Scale
from spinn_convert.network.recording import Settings, Stimulus
from spinn_convert.network.records import Network, Population, Projection

pytestmark = pytest.mark.spinnaker

EMULATED, VIRTUAL = BOARDS / "emulated.cfg", BOARDS / "virtual.cfg"
A, B = (4, 6, 5), (6, 3, 3)
LAYERS = ("stem", "inner", "sum", "deep", "down", "last")
KERNELS = {"stem", "inner", "sum", "deep"}


def conv(rng, out, into, size, groups=1, stride=1, pads=None):
    fan_in = into // groups * size * size
    w = rng.normal(size=(out, into // groups, size, size)) * 2 / np.sqrt(fan_in)
    pads = (size // 2,) * 4 if pads is None else pads
    return Conv(w.astype(np.float32), (stride, stride), pads=pads, groups=groups)


def population(rng, name, kind, shape, depth):
    ones = (shape[0],) + (1,) * (len(shape) - 1)
    bias = (0.2 * rng.normal(size=ones)).astype(np.float32)
    v_init = np.full(ones, 0.5 + 2.0**-15 if kind == "spiking" else 0, np.float32)
    scale = rng.uniform(0.5, 2, shape[0]).astype(np.float32)
    return Population(name, kind, shape, bias, v_init, scale, depth, max(depth, 0))


def network(rng):
    """Return a residual block, a depthwise layer, then layers that need lists."""
    shapes = {"stem": A, "inner": A, "sum": A, "deep": A, "down": B, "last": B}
    populations = [population(rng, "image", "input", (2, 6, 5), -1)]
    populations += [population(rng, n, "spiking", s, d) for d, (n, s) in enumerate(shapes.items())]
    populations.append(population(rng, "out", "readout", (3,), 6))
    half = Scale(rng.uniform(-1, 1, (4, 1, 1)).astype(np.float32))
    links = [
        ("image", "stem", conv(rng, 4, 2, 3)),
        ("stem", "inner", conv(rng, 4, 4, 3)),
        ("inner", "sum", conv(rng, 4, 4, 3)),
        ("stem", "sum", half),
        ("sum", "deep", conv(rng, 4, 4, 5, groups=4)),
        ("deep", "down", conv(rng, 6, 4, 3, stride=2)),
        ("down", "last", conv(rng, 6, 6, 3)),
        ("deep", "last", conv(rng, 6, 4, 1, stride=2)),
        ("last", "out", Dense((0.5 * rng.normal(size=(3, 54))).astype(np.float32))),
        ("sum", "out", Dense((0.2 * rng.normal(size=(3, 120))).astype(np.float32))),
    ]
    shape = {p.name: p.shape for p in populations}
    projections = tuple(Projection(s, t, LinearMap(shape[s], (op,)), 1) for s, t, op in links)
    return Network(tuple(populations), projections, 0, 14)


@pytest.fixture(scope="module")
def planned():
    rng = np.random.default_rng(3)
    net = network(rng)
    values = (2 * rng.normal(size=(2, 2, 6, 5))).astype(np.float32)
    plan = board_arithmetic.default_plan(net, Stimulus(values), Settings(31))
    return net, values, plan


@pytest.mark.slow
@pytest.mark.parametrize("per_core", [12, 512])
def test_both_ways_are_the_arithmetic_bit_for_bit(planned, monkeypatch, per_core):
    """Two images on one mapping; maps on one core and cut into three."""
    net, values, plan = planned
    monkeypatch.setattr(spinnaker_convolution, "NEURONS_PER_CORE", per_core)
    settings = Settings(15, record=LAYERS, board=EMULATED)
    expected = board_arithmetic.run(net, Stimulus(values), settings, plan=plan)
    for connectors in ("convolutions", "lists") if per_core == 512 else ("convolutions",):
        told = replace(settings, connectors=connectors)
        found = spinnaker.run(net, Stimulus(values), told, plan=plan)
        for name in LAYERS:
            assert len(expected.spikes[name]) > 100, f"{name} is silent, and proves nothing"
            assert np.array_equal(expected.spikes[name], found.spikes[name]), name
        assert np.array_equal(expected.readout["out"], found.readout["out"])


@pytest.mark.slow
@pytest.mark.parametrize("connectors", ["lists", "convolutions"])
@pytest.mark.parametrize("per_core", [(512, 256), (10, 20)])
def test_costs_are_those_of_the_mapping(planned, monkeypatch, connectors, per_core):
    net, _, plan = planned
    kernel_neurons, list_neurons = per_core
    monkeypatch.setattr(spinnaker_convolution, "NEURONS_PER_CORE", kernel_neurons)
    monkeypatch.setattr(spinnaker_build, "NEURONS_PER_CORE", list_neurons)
    dry = dry_run(net, plan, VIRTUAL, 31, connectors)
    assert [layer.name for layer in dry.layers] == [*LAYERS, "out"]
    split = chosen(plan, connectors, list_neurons, dry.ticks)
    assert split == (KERNELS if connectors == "convolutions" else set())
    ways = compared(plan, split, list_neurons, dry.ticks)
    for layer in dry.layers:
        way = ways[layer.name]
        cost = way.kernels if way.chosen else way.lists
        assert len(layer.cores) == cost.cores, layer.name
        assert layer.sdram == pytest.approx(cost.sdram, rel=0.001), layer.name
        assert layer.ways == way
    assert layer.neurons == 3
    text = table(dry)
    assert "kernels" in text
    assert "out" in text


def changed(plan, target, source, op):
    """Return the plan with another operator, of the same shapes, in one projection."""
    projections = tuple(
        replace(p, map=LinearMap(p.map.in_shape, op if isinstance(op, tuple) else (op,)))
        if (p.source, p.target) == (source, target)
        else p
        for p in plan.integers.projections
    )
    return replace(plan, integers=replace(plan.integers, projections=projections))


def test_reasons_are_told(planned):
    _, _, plan = planned
    rng = np.random.default_rng(0)
    ways = qualified(plan)
    assert {name for name, way in ways.items() if not isinstance(way, str)} == KERNELS
    assert "from deep has stride (2, 2)" in ways["down"]
    assert "receives spikes from a layer that is built with lists" in ways["last"]
    assert "readout" in ways["out"]
    loud = Conv(np.full((4, 4, 1, 1), 40_000, np.float32))
    dilated = replace(conv(rng, 4, 4, 3, pads=(2,) * 4), dilation=(2, 2))
    for op, reason in (
        (conv(rng, 4, 4, 4, pads=(1, 1, 2, 2)), "4 x 4"),
        (conv(rng, 4, 4, 3, pads=(0, 0, 2, 2)), "asymmetric padding (0, 0, 2, 2)"),
        (dilated, "dilation (2, 2)"),
        (loud, "beyond 32,767 LSBs"),
        (Scale(rng.normal(size=A).astype(np.float32)), "neurons of a channel differently"),
        ((loud, conv(rng, 4, 4, 3)), "chain of 2"),
    ):
        found = qualified(changed(plan, "inner", "stem", op))
        assert reason in found["inner"], reason
        assert "receives spikes from a layer" in found["sum"]


def test_a_core_must_hold_the_kernels(planned, monkeypatch):
    monkeypatch.setattr(spinnaker_convolution, "DTCM", 8_500)
    assert "do not fit into a core's memory" in qualified(planned[2])["stem"]


def test_the_binary_of_kernels_is_asked_for_only_where_it_runs(planned, monkeypatch):
    net, values, plan = planned
    monkeypatch.setattr(spinnaker_check, "KERNEL_BINARIES", ("IF_curr_none.aplx",))
    settings = Settings(9, board=EMULATED)
    assert spinnaker_check.check(net, settings, plan) == []
    with pytest.raises(BackendError, match=r"IF_curr_none\.aplx is missing"):
        spinnaker.run(net, Stimulus(values), replace(settings, connectors="auto"), plan=plan)


def test_auto_takes_kernels_only_where_they_save(planned):
    """Maps of 30 neurons need a core per channel, where a list puts a layer onto one."""
    _, _, plan = planned
    assert chosen(plan, "auto", 256, 32) == frozenset()
    assert chosen(plan, "auto", 10, 32) == KERNELS
    with pytest.raises(BackendError, match="'both' is none of lists, convolutions, auto"):
        chosen(plan, "both", 256, 32)


class Part:
    """A population of 4 neurons that remembers what it is told."""

    def __init__(self, channel):
        self.label, self.told, self.recorded = f"layer/{channel}", [], []

    def set(self, **values):
        self.told.append({name: np.broadcast_to(v, 4).tolist() for name, v in values.items()})

    def __getitem__(self, where):
        return SimpleNamespace(set=lambda **values: self.told.append((where, values)))

    def record(self, variable):
        self.recorded.append(variable)

    def spinnaker_get_data(self, variable):
        return np.array([[3, 7.0], [1, 8.0]]) if self.label == "layer/1" else np.zeros((0, 2))


def test_channels_pass_for_one_population():
    parts = [Part(channel) for channel in range(3)]
    layer = Channels(parts, 4)
    assert layer.size == 12
    layer.record("spikes")
    assert [part.recorded for part in parts] == [["spikes"]] * 3
    assert layer.spinnaker_get_data("spikes").tolist() == [[7, 7], [5, 8]]
    layer.set(i_offset=np.arange(12.0))
    assert parts[2].told == [{"i_offset": [8, 9, 10, 11]}]
    layer[2:8].set(i_offset=5.0)
    assert parts[0].told[1] == (slice(2, 4), {"i_offset": 5.0})
    assert parts[1].told[1] == {"i_offset": [5.0] * 4}
    assert len(parts[2].told) == 1
    rows = np.array([[0, 9, 0.5], [3, 8, 0.5], [8, 1, -1]])
    assert [(p.label, r.tolist()) for p, r in layer.shares(rows)] == [
        ("layer/0", [[0, 9, 0.5], [3, 8, 0.5]]),
        ("layer/2", [[0, 1, -1]]),
    ]
    where = places({"layer": layer, "other": Part(9)})
    assert where == {"layer/0": ("layer", 0), "layer/1": ("layer", 4), "layer/2": ("layer", 8)} | {
        "other": ("other", 0)
    }
    spikes = {"layer/2": np.array([[0, 1]]), "layer/0": np.array([[1, 0], [0, 3]])}
    assert merged(spikes, where)["layer"].tolist() == [[0, 3], [0, 9], [1, 0]]


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 224), (31, 3), (56, 56), (112, 37)])
def test_grids_have_the_shape_of_maps(height, width):
    from pyNN.space import Grid2D

    assert Grid2D(width / height).calculate_size(height * width) == (width, height)
