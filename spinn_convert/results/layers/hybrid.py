"""Where agreement is lost: the SNN's rates up to some layer, the ANN from there on.

With the rates of the first layers only, the rest of the ANN computes outputs that err by what these
layers lose. The layer at which the outputs get worse is the one to look at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from spinn_convert.linear.ops import Floats
from spinn_convert.linear.threads import torch_threads
from spinn_convert.network import rate
from spinn_convert.network.copies import merged
from spinn_convert.network.recording import Progress, silent
from spinn_convert.network.records import Network
from spinn_convert.results.layers.measure import spiking_groups

if TYPE_CHECKING:
    import torch

MOST_CUTS = 12
"""Layers behind which a network is cut at most; in deeper ones, every second or third is."""


def cuts(network: Network) -> list[str]:
    """Return the layers behind which the outputs are computed, in topological order."""
    names = [group[0].name for group in spiking_groups(network)]
    every = -(-len(names) // MOST_CUTS)
    return names[::-1][::every][::-1]


def outputs_behind(
    network: Network,
    values: Floats,
    rates: Mapping[str, Floats],
    threads: int,
    progress: Progress = silent,
) -> Iterator[tuple[str | None, dict[str, Floats]]]:
    """Yield the outputs (B, *shape) by name, in units of the ANN, of networks cut in two.

    First with None, of the ANN alone, then with each of `cuts`: up to this layer, in topological
    order, rates are those of the SNN, and behind it those of the ANN, without spikes and unclipped.
    values: input (B, *input shape). rates: of all layers, as `measure.Study.rates`.
    """
    import torch

    plain, wanted = merged(network), cuts(network)
    state = {network.input.name: torch.from_numpy(np.ascontiguousarray(values))}
    with torch_threads(threads):
        yield None, _rest(plain, dict(state))
        for population in plain.spiking:
            name = population.name
            state[name] = torch.from_numpy(np.ascontiguousarray(rates[name]))
            if name in wanted:
                yield name, _rest(plain, dict(state))
                progress(wanted.index(name) + 1, len(wanted))


def _rest(network: Network, state: dict[str, torch.Tensor]) -> dict[str, Floats]:
    """Return the outputs by name; state: rates of the populations that are known already."""
    for population in network.populations:
        if population.name not in state:
            state[population.name] = rate.rate(network, population, state, clip=False)
    return {p.name: state[p.name].numpy() * rate.columns(p) for p in network.readouts}
