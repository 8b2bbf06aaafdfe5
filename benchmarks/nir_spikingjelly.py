"""Claim: SpikingJelly fires every spike of the example, read from its NIR file, as we do.

    python3 -m venv sj
    sj/bin/pip install torch==2.13.0 numpy scipy matplotlib tqdm loguru h5py packaging requests
    sj/bin/pip install --no-deps spikingjelly==2.0.0
    sj/bin/pip install nir==1.0.8 nirtorch==2.6
    python -m benchmarks.nir_spikingjelly --peer sj/bin/python

SpikingJelly runs the lines of docs/nir.md. It fires the same spikes once it resets by subtraction,
starts at the initial potentials, and has input currents that are multiples of 2^-14; this prints
how many differ with less than that. As it is loaded, it resets to zero and starts at zero; then it
fires the same spikes as our reference does with such neurons.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import spinn_convert as sc
from benchmarks.common import Claim, at_least, at_most, parser_of, prepare, settle
from spinn_convert.network.timing import default_steps

PEER = Path(__file__).with_name("nir_spikingjelly_peer.py")
SETTINGS = ("rounded", "subtract", "subtract v_init", "subtract v_init rounded")
"""What the peer sets after loading; one run each."""
Spikes = Mapping[str, NDArray[np.bool_]]
"""By population, (T, B, N)."""


def reset_to_zero(network: sc.Network) -> sc.Network:
    """Return the network with neurons as NIR has them: reset to 0, and 0 at the start."""
    zero = np.zeros(1, np.float32)
    populations = [
        replace(p, v_init=zero, v_reset=zero) if p.kind == "spiking" else p
        for p in network.populations
    ]
    return replace(network, populations=tuple(populations))


def own_spikes(network: sc.Network, values: NDArray[np.float32], steps: int) -> Spikes:
    """Return the spikes of the reference within `steps` steps, those of a layer from its depth."""
    names = [p.name for p in network.spiking]
    recording = sc.run(network, values, steps=steps + network.depth, record=names)
    found = {}
    for p in network.spiking:
        image, step, neuron = recording.spikes[p.name].T
        spikes = np.zeros((steps + network.depth, len(values), p.size), bool)
        spikes[step, image, neuron] = True
        found[p.name] = spikes[p.depth : p.depth + steps]
    return found


def peer_runs(
    python: str, network: sc.Network, values: NDArray[np.float32]
) -> Iterator[tuple[str, Spikes, NDArray[np.float32]]]:
    """Yield what was set, the spikes and the logits of each run of SpikingJelly."""
    import nir

    sizes = {p.name: p.size for p in network.spiking}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        nir.write(folder / "resnet18.nir", network.to_nir())
        np.save(folder / "images.npy", values)
        for told in SETTINGS:
            called = [python, "-W", "ignore", str(PEER), *told.split()]
            subprocess.run(called, check=True, cwd=folder)
            with np.load(folder / "spikes.npz") as arrays:
                logits = arrays["logits"]
                spikes = {
                    p: np.unpackbits(arrays[f"spikes {p}"], axis=-1, count=sizes[p]).view(bool)
                    for p in sizes
                }
            yield told, spikes, logits


def differing(some: Spikes, others: Spikes) -> int:
    """Return the number of neurons and steps in which one fires and the other does not."""
    return sum(int(np.count_nonzero(some[name] != others[name])) for name in others)


def claims(arguments: argparse.Namespace) -> Iterator[Claim]:
    """Measure."""
    example = prepare(threads=arguments.threads)
    values = example.model.core_input(example.data.images[: arguments.images])
    labels, steps = example.data.labels[: arguments.images], default_steps(example.network)
    ann = example.model.logits(example.data.images[: arguments.images]).argmax(1)
    within = steps - example.network.depth
    soft = own_spikes(example.network, values, within)
    print(f"{sum(map(np.count_nonzero, soft.values())):,} spikes of {len(values)} images")
    for told, spikes, logits in peer_runs(arguments.peer, example.network, values):
        classes = logits.argmax(1)
        print(
            f"SpikingJelly, {told}: {differing(spikes, soft):,} differ; "
            f"accuracy {(classes == labels).mean():.1%}, "
            f"agreement with the ANN {(classes == ann).mean():.1%}"
        )
        if told == "rounded":
            hard = own_spikes(reset_to_zero(example.network), values, within)
            yield at_most("differ if both reset to zero", differing(spikes, hard), 0)
        if told == SETTINGS[-1]:
            yield at_most("differ if both reset by subtraction", differing(spikes, soft), 0)
            yield at_least("agreement with the ANN", (classes == ann).mean(), 0.99)


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    parser = parser_of(__doc__)
    parser.add_argument("--peer", default="sj/bin/python", help="python with SpikingJelly")
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    return settle(claims(parser.parse_args(words)))


if __name__ == "__main__":
    sys.exit(main())
