"""The board's equations again, slowly: dense matrices, one tick at a time, all populations at once.

Written from the update rule of IF_curr_exp as the binaries execute it, not from spinn_convert.
"""

from __future__ import annotations

import numpy as np

from spinn_convert.linear.maps import LinearMap, matrix
from spinn_convert.linear.ops import Conv, Dense, Scale
from spinn_convert.network.records import Network, Population, Projection

DECAY = 0xFFFDEB83
TAU_RAW = 1032434483  # 31507.4 as s16.15
SCALE = (TAU_RAW * (0xFFFFFFFF - DECAY)) >> 15
EPSILON = (2**32 - DECAY) / 2**32


def residual_network(rng, image_gain=2.0, weight_gain=2.0, clamp_delay=1):
    """Return a stem, a block with a strided shortcut, one with an identity, and a readout."""

    def conv(out, into, size, stride=1):
        w = rng.normal(size=(out, into, size, size)) * weight_gain / np.sqrt(into * size * size)
        return Conv(w.astype(np.float32), (stride, stride), pads=(size // 2,) * 4)

    def population(name, kind, shape, depth):
        ones = (shape[0],) + (1,) * (len(shape) - 1)
        bias = (0.2 * rng.normal(size=ones)).astype(np.float32)
        v_init = np.full(ones, 0.5 + 2.0**-15 if kind == "spiking" else 0, np.float32)
        scale = rng.uniform(0.5, 2, shape[0]).astype(np.float32)
        release = (1 + clamp_delay) * max(depth, 0)
        return Population(name, kind, shape, bias, v_init, scale, depth, release)

    a, b = (4, 6, 5), (6, 3, 3)
    populations = (
        population("image", "input", (2, 6, 5), -1),
        population("stem", "spiking", a, 0),
        population("down", "spiking", b, 1),
        population("sum", "spiking", b, 2),
        population("last", "spiking", b, 3),
        population("out", "readout", (3,), 4),
    )
    half = Scale(rng.uniform(-1, 1, (6, 1, 1)).astype(np.float32))
    dense = Dense((0.5 * rng.normal(size=(3, 54))).astype(np.float32))
    stem = conv(4, 2, 3)
    projections = (
        Projection("image", "stem", LinearMap((2, 6, 5), (scaled(stem, image_gain),)), 1),
        Projection("stem", "down", LinearMap(a, (conv(6, 4, 3, 2),)), 1),
        Projection("down", "sum", LinearMap(b, (conv(6, 6, 3),)), 1),
        Projection("stem", "sum", LinearMap(a, (conv(6, 4, 1, 2),)), 2),
        Projection("sum", "last", LinearMap(b, (conv(6, 6, 3),)), 1),
        Projection("down", "last", LinearMap(b, (half,)), 2),
        Projection("sum", "out", LinearMap(b, (half, dense)), 2),
        Projection("last", "out", LinearMap(b, (dense,)), 1),
    )
    return Network(populations, projections, clamp_delay, 14)


def scaled(op, factor):
    return Conv((op.weight * np.float32(factor)).astype(np.float32), op.stride, pads=op.pads)


def decayed(current, steps):
    for _ in range(steps):
        current = (current * DECAY) >> 32
    return current


def slow_drive(bias, v_init, release, theta):
    """One neuron: raw (i_offset, isyn_exc), in Python integers."""
    limit = 1.95 / theta
    step = round(max(-limit, min(limit, float(bias))) * theta * 32768)
    current = -round(step / EPSILON)
    return round(float(v_init) * theta * 32768) + step - decayed(current, release), current


def quantise(network, settings):
    """Return (projection, excitatory, inhibitory LSBs (post, pre)) of all with synapses."""
    found = []
    for projection in network.projections:
        if projection.source != "image":
            theta, shift = settings[projection.target]
            weights = matrix(projection.map).toarray().astype(np.float64)
            lsbs = np.rint(np.abs(weights) * theta * 2.0 ** (15 - shift)).astype(int)
            found.append((projection, lsbs * (weights > 0), lsbs * (weights < 0)))
    return found


def arriving(population, t, quantised, fired):
    """Return the sums (2, N) in the ring buffers of a population in one tick."""
    ring = np.zeros((2, population.size), np.int64)
    for projection, exc, inh in quantised:
        sent = t - projection.delay
        if projection.target == population.name and sent >= 0:
            ring += np.stack([exc, inh]) @ fired[projection.source][sent]
    return ring


def slow_delta_run(network, currents, settings, v_reset, steps):
    """As slow_run, for IF_curr_delta with tau_m = 20000, cm = 40000 / 32768."""
    members = [p for p in network.populations if p.kind != "input"]
    resistance, exp_tc = ((20000 << 15) << 15) // 40000, 32766
    quantised = quantise(network, settings)
    fired = {p.name: np.zeros((steps, p.size), bool) for p in members}
    potentials = {p.name: np.zeros((steps, p.size), np.int64) for p in members}
    v = {p.name: raw(p, p.v_init, settings) for p in members}
    for t in range(steps):
        for p in members:
            theta, shift = settings[p.name]
            exc, inh = np.minimum(arriving(p, t, quantised, fired), 65535) << shift
            if t >= p.release:
                i_offset = raw(
                    p, np.clip(currents.get(p.name, p.bias), -3.9 / theta, 3.9 / theta), settings
                )
                a = ((exc - inh + i_offset) * resistance) >> 15
                v[p.name] = a - ((exp_tc * (a - v[p.name])) >> 15)
                fired[p.name][t] = (v[p.name] >= theta * 32768) & (p.kind == "spiking")
                potentials[p.name][t] = v[p.name]
                reset = raw(p, v_reset.get(p.name, 0), settings)
                v[p.name] = np.where(fired[p.name][t], reset, v[p.name])
    return fired, potentials


def raw(population, values, settings):
    values = np.asarray(values, np.float64)
    if values.ndim == 1 and len(population.shape) == 3:
        values = values[:, None, None]
    scaled = np.rint(values * settings[population.name][0] * 32768).astype(np.int64)
    return np.broadcast_to(scaled, population.shape).ravel()


def slow_run(network, currents, settings, steps):
    """Return spikes {name: (T, N)}, raw V of all populations {name: (T, N)}, saturated entries.

    currents: {name: (*shape)} of one image. settings: {name: (theta, shift)}.
    """
    members = [p for p in network.populations if p.kind != "input"]
    state, offset, saturated = {}, {}, dict.fromkeys([p.name for p in members], 0)
    for p in members:
        bias = np.broadcast_to(currents.get(p.name, p.bias), p.shape).ravel()
        v_init = np.broadcast_to(p.v_init, p.shape).ravel()
        drives = [slow_drive(b, v, p.depth, settings[p.name][0]) for b, v in zip(bias, v_init)]
        offset[p.name] = np.array([d[0] for d in drives], np.int64)
        isyn = np.array([d[1] for d in drives], np.int64)
        state[p.name] = np.stack([isyn, np.zeros_like(isyn)])
    quantised = quantise(network, settings)
    fired = {p.name: np.zeros((steps, p.size), bool) for p in members}
    potentials = {p.name: np.zeros((steps, p.size), np.int64) for p in members}
    for t in range(steps):
        for p in members:
            theta, shift = settings[p.name]
            ring = arriving(p, t, quantised, fired)
            if p.kind == "spiking" and t > 0:
                ring[1] += fired[p.name][t - 1] * round(theta * 2 ** (15 - shift))
            saturated[p.name] += int((ring > 65535).sum())
            state[p.name] += ((np.minimum(ring, 65535) << shift) * SCALE) >> 32
            if t >= p.depth:
                v = state[p.name][0] - state[p.name][1] + offset[p.name]
                potentials[p.name][t] = v
                fired[p.name][t] = (v >= theta * 32768) & (p.kind == "spiking")
            state[p.name] = (state[p.name] * DECAY) >> 32
    return fired, potentials, saturated
