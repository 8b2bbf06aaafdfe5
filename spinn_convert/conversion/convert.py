"""Layers and their scales -> spiking network (Mueller et al. 2021, "Minimizing Inference Time").

A neuron's rate r in [0, 1] stands for the activation r * lambda, lambda being the scale of its
channel. So the weights of a projection are W * lambda_source / lambda_target and the bias is
b / lambda_target per step (Rueckauer et al. 2017, eq. 7). All inputs of a residual sum are divided
by the lambda of the sum: that normalises both paths of a block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from spinn_convert.conversion.fold import Layer, depths
from spinn_convert.conversion.method import Method
from spinn_convert.errors import ConversionError, Problem
from spinn_convert.linear.maps import LinearMap, on_grid, then
from spinn_convert.linear.ops import Floats, Scale
from spinn_convert.network.records import Network, Population, Projection

GRID_BITS = 14
"""Simulators round weights, biases and currents to multiples of 2^-14 thresholds."""
LARGEST_BIAS = 2.0**10
"""In thresholds per step; a larger bias means that its layer's scale came out far too small."""
CLIPPED = 0.05
"""Per cent of a layer's activations that exceed its scale, in networks of depth DEEP or less."""
CLIPPED_BY_DETECTORS = 0.01
"""The same for networks with several outputs: in a detector, 0.1 % left the mAP as it was, but 9 %
of the detections were others; 0.05 and 0.01 % left 4 and 2 %."""
DEEP = 50
"""In deeper networks, every layer clips CLIPPED * DEEP / depth per cent: see `settled`."""


def settled(method: Method, layers: Sequence[Layer]) -> Method:
    """Return the method with its percentile chosen, if it has none and its thresholds need one.

    A lower percentile makes all rates higher, so that fewer steps tell them apart, but it clips
    more activations, and the losses of successive layers add up. So a network deeper than DEEP
    clips in all layers together what DEEP layers would: the percentile is 99.95, in ResNet-101
    (depth 100) 99.975. A detector, which has several outputs, clips less, at 99.99.
    """
    if method.percentile is not None or method.thresholds == "mmse":
        return method
    depth = max(depths(layers).values(), default=0)
    several = sum(layer.kind == "readout" for layer in layers) > 1
    clipped = CLIPPED_BY_DETECTORS if several else CLIPPED
    return replace(method, percentile=100 - clipped * min(1, DEEP / max(depth, 1)))


def convert(
    layers: Sequence[Layer],
    scales: Mapping[str, Floats],
    method: Method,
    made_from: Mapping[str, str],
) -> Network:
    """Return the spiking network; `scales` holds lambda (C,) of every spiking layer.

    made_from: `Network.made_from`. Raises ConversionError for a bias above LARGEST_BIAS.
    """
    populations: dict[str, Population] = {}
    projections, depth_of = [], depths(layers)
    for layer in layers:
        inputs = [(populations[source], linear) for source, linear in layer.inputs]
        scale = scales[layer.name] if layer.kind == "spiking" else np.ones(1, np.float32)
        target = _population(layer, scale, depth_of[layer.name], method)
        populations[layer.name] = target
        for source, linear in inputs:
            gained = then(linear, _gain(np.reciprocal(target.scale), target))
            scaled = then(LinearMap(linear.in_shape, (_gain(source.scale, source),)), *gained.ops)
            delay = target.depth - source.depth
            projections.append(Projection(source.name, target.name, scaled, delay))
    network = Network(
        tuple(populations.values()), tuple(projections), method.clamp_delay, GRID_BITS, made_from
    )
    _check_range(network)
    return network


def _population(layer: Layer, scale: Floats, depth: int, method: Method) -> Population:
    ones = (1,) * len(layer.shape)
    scale = np.broadcast_to(scale, layer.shape[:1])
    columns = scale.reshape(-1, *ones[1:])
    bias = np.zeros(ones, np.float32) if layer.bias is None else layer.bias / columns
    # half a step off the multiples of 2^-GRID_BITS, so that V never equals the threshold and
    # simulators that compare with > and >= agree
    v_init = on_grid(np.full(ones, method.v_init), GRID_BITS) + np.float32(2.0 ** -(GRID_BITS + 1))
    if layer.kind != "spiking":
        v_init = np.zeros(ones, np.float32)
    release = (1 + method.clamp_delay) * max(depth, 0)
    return Population(
        layer.name, layer.kind, layer.shape, bias, v_init, scale, depth, release, layer.ceiling
    )


def _gain(factor: Floats, population: Population) -> Scale:
    return Scale(factor.reshape(-1, *(1,) * (len(population.shape) - 1)))


def _check_range(network: Network) -> None:
    """Raise ConversionError for a bias above LARGEST_BIAS."""
    problems = [
        Problem(
            population.name,
            f"a bias of {np.abs(population.bias).max():.3g} thresholds per step",
            "its activations are far smaller than its bias: normalise the images as in training",
        )
        for population in network.spiking
        if np.abs(population.bias).max(initial=0) > LARGEST_BIAS
    ]
    if problems:
        raise ConversionError(problems)
