"""The same network as dense tensors: one convolution for all images and steps of a layer.

This suits a GPU. Weights are multiples of 2^-bits and spikes are 0 or 1, so the input of a neuron
in one step is exact in float32, in any order of its sum, where it is less than 2^(24 - bits)
thresholds; otherwise it is computed in float64. Potentials, which have no such bound, are always
float64. So the spikes are those of the kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from spinn_convert.backends.reference.program import Program
from spinn_convert.linear.maps import LinearMap, apply, matrix, on_grid
from spinn_convert.linear.ops import Conv, Floats
from spinn_convert.network.records import Network, Population


@dataclass(frozen=True, eq=False)
class Result:
    """spikes: bool (T, B, *shape) per spiking population; potentials (T, B, *shape) per readout."""

    spikes: dict[str, Tensor]
    potentials: dict[str, Tensor]


def simulate(
    network: Network,
    program: Program,
    currents: dict[str, Floats],
    steps: int,
    device: torch.device,
) -> Result:
    """Simulate a batch; `currents` are those of `rate.input_currents`, (B, *shape) each.

    program: of the network.
    """
    batch = len(next(iter(currents.values())))
    spikes: dict[str, Tensor] = {}
    potentials = {}
    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=False):
        for population in network.populations:
            if population.kind == "input":
                continue
            bias = on_grid(population.bias, network.bits)[None]
            constant = currents.get(population.name, bias)
            kind = _exact(program, population, constant)
            on_device = torch.from_numpy(constant).to(device, kind)
            received = on_device.expand(steps, batch, *population.shape).clone()
            for projection in network.incoming(population):
                if projection.source != network.input.name:
                    sent = spikes[projection.source][: steps - projection.delay]
                    weigh = _on_grid(projection.map, network.bits, kind)
                    received[projection.delay :] += weigh(sent.flatten(0, 1)).view_as(
                        received[projection.delay :]
                    )
            if population.kind == "spiking":
                spikes[population.name] = _integrate_and_fire(population, received)
            else:
                received[: population.release] = 0
                potentials[population.name] = received.cumsum(0, dtype=torch.float64).float()
    return Result(spikes, potentials)


def _exact(program: Program, population: Population, constant: Floats) -> torch.dtype:
    """Return the type in which the largest possible input of a neuron in one step is exact."""
    most = program.populations[program.names.index(population.name), 7] / program.one
    units = program.one / 2 * (most + float(np.abs(constant).max(initial=0)))
    return torch.float32 if units < 2**24 else torch.float64


def _integrate_and_fire(population: Population, received: Tensor) -> Tensor:
    v_init = torch.from_numpy(population.v_init).to(received.device, torch.float64)
    v = v_init.expand(received.shape[1:]).clone()
    fired = torch.zeros_like(received, dtype=torch.bool)
    for t in range(population.release, len(received)):
        v += received[t]
        fired[t] = v >= 1
        if population.v_reset is None:
            v -= fired[t].to(v)
        else:
            v = torch.where(fired[t], torch.from_numpy(population.v_reset).to(v), v)
    return fired


def _on_grid(linear: LinearMap, bits: int, kind: torch.dtype) -> Callable[[Tensor], Tensor]:
    """Return a function that applies the map, its weights rounded to 2^-bits, in this type."""
    plain = len(linear.ops) == 1 and kind == torch.float32
    if plain and isinstance(linear.ops[0], Conv):
        op = linear.ops[0]
        conv = Conv(on_grid(op.weight, bits), op.stride, op.dilation, op.pads, op.groups)
        rounded = LinearMap(linear.in_shape, (conv,))
        return lambda spikes: apply(rounded, spikes.float())
    full = matrix(linear)
    full.data = on_grid(full.data, bits)
    shape = linear.out_shape
    indices = torch.from_numpy(np.stack(full.tocoo().coords).astype(np.int64))
    values = torch.from_numpy(full.data).to(kind)
    weights = torch.sparse_coo_tensor(indices, values, full.shape, check_invariants=True)

    def multiply(spikes: Tensor) -> Tensor:
        product = torch.sparse.mm(weights.to(spikes.device), spikes.flatten(1).to(kind).T)
        return torch.reshape(product.T, (-1, *shape))

    return multiply
