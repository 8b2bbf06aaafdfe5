"""The same network as dense tensors: one convolution for all images and steps of a layer.

This is what a GPU is good at. Weights are multiples of 2^-bits and spikes are 0 or 1, so sums of
fewer than 2^(24 - bits) thresholds are exact in float32 and the spikes are those of the kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from spinn_convert.linear.maps import LinearMap, apply, matrix, on_grid
from spinn_convert.linear.ops import Conv, Floats
from spinn_convert.network.records import Network, Population


@dataclass(frozen=True, eq=False)
class Result:
    """spikes: bool (T, B, *shape) per spiking population; potentials (T, B, *shape) per readout."""

    spikes: dict[str, Tensor]
    potentials: dict[str, Tensor]


def simulate(
    network: Network, currents: dict[str, Floats], steps: int, device: torch.device
) -> Result:
    """Simulate a batch; `currents` are those of `rate.input_currents`, (B, *shape) each."""
    batch = len(next(iter(currents.values())))
    spikes: dict[str, Tensor] = {}
    potentials = {}
    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=False):
        for population in network.populations:
            if population.kind == "input":
                continue
            if population.name in currents:
                constant = torch.from_numpy(currents[population.name]).to(device)
            else:
                constant = torch.from_numpy(on_grid(population.bias, network.bits)).to(device)[None]
            drive = constant.expand(steps, batch, *population.shape).clone()
            for projection in network.incoming(population):
                if projection.source != network.input.name:
                    sent = spikes[projection.source][: steps - projection.delay]
                    weigh = _on_grid(projection.map, network.bits)
                    drive[projection.delay :] += weigh(sent.flatten(0, 1)).view_as(
                        drive[projection.delay :]
                    )
            if population.kind == "spiking":
                spikes[population.name] = _integrate_and_fire(population, drive)
            else:
                drive[: population.release] = 0
                potentials[population.name] = drive.cumsum(0)
    return Result(spikes, potentials)


def _integrate_and_fire(population: Population, drive: Tensor) -> Tensor:
    v = torch.from_numpy(population.v_init).to(drive).expand(drive.shape[1:]).clone()
    fired = torch.zeros_like(drive, dtype=torch.bool)
    for t in range(population.release, len(drive)):
        v += drive[t]
        fired[t] = v >= 1
        if population.v_reset is None:
            v -= fired[t].to(v)
        else:
            v = torch.where(fired[t], torch.from_numpy(population.v_reset).to(v), v)
    return fired


def _on_grid(linear: LinearMap, bits: int) -> Callable[[Tensor], Tensor]:
    """Return the map with the weights that its synapses have."""
    if len(linear.ops) == 1 and isinstance(linear.ops[0], Conv):
        op = linear.ops[0]
        conv = Conv(on_grid(op.weight, bits), op.stride, op.dilation, op.pads, op.groups)
        rounded = LinearMap(linear.in_shape, (conv,))
        return lambda spikes: apply(rounded, spikes.float())
    full = matrix(linear)
    full.data = on_grid(full.data, bits)
    shape = linear.out_shape
    indices = torch.from_numpy(np.stack(full.tocoo().coords).astype(np.int64))
    weights = torch.sparse_coo_tensor(
        indices, torch.from_numpy(full.data), full.shape, check_invariants=True
    )

    def multiply(spikes: Tensor) -> Tensor:
        product = torch.sparse.mm(weights.to(spikes.device), spikes.flatten(1).float().T)
        return torch.reshape(product.T, (-1, *shape))

    return multiply
