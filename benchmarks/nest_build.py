"""Claims about NEST: fast to connect, small in memory.

Connecting through PyNN is >= 40x as fast as PyNN's own FromListConnector, takes <= 1.3x the time
of raw nest.Connect, and the whole process stays <= 70 bytes per synapse:

    python benchmarks/nest_build.py

FromListConnector gets the synapses of one 3x3 convolution, 64 x 7 x 7 neurons, and so do we.
Bulk is measured against raw on all projections of the example. The memory is the peak of the
main command with `--backend nest --images 1 --threads 2`, all that it imports included.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from spinn_convert.backends.nest.backend import _import
from spinn_convert.backends.pynn import TIME_STEP_MS
from spinn_convert.conversion import steps as conversion
from spinn_convert.conversion.method import PAPER
from spinn_convert.linear.maps import synapses
from spinn_convert.network.records import Network, Projection, synapse_counts

MODEL = Path(__file__).resolve().parent.parent / "examples" / "resnet18.onnx"
SMALL = "relu_11"


def populations(objects: Any, network: Network) -> dict[str, Any]:
    """Create the network's populations on an empty NEST."""
    objects.setup(TIME_STEP_MS, 4, 2, 1)
    small = objects.pynn(0)
    return {
        p.name: small.Population(p.size, objects.SubtractiveIF())
        for p in network.populations
        if p.kind != "input"
    }


def bulk(objects: Any, network: Network, chosen: list[Projection]) -> float:
    """Return the seconds to connect through PyNN with our connector."""
    made, pynn = populations(objects, network), objects.pynn(0)
    started = time.perf_counter()
    for p in chosen:
        connector = objects.BulkConnector(p.map, network.bits)
        synapse = pynn.StaticSynapse(delay=p.delay * TIME_STEP_MS)
        pynn.Projection(made[p.source], made[p.target], connector, synapse)
    return time.perf_counter() - started


def raw(objects: Any, network: Network, chosen: list[Projection]) -> float:
    """Return the seconds that nest.Connect alone takes for the same arrays, made beforehand."""
    made, total = populations(objects, network), 0.0
    for p in chosen:
        pre_id = made[p.source].node_collection[0].global_id
        post_id = made[p.target].node_collection[0].global_id
        for pre, post, weight in synapses(p.map, network.bits):
            delay = np.full(pre.size, p.delay * TIME_STEP_MS)
            ids = pre + pre_id, post + post_id
            synapse = {
                "synapse_model": "static_synapse_hpc",
                "weight": weight.astype(float),
                "delay": delay,
            }
            started = time.perf_counter()
            objects.nest.Connect(*ids, "one_to_one", synapse)
            total += time.perf_counter() - started
    return total


def stock(objects: Any, network: Network, projection: Projection) -> float:
    """Return the seconds to connect one projection with PyNN's FromListConnector."""
    made, sim = populations(objects, network), objects.sim
    parts = [np.stack(piece, axis=1) for piece in synapses(projection.map, network.bits)]
    rows = np.insert(np.concatenate(parts), 3, projection.delay * TIME_STEP_MS, axis=1)
    rows = [(int(pre), int(post), weight, delay) for pre, post, weight, delay in rows]
    source = sim.Population(len(made[projection.source]), objects.SubtractiveIF())
    target = sim.Population(len(made[projection.target]), objects.SubtractiveIF())
    started = time.perf_counter()
    sim.Projection(source, target, sim.FromListConnector(rows), sim.StaticSynapse())
    return time.perf_counter() - started


def peak_bytes() -> int:
    """Return the peak memory of the main command in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "spinn_convert", str(MODEL), "--backend", "nest"]
        options = ["--images", "1", "--threads", "2", "--out", f"{folder}/out"]
        subprocess.run([*command, *options], check=True, capture_output=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


def main() -> None:
    """Measure and print the three ratios."""
    memory = peak_bytes()
    model, layers = conversion.read(MODEL, None, "spiking")
    network = conversion.draft(model, layers, PAPER)
    connected = sum(synapse_counts(network).values())
    objects, everything = _import(), list(network.synaptic())
    one = next(p for p in everything if p.target == SMALL)
    slow = stock(objects, network, one)
    fast = min(bulk(objects, network, [one]) for _ in range(3))
    print(f"one convolution: FromListConnector {slow:.1f} s, ours {fast:.3f} s")
    print(f"ratio {slow / fast:.0f} (claim: >= 40)")
    ours = min(bulk(objects, network, everything) for _ in range(3))
    bare = min(raw(objects, network, everything) for _ in range(3))
    print(f"{connected:,} synapses: raw nest.Connect {bare:.2f} s, ours {ours:.2f} s")
    print(f"ratio {ours / bare:.2f} (claim: <= 1.3)")
    print(f"peak {memory / 1e9:.2f} GB: {memory / connected:.1f} bytes per synapse (claim: <= 70)")


if __name__ == "__main__":
    main()
