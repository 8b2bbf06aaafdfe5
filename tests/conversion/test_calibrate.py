"""Calibration: exact percentiles in bounded memory, thresholds of least error, few passes."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from onnx import helper

from spinn_convert.conversion.calibrate import calibrate, calibrate_all
from spinn_convert.conversion.convert import settled
from spinn_convert.conversion.fold import Layer
from spinn_convert.conversion.histogram import Statistics, passes
from spinn_convert.conversion.method import Method
from spinn_convert.conversion.steps import folded, scaled
from spinn_convert.errors import ConversionError
from spinn_convert.linear.maps import LinearMap
from spinn_convert.model import host
from spinn_convert.model.load import load

PERCENTILES = (50, 99, 99.9, 99.99, 100)
TINY = np.float32(1e-45)


def values(kind):
    """Return rows of activations (R, n); what is negative counts as zero."""
    rng = np.random.default_rng(3)
    normal = rng.standard_normal((3, 4001)).astype(np.float32)
    wide = np.exp(rng.uniform(-100, 88, normal.shape)).astype(np.float32)
    return {
        "normal": normal,
        "many zeros": np.where(rng.random(normal.shape) < 0.999, np.float32(-0.0), normal),
        "ties": np.round(normal * 4),
        "denormal": (rng.integers(0, 5000, normal.shape) * TINY).astype(np.float32),
        "one value": np.full((2, 500), np.float32(0.3)),
        "nothing": np.zeros((2, 500), np.float32),
        "one active": np.eye(3, 1000, 7, np.float32),
        "huge range": np.where(rng.random(normal.shape) < 0.5, wide, 0),
        "neighbours": np.float32(1) + rng.integers(0, 3, normal.shape).astype(np.float32) * 2**-23,
        "far apart": np.repeat(np.float32([[TINY, 3e38]]), 100, axis=1),
        "a single one": normal[:, :1],
    }[kind]


def statistics(rows, percentiles, thresholds=False, batch=997):
    """Return the statistics of rows (R, n), which come in batches of `batch` values per row."""
    found = Statistics(*rows.shape, percentiles, thresholds)
    for _ in range(passes(percentiles, thresholds)):
        for start in range(0, rows.shape[1], batch):
            chunk = rows[:, start : start + batch].T[:, :, None]
            found.add(np.ascontiguousarray(chunk, np.float32))
        found.close()
    return found


KINDS = ("normal", "many zeros", "ties", "denormal", "one value", "nothing", "one active")
KINDS += ("huge range", "neighbours", "far apart", "a single one")


@pytest.mark.parametrize("kind", KINDS)
def test_percentiles_are_those_of_numpy(kind):
    rows = values(kind)
    together, positive = statistics(rows, PERCENTILES), np.maximum(rows, 0).astype(np.float64)
    assert np.array_equal(together.maximum(), positive.max(axis=1))
    for percentile in PERCENTILES:
        wanted = np.percentile(positive, percentile, axis=1).astype(np.float32)
        assert np.array_equal(together.percentile(percentile), wanted)
        assert np.array_equal(statistics(rows, [percentile]).percentile(percentile), wanted)


def test_counts_beyond_32_bits_are_kept_in_64():
    """The values are too many to be shown; nothing but the first pass can be looked at."""
    many = Statistics(2, 1 << 33, [99.9], False)
    few = Statistics(2, 1 << 20, [99.9], False)
    assert (many._counts.dtype, few._counts.dtype) == (np.int64, np.uint32)
    many.add(np.ones((5, 2, 3), np.float32))
    assert many._counts.sum() == 30


def squared_errors(rows, thresholds, levels):
    """Return the squared error per row, as its definition says, of thresholds (R,)."""
    a, theta = np.maximum(rows, 0).astype(np.float64), np.asarray(thresholds)[:, None] / levels
    return ((theta * np.clip(np.floor(a / theta + 0.5), 0, levels) - a) ** 2).sum(axis=1)


@pytest.mark.parametrize("levels", [1, 4, 16, 64])
def test_thresholds_have_the_least_error(levels):
    rng = np.random.default_rng(5)
    heavy = np.maximum(rng.standard_t(3, (2, 30000)), 0)
    rows = np.concatenate([np.maximum(rng.standard_normal((2, 30000)), 0), heavy])
    rows = rows.astype(np.float32)
    found = statistics(rows, [99.9], True)
    theta, largest = found.threshold(levels), rows.max(axis=1)
    error = squared_errors(rows, theta, levels)
    candidates = np.linspace(1 / 40, 1, 1000)[:, None] * largest
    errors = np.stack([squared_errors(rows, some, levels) for some in candidates])
    best = candidates[errors.argmin(axis=0), np.arange(len(rows))]
    assert (error <= 1.002 * errors.min(axis=0)).all()
    assert np.abs(theta / best - 1).max() <= 0.03  # three candidates: the optimum is flat
    for other in (largest, found.percentile(99.9)):
        assert (error <= squared_errors(rows, other, levels)).all()


def test_threshold_of_one_value_is_that_value():
    found = statistics(np.full((2, 50), np.float32(0.7)), [], True)
    assert np.array_equal(found.threshold(16), np.float32([0.7, 0.7]))
    assert not statistics(np.zeros((2, 50)), [], True).threshold(16).any()


@pytest.fixture
def net(write_model):
    """A net whose sums are exact in float32, so that no batch rounds them otherwise, and images."""
    rng = np.random.default_rng(11)
    weights = {
        "w1": rng.integers(-8, 9, (6, 1, 3, 3)).astype(np.float32) / 8,
        "w2": rng.integers(-8, 9, (5, 6, 3, 3)).astype(np.float32) / 8,
        "w3": rng.integers(-8, 9, (3, 5, 1, 1)).astype(np.float32) / 8,
    }
    padded = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], **padded),
        helper.make_node("Relu", ["a"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["p"], **padded),
        helper.make_node("MaxPool", ["p"], ["b"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["b", "w3"], ["c"], kernel_shape=[1, 1]),
        helper.make_node("Relu", ["c"], ["r2"]),
        helper.make_node("GlobalAveragePool", ["r2"], ["g"]),
        helper.make_node("Flatten", ["g"], ["y"]),
    ]
    model, layers = folded(load(write_model(nodes, weights)), Method())
    images = rng.integers(-32, 33, (60, 1, 6, 5)).astype(np.float32) / 16
    return model, layers, images


METHODS = (
    *(Method(percentile) for percentile in PERCENTILES),
    Method(99.9, "layer"),
    Method(100, "layer"),
    Method(thresholds="mmse"),
    Method(thresholds="mmse", levels=4, normalisation="layer"),
)


def same(one, other):
    one, other = one.scales, other.scales
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


def test_scales_are_percentiles_of_the_tensors(net):
    model, layers, images = net
    tensors = next(host.tensors(model, images[:50], ["r1", "p", "r2"], 1))
    r1, p, r2 = (np.moveaxis(t, 1, 0).reshape(t.shape[1], -1).astype(float) for t in tensors)
    scales = calibrate(model, layers, images[:50], Method(99.9), 1).scales
    difference = next(layer.name for layer in layers if layer.signed)
    both = np.percentile(np.maximum(p, 0), 99.9, axis=1).astype(np.float32)
    both += np.percentile(np.maximum(-p, 0), 99.9, axis=1).astype(np.float32)
    assert np.array_equal(scales["r1"], np.percentile(r1, 99.9, axis=1).astype(np.float32))
    assert np.array_equal(scales["r2"], np.percentile(r2, 99.9, axis=1).astype(np.float32))
    assert np.array_equal(scales[difference], both)
    layer = calibrate(model, layers, images[:50], Method(99.9, "layer"), 1).scales
    assert np.array_equal(layer["r1"], [np.float32(np.percentile(r1, 99.9))])


def test_all_methods_at_once_are_each_alone(net):
    model, layers, images = net
    together = calibrate_all(model, layers, images, METHODS, 1)
    for method, scales in zip(METHODS, together):
        assert same(scales, calibrate(model, layers, images, method, 1)), method


def test_neither_batch_nor_order_changes_a_bit(net, monkeypatch):
    model, layers, images = net
    wanted = calibrate_all(model, layers, images, METHODS, 1)
    for batch, order in ((1, 1), (7, -1), (64, -1)):
        monkeypatch.setattr(host, "BATCH", batch)
        found = calibrate_all(model, layers, images[::order], METHODS, 1)
        assert all(same(*pair) for pair in zip(found, wanted))


def test_memory_does_not_grow_with_the_images(net):
    model, layers, images = net
    calibrate_all(model, layers, images, METHODS, 1)
    peaks = []
    for repeats in (1, 10):
        many = np.concatenate([images] * repeats)
        tracemalloc.start()
        calibrate_all(model, layers, many, METHODS, 1)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] <= 1.1 * peaks[0]


@pytest.mark.parametrize(
    ("method", "count"), [(METHODS[1], 3), (METHODS[4], 1), (METHODS[6], 1), (METHODS[7], 2)]
)
def test_progress_runs_over_the_passes_that_are_needed(net, method, count):
    model, layers, images = net
    told = []
    calibrate(model, layers, images, method, 1, lambda done, total: told.append((done, total)))
    assert told == [(n * 60 + done, count * 60) for n in range(count) for done in (50, 60)]


def test_rarely_active_channels_get_their_maximum_and_dead_ones_are_refused(net):
    model, layers, images = net
    faint = np.zeros((2000, 1, 6, 5), np.float32)
    faint[:2] = images[:2]
    assert same(
        calibrate(model, layers, faint, Method(90), 1),
        calibrate(model, layers, faint, Method(100), 1),
    )
    for method in (Method(99.9), Method(thresholds="mmse")):
        for dark in (method, replace(method, dead_channels="layer")):
            said = "layer r1: 6 of 6 channels are zero on all 9 .*\n.*images are normalised"
            with pytest.raises(ConversionError, match=said):
                calibrate(model, layers, 0 * images[:9], dark, 1)


@pytest.fixture
def shifted(write_model):
    """Return a function: biases -> layers, lambdas and network of relu(x + bias), x up to 1.001."""
    rng = np.random.default_rng(2)
    images = rng.uniform(-1, 0.999, (60, 1, 6, 5)).astype(np.float32)
    images[:3, :, 0, 0] = 1.001

    def calibrated(bias, **options):
        bias = np.asarray(bias, np.float32)
        count = len(bias)
        weights = {"w": np.ones((count, 1, 1, 1), np.float32), "b": bias}
        weights["v"] = np.ones((1, count, 1, 1), np.float32)
        nodes = [
            helper.make_node("Conv", ["x", "w", "b"], ["a"]),
            helper.make_node("Relu", ["a"], ["r"]),
            helper.make_node("Conv", ["r", "v"], ["c"]),
            helper.make_node("GlobalAveragePool", ["c"], ["g"]),
            helper.make_node("Flatten", ["g"], ["y"]),
        ]
        percentile = None if options.get("thresholds") == "mmse" else 99.9
        method = Method(percentile, potentials="fixed", **options)
        model, layers = folded(load(write_model(nodes, weights)), method)
        found = calibrate(model, layers, images, method, 1)
        network = scaled(model, layers, images, found, method, 1)
        return found, network

    return calibrated


@pytest.mark.parametrize("thresholds", ["percentile", "mmse"])
def test_hardly_active_channels_get_a_tenth_of_the_median(shifted, thresholds):
    """Channel 1 is active at three pixels, by 0.001: a bias of 1,000 times its percentile."""
    found, network = shifted([0, -1, 0.1, 0, -0.8], thresholds=thresholds)
    scale = found.scales["r"]
    assert found.floored == {"r": (1,)}
    assert scale[1] == np.float32(0.1) * np.median(scale[[0, 2, 3, 4]])
    assert np.array_equal(network.spiking[0].scale, scale)
    assert np.abs(network.spiking[0].bias).max() <= 20


def test_where_most_channels_are_hardly_active_the_bias_sets_the_least(shifted):
    found, network = shifted([-1, -1, 0, -1, -1])
    assert found.floored == {"r": (0, 1, 3, 4)}
    assert np.abs(network.spiking[0].bias).max() == pytest.approx(20)


def test_dead_channels_are_refused_or_scaled_as_the_layer_and_named(shifted):
    with pytest.raises(
        ConversionError, match=r"1 of 3 channels .*\(channels 1\)\n.*dead_channels=layer"
    ):
        shifted([0, -5, 0.1], dead_channels="refuse")
    found, _ = shifted([0, -5, 0.1])
    assert found.floored == {"r": (1,)}
    assert found.scales["r"][1] == found.scales["r"].max()
    assert shifted([0, -1], normalisation="layer")[0].floored == {}


def test_activations_that_are_not_finite_are_refused(net):
    model, layers, images = net
    for method in (Method(), Method(thresholds="mmse")):
        with pytest.raises(ConversionError, match="not finite"):
            calibrate(model, layers, images * np.float32(1e38), method, 1)


@pytest.mark.parametrize(("depth", "percentile"), [(1, 99.95), (50, 99.95), (100, 99.975)])
def test_deep_networks_clip_less_per_layer(depth, percentile):
    shortcut = LinearMap((1,))
    layers = [Layer("0", "input", (1,))]
    for i in range(depth):
        sources = {str(i), str(max(i - 2, 0))}
        layers.append(Layer(str(i + 1), "spiking", (1,), tuple((s, shortcut) for s in sources)))
    layers.append(Layer("out", "readout", (1,), ((str(depth), shortcut),)))
    assert settled(Method(), layers).percentile == percentile
    assert settled(Method(99), layers) == Method(99)
